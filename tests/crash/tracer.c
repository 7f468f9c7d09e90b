/* Runs a command, and asks before each of its system calls that changes something below a folder.
 *
 *     tracer FOLDER QUESTIONS ANSWERS COMMAND [ARGUMENT...]
 *
 * QUESTIONS and ANSWERS are numbers of open descriptors. First comes the line `PID`, then one line
 * for each call, its parts divided by tabs: name, inode and length (0 if it has none), path, second
 * path. A file without a name is opened by a call `nameless`. Each is answered by one line:
 *
 *     go          it is made
 *     half        it is made with half the length
 *     fail ERRNO  it fails; a file that was to be closed is closed all the same
 *     kill        the process that makes it is killed before it
 *
 * One call at a time: until it has returned, all other threads wait before theirs. So nothing below
 * the folder changes while a question is open.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NONE = -1, FICLONE_REQUEST = 0x40049409 };

/* Which arguments of a call name its files: a folder's descriptor or the file's, and a path. */
static const struct call {
    long number;
    const char *name;
    int file, path, second_file, second_path, length;
} calls[] = {
    {SYS_open, "open", NONE, 0, NONE, NONE, NONE},
    {SYS_openat, "open", 0, 1, NONE, NONE, NONE},
    {SYS_openat2, "open", 0, 1, NONE, NONE, NONE},
    {SYS_creat, "open", NONE, 0, NONE, NONE, NONE},
    {SYS_mkdir, "mkdir", NONE, 0, NONE, NONE, NONE},
    {SYS_mkdirat, "mkdir", 0, 1, NONE, NONE, NONE},
    {SYS_rename, "rename", NONE, 0, NONE, 1, NONE},
    {SYS_renameat, "rename", 0, 1, 2, 3, NONE},
    {SYS_renameat2, "rename", 0, 1, 2, 3, NONE},
    {SYS_link, "link", NONE, 0, NONE, 1, NONE},
    {SYS_linkat, "link", 0, 1, 2, 3, NONE},
    {SYS_symlink, "symlink", NONE, 1, NONE, NONE, NONE},
    {SYS_symlinkat, "symlink", 1, 2, NONE, NONE, NONE},
    {SYS_unlink, "unlink", NONE, 0, NONE, NONE, NONE},
    {SYS_unlinkat, "unlink", 0, 1, NONE, NONE, NONE},
    {SYS_rmdir, "unlink", NONE, 0, NONE, NONE, NONE},
    {SYS_write, "write", 0, NONE, NONE, NONE, 2},
    {SYS_pwrite64, "write", 0, NONE, NONE, NONE, 2},
    {SYS_writev, "writev", 0, NONE, NONE, NONE, NONE},
    {SYS_pwritev, "writev", 0, NONE, NONE, NONE, NONE},
    {SYS_sendfile, "write", 0, NONE, NONE, NONE, 3},
    {SYS_copy_file_range, "write", 2, NONE, NONE, NONE, 4},
    {SYS_ioctl, "clone", 0, NONE, NONE, NONE, NONE},
    {SYS_truncate, "truncate", NONE, 0, NONE, NONE, NONE},
    {SYS_ftruncate, "truncate", 0, NONE, NONE, NONE, NONE},
    {SYS_fallocate, "allocate", 0, NONE, NONE, NONE, NONE},
    {SYS_fsync, "fsync", 0, NONE, NONE, NONE, NONE},
    {SYS_fdatasync, "fsync", 0, NONE, NONE, NONE, NONE},
    {SYS_syncfs, "syncfs", 0, NONE, NONE, NONE, NONE},
    {SYS_setxattr, "setxattr", NONE, 0, NONE, NONE, NONE},
    {SYS_lsetxattr, "setxattr", NONE, 0, NONE, NONE, NONE},
    {SYS_fsetxattr, "setxattr", 0, NONE, NONE, NONE, NONE},
    {SYS_removexattr, "removexattr", NONE, 0, NONE, NONE, NONE},
    {SYS_lremovexattr, "removexattr", NONE, 0, NONE, NONE, NONE},
    {SYS_fremovexattr, "removexattr", 0, NONE, NONE, NONE, NONE},
    {SYS_chmod, "chmod", NONE, 0, NONE, NONE, NONE},
    {SYS_fchmod, "chmod", 0, NONE, NONE, NONE, NONE},
    {SYS_fchmodat, "chmod", 0, 1, NONE, NONE, NONE},
    {SYS_fchown, "chown", 0, NONE, NONE, NONE, NONE},
    {SYS_fchownat, "chown", 0, 1, NONE, NONE, NONE},
    {SYS_utimensat, "utime", 0, 1, NONE, NONE, NONE},
    {SYS_close, "close", 0, NONE, NONE, NONE, NONE},
};
enum { COUNT = sizeof calls / sizeof *calls };

static const char *folder;
static size_t folder_length;
static FILE *questions, *answers;

static void fail(const char *what) {
    perror(what);
    exit(126);
}

/* In the child: only the calls above stop, so that everything else runs at full speed. */
static void stop_at_calls(void) {
    struct sock_filter steps[COUNT + 3];
    size_t count = 0;
    steps[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t at = 0; at < COUNT; at++)
        steps[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[at].number, COUNT - at, 0);
    steps[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    steps[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    struct sock_fprog program = {count, steps};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        fail("seccomp");
}

static void read_memory(pid_t thread, unsigned long address, void *into, size_t length) {
    struct iovec here = {into, length}, there = {(void *)address, length};
    if (process_vm_readv(thread, &here, 1, &there, 1, 0) < 0) memset(into, 0, length);
}

static void read_text(pid_t thread, unsigned long address, char *into) {
    size_t got = 0, length;
    do { /* no further than the page, as the next one need not be there */
        length = 4096 - (address + got) % 4096;
        if (length > PATH_MAX - 1 - got) length = PATH_MAX - 1 - got;
        read_memory(thread, address + got, into + got, length);
        got += length;
    } while (!memchr(into + got - length, 0, length) && got < PATH_MAX - 1);
    into[PATH_MAX - 1] = 0;
}

static void path_of(pid_t thread, int file, char *into) {
    char name[64];
    if (file == AT_FDCWD) snprintf(name, sizeof name, "/proc/%d/cwd", thread);
    else snprintf(name, sizeof name, "/proc/%d/fd/%d", thread, file);
    ssize_t length = readlink(name, into, PATH_MAX - 1);
    into[length < 0 ? 0 : length] = 0;
}

/* The path that two arguments of a call name. */
static void argument(pid_t thread, const long *values, int file, int path, char *into) {
    char inside[PATH_MAX] = "";
    into[0] = 0;
    if (path != NONE) {
        read_text(thread, values[path], inside);
        if (inside[0] == '/') {
            strcpy(into, inside);
            return;
        }
        path_of(thread, file == NONE ? AT_FDCWD : (int)values[file], into);
    } else if (file != NONE) path_of(thread, (int)values[file], into);
    size_t length = strlen(into);
    if (inside[0]) snprintf(into + length, PATH_MAX * 2 - length, "/%s", inside);
}

static int is_inside(const char *path) {
    return !strncmp(path, folder, folder_length) && (path[folder_length] == '/' || !path[folder_length]);
}

static int is_open_to_write(pid_t thread, int file) {
    char name[64], line[64];
    unsigned flags = O_RDONLY;
    snprintf(name, sizeof name, "/proc/%d/fdinfo/%d", thread, file);
    FILE *about = fopen(name, "r");
    if (!about) return 0;
    while (fgets(line, sizeof line, about)) sscanf(line, "flags: %o", &flags);
    fclose(about);
    return (flags & O_ACCMODE) != O_RDONLY;
}

/* The flags with which a call opens a file; 0 if it opens none. */
static unsigned long long opening(pid_t thread, const struct call *call, const long *values) {
    struct open_how how = {0};
    switch (call->number) {
    case SYS_open: return values[1];
    case SYS_openat: return values[2];
    case SYS_openat2: read_memory(thread, values[2], &how, sizeof how); return how.flags;
    case SYS_creat: return O_CREAT;
    default: return 0;
    }
}

static int is_nameless(unsigned long long flags) {
    return (flags & O_TMPFILE) == O_TMPFILE;
}

/* Whether a call changes anything, apart from where. */
static int changes(pid_t thread, const struct call *call, const long *values) {
    switch (call->number) {
    case SYS_close: return is_open_to_write(thread, (int)values[0]);
    case SYS_ioctl: return (unsigned)values[1] == FICLONE_REQUEST;
    case SYS_open: case SYS_openat: case SYS_openat2: break;
    default: return 1;
    }
    unsigned long long flags = opening(thread, call, values);
    return flags & (O_CREAT | O_TRUNC) || is_nameless(flags);
}

/* Lets one call be made to its end, while all others wait; `result` takes the place of its own. */
static void make(pid_t thread, const long *result) {
    int status, signal = 0;
    for (;;) {
        if (ptrace(PTRACE_SYSCALL, thread, 0, signal) || waitpid(thread, &status, __WALL) != thread
            || !WIFSTOPPED(status)) return;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) break;
        signal = status >> 16 ? 0 : WSTOPSIG(status);
    }
    struct user_regs_struct registers;
    if (result && !ptrace(PTRACE_GETREGS, thread, 0, &registers)) {
        registers.rax = *result;
        ptrace(PTRACE_SETREGS, thread, 0, &registers);
    }
    ptrace(PTRACE_CONT, thread, 0, 0);
}

static void look_at(pid_t thread) {
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, thread, 0, &registers)) return;
    long values[] = {registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9};
    const struct call *call = calls;
    while (call < calls + COUNT && call->number != (long)registers.orig_rax) call++;
    static char first[PATH_MAX * 2], second[PATH_MAX * 2];
    argument(thread, values, call->file, call->path, first);
    argument(thread, values, call->second_file, call->second_path, second);
    if (!(is_inside(first) || is_inside(second)) || !changes(thread, call, values)) {
        ptrace(PTRACE_CONT, thread, 0, 0);
        return;
    }
    struct stat about = {0};
    if (call->path == NONE) {
        char name[64];
        snprintf(name, sizeof name, "/proc/%d/fd/%d", thread, (int)values[call->file]);
        if (stat(name, &about)) about.st_ino = 0;
    }
    long length = call->length == NONE ? 0 : values[call->length];
    const char *asked = is_nameless(opening(thread, call, values)) ? "nameless" : call->name;
    fprintf(questions, "%s\t%lu\t%ld\t%s\t%s\n", asked, (unsigned long)about.st_ino, length, first, second);
    fflush(questions);
    char answer[64];
    if (!fgets(answer, sizeof answer, answers)) exit(0); /* who asked for this is gone */
    long result = -strtol(answer + 4, NULL, 10);
    if (!strncmp(answer, "kill", 4)) {
        kill(thread, SIGKILL); /* with all its threads */
    } else if (!strncmp(answer, "half", 4)) {
        unsigned long long *place[] = {&registers.rdi, &registers.rsi, &registers.rdx, &registers.r10, &registers.r8};
        *place[call->length] = length / 2;
        ptrace(PTRACE_SETREGS, thread, 0, &registers);
        make(thread, NULL);
    } else if (!strncmp(answer, "fail", 4) && call->number != SYS_close) {
        registers.orig_rax = -1;
        registers.rax = result;
        ptrace(PTRACE_SETREGS, thread, 0, &registers);
        ptrace(PTRACE_CONT, thread, 0, 0);
    } else {
        make(thread, strncmp(answer, "fail", 4) ? NULL : &result);
    }
}

int main(int count, char **words) {
    if (count < 5) return 2;
    folder = words[1];
    folder_length = strlen(folder);
    questions = fdopen(atoi(words[2]), "w");
    answers = fdopen(atoi(words[3]), "r");
    if (!questions || !answers) fail("descriptors");
    pid_t process = fork();
    if (!process) {
        fclose(questions);
        fclose(answers);
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        stop_at_calls();
        execvp(words[4], words + 4);
        fail(words[4]);
    }
    int status, code = 1;
    waitpid(process, &status, 0);
    long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK
        | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, process, 0, options)) fail("ptrace");
    fprintf(questions, "%d\n", process);
    fflush(questions);
    ptrace(PTRACE_CONT, process, 0, 0);
    for (pid_t thread; (thread = waitpid(-1, &status, __WALL)) > 0;) {
        if (WIFSTOPPED(status)) {
            int event = status >> 16, signal = WSTOPSIG(status);
            if (event == PTRACE_EVENT_SECCOMP) look_at(thread);
            else ptrace(PTRACE_CONT, thread, 0, event || signal == SIGSTOP || signal == SIGTRAP ? 0 : signal);
        } else if (thread == process) code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return code;
}
