/* Preloaded: closing a file with content below $CLOSE_FAILS_BELOW that was open for writing says that
   the quota is full, as network file systems do. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int close(int file) {
    const char *below = getenv("CLOSE_FAILS_BELOW");
    int fails = 0;
    if (below && *below) {
        char link[64], path[4096];
        struct stat found;
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        ssize_t length = readlink(link, path, sizeof path);
        fails = length > (ssize_t)strlen(below) && !strncmp(path, below, strlen(below)) &&
                !fstat(file, &found) && S_ISREG(found.st_mode) && found.st_size > 0 &&
                (fcntl(file, F_GETFL) & O_ACCMODE) != O_RDONLY;
    }
    int result = ((int (*)(int))dlsym(RTLD_NEXT, "close"))(file);
    if (fails) {
        errno = EDQUOT;
        return -1;
    }
    return result;
}
