/* Bare loops of the calls that each send path makes, for the benchmark to hold the paths against: nothing is tallied but
 * messages, no slot is followed by itself, no error is survived. A loop of zero-copy requests reads its notifications as the
 * path does: when half the ring is held, and it waits for one where the whole ring is.
 *
 *   loops PATH PORT CPU SLOTS STRIDE OFFSET:LENGTH... : prints the CPU time (ns) and the messages of a window of 120 ms.
 */
#define _GNU_SOURCE
#include "bare.h"

#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/sendfile.h>

#define MOST_FIELDS 64
#define ENTRIES 64
/* Older headers lack them. */
#ifndef IORING_SEND_ZC_REPORT_USAGE
#define IORING_SEND_ZC_REPORT_USAGE (1U << 3)
#endif

static int sock, file = -1, pipe_ends[2];
static char *ring, *staging;
static size_t stride, length[MOST_FIELDS], offset[MOST_FIELDS], whole;
static unsigned fields, slots, held;
static int fixed_gather;

/* The fields of the slot's message. */
static void point(struct iovec *vector, const char *slot) {
    for (unsigned n = 0; n < fields; n++) {
        vector[n].iov_base = (void *)(slot + offset[n]);
        vector[n].iov_len = length[n];
    }
}

static void send_fields(const char *slot, int flags) {
    for (unsigned n = 0; n < fields; n++) {
        int more = n + 1 < fields ? flags : 0;
        for (size_t done = 0; done < length[n];) {
            ssize_t sent = send(sock, slot + offset[n] + done, length[n] - done, MSG_NOSIGNAL | more);
            if (sent <= 0) die("send");
            done += (size_t)sent;
        }
    }
}

static void staged(const char *slot) {
    size_t at = 0;
    for (unsigned n = 0; n < fields; n++) {
        memcpy(staging + at, slot + offset[n], length[n]);
        at += length[n];
    }
    for (size_t done = 0; done < whole;) {
        ssize_t sent = send(sock, staging + done, whole - done, MSG_NOSIGNAL);
        if (sent <= 0) die("send");
        done += (size_t)sent;
    }
}

/* Sends what is left after so many bytes. */
static void after(struct msghdr *message, struct iovec *vector, const char *slot, size_t done) {
    point(vector, slot);
    unsigned first = 0;
    while (done >= vector[first].iov_len) done -= vector[first++].iov_len;
    vector[first].iov_base = (char *)vector[first].iov_base + done;
    vector[first].iov_len -= done;
    message->msg_iov = vector + first;
    message->msg_iovlen = fields - first;
}

static unsigned sendmsg_whole(const char *slot, int flags) {
    struct iovec vector[MOST_FIELDS];
    struct msghdr message = {.msg_iov = vector, .msg_iovlen = fields};
    unsigned calls = 0;
    point(vector, slot);
    for (size_t done = 0; done < whole;) {
        ssize_t sent = sendmsg(sock, &message, MSG_NOSIGNAL | flags);
        if (sent < 0 && errno == ENOBUFS && flags) return calls | 1u << 31;
        if (sent <= 0) die("sendmsg");
        calls++;
        done += (size_t)sent;
        if (done < whole) after(&message, vector, slot, done);
    }
    return calls;
}

/* Reads every notification of MSG_ZEROCOPY that is there. */
static void read_notifications(void) {
    for (;;) {
        char control[128];
        struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};
        if (recvmsg(sock, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
            if (errno == EAGAIN) return;
            die("recvmsg");
        }
        struct sock_extended_err *error = (void *)CMSG_DATA(CMSG_FIRSTHDR(&message));
        held -= error->ee_data - error->ee_info + 1;
    }
}

static void zerocopy(const char *slot) {
    while (held >= slots) {
        struct pollfd ready = {.fd = sock};
        poll(&ready, 1, 100);
        read_notifications();
    }
    unsigned calls = sendmsg_whole(slot, MSG_ZEROCOPY);
    if (calls >> 31) die("sendmsg, notification memory");
    held += calls;
    if (held >= (slots + 1) / 2) read_notifications();
}

/* A header that is copied, and the rest by reference. */
static void hybrid(const char *slot) {
    while (held >= slots) {
        struct pollfd ready = {.fd = sock};
        poll(&ready, 1, 100);
        read_notifications();
    }
    struct iovec vector[MOST_FIELDS];
    struct msghdr header = {.msg_iov = vector, .msg_iovlen = 1};
    point(vector, slot);
    if (sendmsg(sock, &header, MSG_NOSIGNAL | MSG_MORE) != (ssize_t)length[0]) die("sendmsg of a header");
    struct msghdr body = {.msg_iov = vector + 1, .msg_iovlen = fields - 1};
    for (size_t done = length[0]; done < whole;) {
        ssize_t sent = sendmsg(sock, &body, MSG_NOSIGNAL | MSG_ZEROCOPY);
        if (sent <= 0) die("sendmsg of a body");
        held++;
        done += (size_t)sent;
        if (done < whole) after(&body, vector, slot, done);
    }
    if (held >= (slots + 1) / 2) read_notifications();
}

static void send_file(const char *slot) {
    for (unsigned n = 0; n < fields; n++) {
        off_t from = slot + offset[n] - ring;
        for (size_t done = 0; done < length[n];) {
            ssize_t sent = sendfile(sock, file, &from, length[n] - done);
            if (sent <= 0) die("sendfile");
            done += (size_t)sent;
        }
    }
}

static void splice_fields(const char *slot) {
    struct iovec vector[MOST_FIELDS];
    struct msghdr message = {.msg_iov = vector, .msg_iovlen = fields};
    point(vector, slot);
    for (size_t filled = 0; filled < whole;) {
        ssize_t inside = vmsplice(pipe_ends[1], message.msg_iov, message.msg_iovlen, 0);
        if (inside <= 0) die("vmsplice");
        filled += (size_t)inside;
        while (inside > 0) {
            ssize_t sent = splice(pipe_ends[0], NULL, sock, NULL, (size_t)inside, filled < whole ? SPLICE_F_MORE : 0);
            if (sent <= 0) die("splice");
            inside -= sent;
        }
        if (filled < whole) after(&message, vector, slot, filled);
    }
}

/* An io_uring, with the flags and the waits of the paths. */
static struct {
    struct queues queues;
    unsigned outstanding;
    int results[MOST_FIELDS];
} uring;

static void uring_open(int fixed, int notifies) {
    struct io_uring_params parameters = {.flags = notifies ? IORING_SETUP_CQSIZE : 0, .cq_entries = notifies ? 4096 : 0};
    uring.queues = queues_of(ENTRIES, &parameters);
    if (fixed) {
        struct iovec all = {ring, stride * slots};
        if (syscall(SYS_io_uring_register, uring.queues.fd, IORING_REGISTER_BUFFERS, &all, 1) < 0) die("io_uring_register");
    }
}

/* Takes every completion; how many requests ended. */
static unsigned uring_take(size_t *sent) {
    unsigned ended = 0, head = *uring.queues.cq_head;
    while (head != __atomic_load_n(uring.queues.cq_tail, __ATOMIC_ACQUIRE)) {
        struct io_uring_cqe *entry = &uring.queues.cqes[head++ & uring.queues.cq_mask];
        if (entry->flags & IORING_CQE_F_NOTIF) {
            uring.outstanding--;
        } else {
            uring.results[entry->user_data] = entry->res;
            ended++;
            if (entry->res > 0) *sent += (size_t)entry->res;
        }
    }
    __atomic_store_n(uring.queues.cq_head, head, __ATOMIC_RELEASE);
    return ended;
}

static void uring_enter(unsigned submit, unsigned wait_for) {
    if (syscall(SYS_io_uring_enter, uring.queues.fd, submit, wait_for, IORING_ENTER_GETEVENTS, NULL, 0) < 0) die("io_uring_enter");
}

/* Whether this kernel takes an iovec of registered memory (EINVAL before it did). */
static int takes_fixed_gather(void) {
    struct iovec vector[MOST_FIELDS];
    struct msghdr message = {.msg_iov = vector, .msg_iovlen = fields};
    point(vector, ring);
    unsigned tail = *uring.queues.sq_tail;
    struct io_uring_sqe *entry = &uring.queues.sqes[tail++ & uring.queues.sq_mask];
    memset(entry, 0, sizeof *entry);
    entry->opcode = IORING_OP_SENDMSG_ZC;
    entry->fd = sock;
    entry->addr = (uintptr_t)&message;
    entry->len = 1;
    entry->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
    entry->ioprio = IORING_RECVSEND_FIXED_BUF;
    __atomic_store_n(uring.queues.sq_tail, tail, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, uring.queues.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) die("io_uring_enter");
    struct io_uring_cqe *done = &uring.queues.cqes[*uring.queues.cq_head & uring.queues.cq_mask];
    int result = done->res, notifies = done->flags & IORING_CQE_F_MORE;
    __atomic_store_n(uring.queues.cq_head, *uring.queues.cq_head + 1, __ATOMIC_RELEASE);
    uring.outstanding += notifies != 0;
    return result >= 0;
}

static void uring_message(const char *slot, int operation, int fixed) {
    struct iovec vector[MOST_FIELDS];
    struct msghdr message = {.msg_iov = vector, .msg_iovlen = fields};
    int is_zerocopy = operation == IORING_OP_SEND_ZC || operation == IORING_OP_SENDMSG_ZC;
    int gathers = operation == IORING_OP_SENDMSG || operation == IORING_OP_SENDMSG_ZC;
    unsigned requests = gathers ? 1 : fields, ended = 0;
    size_t sent = 0;
    while (is_zerocopy && uring.outstanding >= slots * requests) {
        uring_enter(0, 1);
        uring_take(&sent);
    }
    if (gathers) point(vector, slot);
    sent = 0;
    /* The first request that is not over, and how many of its bytes are sent. */
    unsigned at = 0;
    size_t into = 0;
    for (;;) {
        unsigned tail = *uring.queues.sq_tail, rest = requests - at;
        for (unsigned n = at; n < requests; n++) {
            struct io_uring_sqe *entry = &uring.queues.sqes[tail++ & uring.queues.sq_mask];
            size_t skipped = n == at ? into : 0;
            memset(entry, 0, sizeof *entry);
            entry->opcode = (uint8_t)operation;
            entry->fd = sock;
            entry->addr = (uintptr_t)(gathers ? (const char *)&message : slot + offset[n] + skipped);
            entry->len = gathers ? 1 : (unsigned)(length[n] - skipped);
            entry->msg_flags = operation == IORING_OP_WRITE_FIXED ? 0 : MSG_NOSIGNAL | MSG_WAITALL;
            entry->flags = n + 1 < requests ? IOSQE_IO_LINK : 0;
            entry->user_data = n;
            if (is_zerocopy) entry->ioprio = (uint16_t)(IORING_SEND_ZC_REPORT_USAGE | (fixed ? IORING_RECVSEND_FIXED_BUF : 0));
        }
        __atomic_store_n(uring.queues.sq_tail, tail, __ATOMIC_RELEASE);
        if (is_zerocopy) uring.outstanding += rest;
        size_t now = 0;
        uring_enter(rest, rest);
        for (ended = uring_take(&now); ended < rest; ended += uring_take(&now)) uring_enter(0, rest - ended);
        sent += now;
        if (sent == whole) break;
        /* A write may take less than it is given (the others wait for all), which ends the chain. */
        if (operation != IORING_OP_WRITE_FIXED) {
            fprintf(stderr, "a request took less than it was given\n");
            exit(1);
        }
        for (; at < requests; at++, into = 0) {
            if (uring.results[at] == -ECANCELED) break;
            if (uring.results[at] < 0) {
                errno = -uring.results[at];
                die("io_uring request");
            }
            into += (size_t)uring.results[at];
            if (into < length[at]) break;
        }
    }
    if (is_zerocopy && uring.outstanding >= (slots * requests + 1) / 2) uring_take(&sent);
}

enum path { SEND, SEND_MORE, STAGED, SENDMSG, ZEROCOPY, HYBRID, SENDFILE, SPLICE, SEND_U, SENDMSG_U, WRITE_FIXED_U, SEND_ZC_U, SENDMSG_ZC_U, SEND_ZC_FIXED_U };

static const char *const names[] = {
    "send", "send-more", "staged", "sendmsg", "zerocopy", "hybrid", "sendfile", "splice", "uring-send", "uring-sendmsg",
    "uring-write-fixed", "uring-send-zc", "uring-sendmsg-zc", "uring-send-zc-fixed",
};

static inline void one(enum path path, const char *slot) {
    switch (path) {
    case SEND: send_fields(slot, 0); break;
    case SEND_MORE: send_fields(slot, MSG_MORE); break;
    case STAGED: staged(slot); break;
    case SENDMSG: sendmsg_whole(slot, 0); break;
    case ZEROCOPY: zerocopy(slot); break;
    case HYBRID: hybrid(slot); break;
    case SENDFILE: send_file(slot); break;
    case SPLICE: splice_fields(slot); break;
    case SEND_U: uring_message(slot, IORING_OP_SEND, 0); break;
    case SENDMSG_U: uring_message(slot, IORING_OP_SENDMSG, 0); break;
    case WRITE_FIXED_U: uring_message(slot, IORING_OP_WRITE_FIXED, 1); break;
    case SEND_ZC_U: uring_message(slot, IORING_OP_SEND_ZC, 0); break;
    case SENDMSG_ZC_U: uring_message(slot, IORING_OP_SENDMSG_ZC, 0); break;
    case SEND_ZC_FIXED_U: uring_message(slot, fixed_gather ? IORING_OP_SENDMSG_ZC : IORING_OP_SEND_ZC, 1); break;
    }
}

int main(int count, char **words) {
    if (count < 7) {
        fprintf(stderr, "loops PATH PORT CPU SLOTS STRIDE OFFSET:LENGTH...\n");
        return 2;
    }
    int path = place_of(words[1], names, sizeof names / sizeof *names);
    slots = (unsigned)atoi(words[4]);
    stride = strtoul(words[5], NULL, 10);
    for (int n = 6; n < count && fields < MOST_FIELDS; n++, fields++) {
        if (sscanf(words[n], "%zu:%zu", &offset[fields], &length[fields]) != 2) return 2;
        whole += length[fields];
    }
    if (path == SENDFILE) {
        file = memfd_create("ring", 0);
        if (file < 0 || ftruncate(file, (off_t)(stride * slots))) die("memfd_create");
    }
    ring = mmap(NULL, stride * slots, PROT_READ | PROT_WRITE, file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, file, 0);
    if (ring == MAP_FAILED) die("mmap");
    memset(ring, 1, stride * slots);
    staging = malloc(whole);
    sock = tcp_socket();
    (void)setsockopt(sock, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
    to_loopback(sock, words[2]);
    int yes = 1;
    if ((path == ZEROCOPY || path == HYBRID) && setsockopt(sock, SOL_SOCKET, SO_ZEROCOPY, &yes, sizeof yes)) die("SO_ZEROCOPY");
    if (path == SPLICE && (pipe(pipe_ends) || fcntl(pipe_ends[1], F_SETPIPE_SZ, (int)(whole + 4096 * 2 * fields)) < 0)) die("pipe");
    if (path >= SEND_U) uring_open(path == WRITE_FIXED_U || path == SEND_ZC_FIXED_U, path >= SEND_ZC_U);

    fixed_gather = path == SEND_ZC_FIXED_U && takes_fixed_gather();

    begin(words[3]);
    uint64_t messages = 0, began = 0;
    unsigned slot = 0;
    while (phase == 0) {
        one((enum path)path, ring + stride * slot);
        if (++slot == slots) slot = 0;
    }
    began = cpu_ns();
    while (phase == 1) {
        one((enum path)path, ring + stride * slot);
        if (++slot == slots) slot = 0;
        messages++;
    }
    uint64_t ended = cpu_ns();
    printf("%llu %llu\n", (unsigned long long)(ended - began), (unsigned long long)messages);
    return 0;
}
