/* Bare loops of the calls that each receive path makes, for the benchmark to hold the paths against: bytes are counted and
 * looked at by nobody, no error is survived.
 *
 *   receives PATH PORT CPU BUFFER LOW_WATER : prints the CPU time (ns) and the bytes of a window of 120 ms.
 */
#define _GNU_SOURCE
#include "bare.h"

#include <netinet/tcp.h>
#include <poll.h>

#define PIECES 8
#define BUFFERS 8
#define PAGE 4096
/* Older headers lack them. */
#ifndef IORING_RECVSEND_BUNDLE
#define IORING_RECVSEND_BUNDLE (1U << 4)
#endif
#ifndef IORING_FEAT_RECVSEND_BUNDLE
#define IORING_FEAT_RECVSEND_BUNDLE (1U << 14)
#endif
#define ZEROCOPY_RECEIVE 35

/* What the kernel's header calls struct tcp_zerocopy_receive, as Linux 5.11 has it: libc's is older. */
struct zerocopy_receive {
    uint64_t address;
    uint32_t length, recv_skip_hint, inq;
    int32_t err;
    uint64_t copybuf_address;
    int32_t copybuf_len;
    uint32_t flags;
};

static int sock;
static char *buffer;
static size_t buffer_bytes;
static struct iovec pieces[PIECES];
static struct zerocopy_receive mapping;

/* What a call gave; the sender does not end before the window does. */
static size_t bytes_of(const char *call, ssize_t received) {
    if (received <= 0) die(call);
    return (size_t)received;
}

static size_t received_message(void) {
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = PIECES};
    return bytes_of("recvmsg", recvmsg(sock, &message, 0));
}

static size_t mapped(void) {
    for (;;) {
        struct zerocopy_receive argument = {
            .address = mapping.address,
            .length = (uint32_t)buffer_bytes,
            .copybuf_address = (uintptr_t)buffer,
            .copybuf_len = PAGE - 1,
            .flags = mapping.length == 0,
        };
        socklen_t length = sizeof argument;
        if (getsockopt(sock, IPPROTO_TCP, ZEROCOPY_RECEIVE, &argument, &length)) die("getsockopt(TCP_ZEROCOPY_RECEIVE)");
        mapping.length = argument.length;
        size_t taken = argument.length + (argument.copybuf_len > 0 ? (size_t)argument.copybuf_len : 0);
        if (argument.recv_skip_hint > 0) {
            size_t most = argument.recv_skip_hint < buffer_bytes ? argument.recv_skip_hint : buffer_bytes;
            ssize_t received = recv(sock, buffer, most, MSG_DONTWAIT);
            if (received > 0) taken += (size_t)received;
        }
        if (taken > 0) return taken;
        struct pollfd ready = {.fd = sock, .events = POLLIN};
        poll(&ready, 1, 100);
    }
}

/* An io_uring with a multishot receive into a ring of provided buffers. */
static struct {
    struct queues queues;
    int is_armed;
    unsigned bundles;
    struct io_uring_buf *provided;
    uint16_t tail, next;
    size_t bytes;
} uring;

static void provide(unsigned count) {
    for (unsigned n = 0; n < count; n++, uring.tail++) {
        unsigned place = uring.tail & (BUFFERS - 1);
        uring.provided[place].addr = (uintptr_t)(buffer + place * uring.bytes);
        uring.provided[place].len = (unsigned)uring.bytes;
        uring.provided[place].bid = (uint16_t)place;
    }
    __atomic_store_n(&uring.provided[0].resv, uring.tail, __ATOMIC_RELEASE);
}

static void uring_open(void) {
    struct io_uring_params parameters = {.flags = IORING_SETUP_CQSIZE, .cq_entries = BUFFERS + 2};
    uring.queues = queues_of(1, &parameters);
    uring.provided = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (uring.provided == MAP_FAILED) die("mmap");
    uring.bundles = parameters.features & IORING_FEAT_RECVSEND_BUNDLE;
    struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)uring.provided, .ring_entries = BUFFERS};
    if (syscall(SYS_io_uring_register, uring.queues.fd, IORING_REGISTER_PBUF_RING, &registration, 1) < 0) die("io_uring_register");
    uring.bytes = (buffer_bytes + BUFFERS - 1) / BUFFERS;
    provide(BUFFERS);
}

static size_t uring_receive(void) {
    struct queues *queues = &uring.queues;
    for (;;) {
        unsigned submit = 0;
        if (!uring.is_armed) {
            unsigned tail = *queues->sq_tail;
            struct io_uring_sqe *entry = &queues->sqes[tail & queues->sq_mask];
            memset(entry, 0, sizeof *entry);
            entry->opcode = IORING_OP_RECV;
            entry->flags = IOSQE_BUFFER_SELECT;
            entry->ioprio = (uint16_t)(IORING_RECV_MULTISHOT | (uring.bundles ? IORING_RECVSEND_BUNDLE : 0));
            entry->fd = sock;
            __atomic_store_n(queues->sq_tail, tail + 1, __ATOMIC_RELEASE);
            submit = 1;
            uring.is_armed = 1;
        }
        if (syscall(SYS_io_uring_enter, queues->fd, submit, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) die("io_uring_enter");
        size_t taken = 0;
        unsigned head = *queues->cq_head;
        while (head != __atomic_load_n(queues->cq_tail, __ATOMIC_ACQUIRE)) {
            struct io_uring_cqe entry = queues->cqes[head & queues->cq_mask];
            __atomic_store_n(queues->cq_head, ++head, __ATOMIC_RELEASE);
            uring.is_armed = (entry.flags & IORING_CQE_F_MORE) != 0;
            if (entry.res == -ENOBUFS) continue;
            if (entry.res <= 0 || !(entry.flags & IORING_CQE_F_BUFFER)) {
                errno = -entry.res;
                die("a multishot receive");
            }
            size_t received = (size_t)entry.res;
            unsigned buffers = (unsigned)((received + uring.bytes - 1) / uring.bytes);
            uring.next = (uint16_t)((uring.next + buffers) & (BUFFERS - 1));
            provide(buffers);
            taken += received;
        }
        if (taken > 0) return taken;
    }
}

enum path { RECV, RECVMSG, READV, RECV_TRUNC, RECV_ZEROCOPY, URING_RECV };

static const char *const names[] = {"recv", "recvmsg", "readv", "recv-trunc", "recv-zerocopy", "uring-recv"};

static inline size_t one(enum path path) {
    switch (path) {
    case RECV: return bytes_of("recv", recv(sock, buffer, buffer_bytes, 0));
    case RECVMSG: return received_message();
    case READV: return bytes_of("readv", readv(sock, pieces, PIECES));
    case RECV_TRUNC: return bytes_of("recv", recv(sock, NULL, buffer_bytes, MSG_TRUNC));
    case RECV_ZEROCOPY: return mapped();
    case URING_RECV: return uring_receive();
    }
    return 0;
}

int main(int count, char **words) {
    if (count != 6) {
        fprintf(stderr, "receives PATH PORT CPU BUFFER LOW_WATER\n");
        return 2;
    }
    int path = place_of(words[1], names, sizeof names / sizeof *names);
    buffer_bytes = strtoul(words[4], NULL, 10);
    int low_water = atoi(words[5]);
    buffer = mmap(NULL, buffer_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (buffer == MAP_FAILED) die("mmap");
    for (unsigned n = 0; n < PIECES; n++) {
        pieces[n].iov_base = buffer + n * (buffer_bytes / PIECES);
        pieces[n].iov_len = buffer_bytes / PIECES;
    }
    sock = tcp_socket();
    if (setsockopt(sock, SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof low_water)) die("SO_RCVLOWAT");
    to_loopback(sock, words[2]);
    if (path == RECV_ZEROCOPY) {
        void *at = mmap(NULL, buffer_bytes, PROT_READ, MAP_SHARED, sock, 0);
        if (at == MAP_FAILED) die("mmap of the socket");
        mapping.address = (uintptr_t)at;
    }
    if (path == URING_RECV) uring_open();

    begin(words[3]);
    uint64_t bytes = 0, began = 0;
    while (phase == 0) one((enum path)path);
    began = cpu_ns();
    while (phase == 1) bytes += one((enum path)path);
    uint64_t ended = cpu_ns();
    printf("%llu %llu\n", (unsigned long long)(ended - began), (unsigned long long)bytes);
    return 0;
}
