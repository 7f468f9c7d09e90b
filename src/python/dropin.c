/* The extension module `NAME/__init__.abi3.so` of a drop-in package: what an import of NAME finds.
 *
 * Python looks for extension modules before it looks for `.py` files, so that this file is found
 * beside the original's `__init__.py`, whoever installed that, and whenever. It shares no path with
 * the original. All it does is to ask `selenite._dropin` to make the package.
 *
 * build.rs compiles it, with `-DNAME=`. It does without Python's headers, since those at hand are
 * made for the processor that builds: below is what it uses of Python 3.11's stable ABI.
 */
#include <stddef.h>

typedef struct PyObject PyObject;
typedef struct {
    int slot;
    int (*value)(PyObject *module);
} PyModuleDef_Slot;
typedef struct {
    struct {
        ptrdiff_t ob_refcnt;
        void *ob_type;
        PyObject *(*m_init)(void);
        ptrdiff_t m_index;
        PyObject *m_copy;
    } m_base;
    const char *m_name;
    const char *m_doc;
    ptrdiff_t m_size;
    void *m_methods;
    PyModuleDef_Slot *m_slots;
    void *m_traverse, *m_clear, *m_free;
} PyModuleDef;
enum { Py_mod_exec = 2 };

PyObject *PyModuleDef_Init(PyModuleDef *definition);
PyObject *PyImport_ImportModule(const char *name);
PyObject *PyObject_CallMethod(PyObject *object, const char *name, const char *format, ...);
void Py_DecRef(PyObject *object);

static int execute(PyObject *module)
{
    PyObject *dropin = PyImport_ImportModule("selenite._dropin");
    PyObject *done = dropin ? PyObject_CallMethod(dropin, "adopt", "O", module) : NULL;
    Py_DecRef(dropin);
    Py_DecRef(done);
    return done ? 0 : -1;
}

#define TEXT(name) #name
#define NAMED(name) TEXT(name)
#define JOIN(first, second) first##second
#define INIT(name) JOIN(PyInit_, name)

/* Without a state of the module's own, `importlib.reload` executes it again. */
static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0, NULL}};
static PyModuleDef definition = {.m_base = {.ob_refcnt = 1}, .m_name = NAMED(NAME), .m_slots = slots};

__attribute__((visibility("default"))) PyObject *INIT(NAME)(void)
{
    return PyModuleDef_Init(&definition);
}
