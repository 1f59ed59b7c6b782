#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>
/* A file system that lacks something, for files below $LACKS_BELOW: FLOCK, RANGES and SHM name the errno they fail with. */
static int below(int fd) {
    char link[64], path[4096];
    const char *folder = getenv("LACKS_BELOW");
    ssize_t size;
    if (!folder || fd < 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}
static int lacks(const char *what, int fd) {
    const char *value = getenv(what);
    if (!value || !below(fd)) return 0;
    errno = atoi(value);
    return 1;
}
int flock(int fd, int how) {
    static int (*real)(int, int);
    if (!real) real = dlsym(RTLD_NEXT, "flock");
    return lacks("FLOCK", fd) ? -1 : real(fd, how);
}
static int locks(int command) {
    return command == F_SETLK || command == F_SETLKW || command == F_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW;
}
#define FCNTL(name) \
int name(int fd, int command, ...) { \
    static int (*real)(int, int, ...); \
    va_list rest; void *argument; \
    va_start(rest, command); argument = va_arg(rest, void *); va_end(rest); \
    if (!real) real = dlsym(RTLD_NEXT, #name); \
    return locks(command) && lacks("RANGES", fd) ? -1 : real(fd, command, argument); \
}
FCNTL(fcntl)
FCNTL(fcntl64)
static int is_shm(int fd) {
    char link[64], path[4096];
    ssize_t size;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    size = readlink(link, path, sizeof path - 1);
    if (size < 4) return 0;
    path[size] = 0;
    return strcmp(path + size - 4, "-shm") == 0;
}
#define MMAP(name, type) \
void *name(void *address, size_t size, int protection, int flags, int fd, type offset) { \
    static void *(*real)(void *, size_t, int, int, int, type); \
    if (!real) real = dlsym(RTLD_NEXT, #name); \
    if (fd >= 0 && is_shm(fd) && lacks("SHM", fd)) return MAP_FAILED; \
    return real(address, size, protection, flags, fd, offset); \
}
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)
