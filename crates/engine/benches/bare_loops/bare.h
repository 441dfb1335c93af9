/* What the bare loops share: the window in which CPU time is counted, and an io_uring's queues. */
#ifndef COPYCOST_BARE_H
#define COPYCOST_BARE_H

#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define WARMUP_MS 25
#define WINDOW_MS 120

/* 0: warming up, 1: counting, 2: over. */
static volatile int phase;

static void die(const char *call) {
    perror(call);
    exit(1);
}

static void *clock_thread(void *unused) {
    (void)unused;
    usleep(WARMUP_MS * 1000);
    phase = 1;
    usleep(WINDOW_MS * 1000);
    phase = 2;
    return NULL;
}

static uint64_t cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Lets the time run, and pins this thread to the CPU of that number: the clock's stays off it while it sleeps and beside it when it
 * wakes. */
static void begin(const char *cpu) {
    cpu_set_t cpus;
    pthread_t thread;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)atoi(cpu), &cpus);
    if (pthread_create(&thread, NULL, clock_thread, NULL)) die("pthread_create");
    if (sched_setaffinity(0, sizeof cpus, &cpus)) die("sched_setaffinity");
}

/* The place of a path's name among those of a program. */
static int place_of(const char *name, const char *const *names, size_t count) {
    for (size_t n = 0; n < count; n++)
        if (!strcmp(name, names[n])) return (int)n;
    fprintf(stderr, "%s: no such path\n", name);
    exit(2);
}

/* A socket to be connected to loopback. */
static int tcp_socket(void) {
    int made = socket(AF_INET, SOCK_STREAM, 0);
    if (made < 0) die("socket");
    return made;
}

static void to_loopback(int made, const char *port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(made, (struct sockaddr *)&to, sizeof to)) die("connect");
}

/* An io_uring's queues. */
struct queues {
    int fd;
    unsigned *sq_tail, *cq_head, *cq_tail, sq_mask, cq_mask;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
};

static struct queues queues_of(unsigned entries, struct io_uring_params *parameters) {
    struct queues made;
    parameters->flags |= IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CLAMP;
    made.fd = (int)syscall(SYS_io_uring_setup, entries, parameters);
    if (made.fd < 0) die("io_uring_setup");
    size_t bytes = parameters->sq_off.array + parameters->sq_entries * sizeof(unsigned);
    size_t completions = parameters->cq_off.cqes + parameters->cq_entries * sizeof(struct io_uring_cqe);
    if (completions > bytes) bytes = completions;
    int protection = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;
    char *base = mmap(NULL, bytes, protection, flags, made.fd, IORING_OFF_SQ_RING);
    made.sqes = mmap(NULL, parameters->sq_entries * sizeof(struct io_uring_sqe), protection, flags, made.fd, IORING_OFF_SQES);
    if (base == MAP_FAILED || made.sqes == MAP_FAILED) die("mmap");
    made.sq_tail = (unsigned *)(base + parameters->sq_off.tail);
    made.cq_head = (unsigned *)(base + parameters->cq_off.head);
    made.cq_tail = (unsigned *)(base + parameters->cq_off.tail);
    made.cqes = (struct io_uring_cqe *)(base + parameters->cq_off.cqes);
    made.sq_mask = parameters->sq_entries - 1;
    made.cq_mask = parameters->cq_entries - 1;
    for (unsigned n = 0; n < parameters->sq_entries; n++) ((unsigned *)(base + parameters->sq_off.array))[n] = n;
    return made;
}

#endif
