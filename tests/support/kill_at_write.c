/*
 * Loaded before a program (LD_PRELOAD): ends it with SIGKILL at the Nth time that it changes a file
 * whose path holds a given text, before the change is made.
 *
 *   DW_KILL_FILE  the text, such as ".sqlite"
 *   DW_KILL_AT    N, from 1
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long changes;

static void count(const char *path)
{
    const char *wanted = getenv("DW_KILL_FILE");
    const char *at = getenv("DW_KILL_AT");
    if (wanted == NULL || at == NULL || strstr(path, wanted) == NULL) return;
    if (atomic_fetch_add(&changes, 1) + 1 >= atol(at)) kill(getpid(), SIGKILL);
}

static void count_file(int file)
{
    char link[64];
    char path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    const ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0) return;
    path[size] = '\0';
    count(path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite64(int file, const void *from, size_t size, off64_t at)
{
    count_file(file);
    return NEXT(pwrite64)(file, from, size, at);
}

int fdatasync(int file)
{
    count_file(file);
    return NEXT(fdatasync)(file);
}

int fsync(int file)
{
    count_file(file);
    return NEXT(fsync)(file);
}

int ftruncate64(int file, off64_t size)
{
    count_file(file);
    return NEXT(ftruncate64)(file, size);
}

int unlink(const char *path)
{
    count(path);
    return NEXT(unlink)(path);
}
