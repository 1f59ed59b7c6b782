/* A file system that lacks something, for files below $ODD_MOUNT: LD_PRELOAD makes a facility fail with an errno. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(name) (real = real ? real : dlsym(RTLD_NEXT, name), real)

static int lacks(const char *facility, const char *path, const char *ending) {
    const char *mount = getenv("ODD_MOUNT"), *number = getenv(facility);
    size_t length = path ? strlen(path) : 0, end = strlen(ending);
    if (!mount || !number || strncmp(path ? path : "", mount, strlen(mount)) || length < end ||
        strcmp(path + length - end, ending))
        return 0;
    errno = atoi(number);
    return 1;
}

static int file_lacks(const char *facility, int file, const char *ending) {
    char link[64], path[4096];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0)
        return 0;
    path[length] = 0;
    return lacks(facility, path, ending);
}

int flock(int file, int operation) {
    static int (*real)(int, int);
    return file_lacks("ODD_FLOCK", file, "") ? -1 : REAL("flock")(file, operation);
}

#define FCNTL(name)                                                                                                    \
    int name(int file, int command, ...) {                                                                             \
        static int (*real)(int, int, ...);                                                                             \
        va_list rest;                                                                                                  \
        va_start(rest, command);                                                                                       \
        void *argument = va_arg(rest, void *);                                                                         \
        va_end(rest);                                                                                                  \
        int locks = command == F_SETLK || command == F_SETLKW || command == F_GETLK;                                   \
        if (locks && (file_lacks("ODD_RANGE", file, "") || file_lacks("ODD_SHM_LOCK", file, "-shm")))                  \
            return -1;                                                                                                 \
        return REAL(#name)(file, command, argument);                                                                   \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

#define MMAP(name, offset_type)                                                                                        \
    void *name(void *at, size_t length, int protection, int flags, int file, offset_type offset) {                     \
        static void *(*real)(void *, size_t, int, int, int, offset_type);                                              \
        return file >= 0 && file_lacks("ODD_SHM_MAP", file, "-shm")                                                    \
                   ? MAP_FAILED                                                                                        \
                   : REAL(#name)(at, length, protection, flags, file, offset);                                         \
    }
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        static int (*real)(const char *, int, ...);                                                                    \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = va_arg(rest, mode_t);                                                                            \
        va_end(rest);                                                                                                  \
        if (lacks("ODD_SHM_OPEN", path, "-shm") || (flags & (O_WRONLY | O_RDWR) && lacks("ODD_OPEN", path, "")))       \
            return -1;                                                                                                 \
        return REAL(#name)(path, flags, mode);                                                                         \
    }
OPEN(open)
OPEN(open64)

#define PWRITE(name, offset_type)                                                                                      \
    ssize_t name(int file, const void *bytes, size_t length, offset_type offset) {                                     \
        static ssize_t (*real)(int, const void *, size_t, offset_type);                                                \
        return file_lacks("ODD_WRITE", file, "") ? -1 : REAL(#name)(file, bytes, length, offset);                      \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)
