/* Faults that no ordinary machine has at hand: loaded into the broker by LD_PRELOAD, told what to do
   by a file of nine numbers that both map: whether syncs fail, by how many seconds the clock is off,
   whether new segments find no space, how many milliseconds longer a sync takes, whether reads of
   files wait; told back, how many reads have begun to wait; whether syncs wait; the first of the
   committer's syncs that waits, zero where none does; and told back, which of them waits. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *control;

__attribute__((constructor)) static void map_control(void) {
    const char *path = getenv("CARNET_TEST_FAULTS");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR, 0) : -1;
    if (fd < 0) abort();
    control = mmap(NULL, 72, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (control == MAP_FAILED) abort();
    close(fd);
}

/* Called by each sync of the committer's thread, which has them counted alone: from one on. */
static void wait_for_turn(void) {
    static int64_t begun;
    char name[16] = "";
    struct timespec time = {0, 1000000};
    prctl(PR_GET_NAME, name);
    if (!control || strcmp(name, "committer") != 0) return;
    begun++;
    while (control[7] && begun >= control[7]) {
        control[8] = begun;
        nanosleep(&time, NULL);
    }
    control[8] = 0;
}

int fdatasync(int fd) {
    wait_for_turn();
    if (control && control[0]) {
        errno = EIO;
        return -1;
    }
    if (control && control[3]) {
        struct timespec time = {control[3] / 1000, control[3] % 1000 * 1000000};
        nanosleep(&time, NULL);
    }
    while (control && control[6]) {
        struct timespec time = {0, 1000000};
        nanosleep(&time, NULL);
    }
    return (int)syscall(SYS_fdatasync, fd);
}

ssize_t pread64(int fd, void *into, size_t size, off64_t at) {
    if (control && control[4]) {
        struct timespec time = {0, 1000000};
        __atomic_fetch_add(&control[5], 1, __ATOMIC_SEQ_CST);
        while (control[4]) nanosleep(&time, NULL);
    }
    return syscall(SYS_pread64, fd, into, size, at);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int done = (int)syscall(SYS_clock_gettime, clock, time);
    if (done == 0 && clock == CLOCK_REALTIME && control) time->tv_sec += control[1];
    return done;
}

int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    const char *suffix = strrchr(path, '.');
    if (control && control[2] && (flags & O_CREAT) && suffix && strcmp(suffix, ".spare") == 0) {
        errno = ENOSPC;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
