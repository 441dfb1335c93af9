/* SPDX-License-Identifier: MIT OR GPL-2.0
 *
 * Counts the bytes that the kernel copies, or passes by reference, between user memory and sockets: one program for each
 * function and way of hooking it. User space loads each on its own and keeps those that the machine allows; at most one is
 * attached to a function. `kernel::copy_audit` holds the other half: the numbers below stand there too.
 *
 * No vmlinux.h: the few fields of the kernel's that are read are relocated by its BTF.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

/* The helpers for tracing are for programs under a GPL-compatible licence. */
char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* What is counted. */
enum {
	COPY_FROM_ITER = 1,
	COPY_TO_ITER = 2,
	COPY_UBUFS = 3,
	ZEROCOPY_ITER = 4,
	SPLICE_ITER = 5,
	SENDMSG_LOCKED = 6,
	COPY_DATAGRAM = 7,
	SEND_LENGTH = 8,
	RECV_LENGTH = 9,
	SYSTEM_CALL = 10,
	RETRANSMIT = 11,
	PINNED_PAGES = 12,
	COMPLETION = 13,
};

/* Which thread: what follows from the name that the program gives its threads. */
enum { ANY_THREAD = 0, WORKER = 1, HELPER = 2 };

struct key {
	__u32 tgid;
	__u8 kind;
	__u8 thread;
	/* The system call; the port that a packet is for; 0 otherwise. */
	__u16 number;
};

struct count {
	__u64 calls;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct key);
	__type(value, struct count);
} counts SEC(".maps");

/* Calls that found no room in `counts`: if this is not 0, nothing of it is believed. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

/* The network namespaces whose packets count, by inode; 0 where the place is free, and all count where the first one is. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} namespaces SEC(".maps");

/* The system call that a worker made last, by thread id. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u16);
} inside SEC(".maps");

/* Set before loading: the reader's pid namespace as stat(2) of /proc/self/ns/pid tells it, and the machine (x86-64 or
 * aarch64). */
volatile const __u64 PIDNS_DEV = 0;
volatile const __u64 PIDNS_INO = 0;
volatile const __u32 IS_ARM = 0;
/* Numbers of read, pread64 and write: the ends' calls for files and pipes, never for sockets. */
volatile const __u16 CALL_READ = 0xffff;
volatile const __u16 CALL_PREAD = 0xffff;
volatile const __u16 CALL_WRITE = 0xffff;
/* Of futex and exit: both look a lock's page up, the latter for the thread that waits for the end of this one. */
volatile const __u16 CALL_FUTEX = 0xffff;
volatile const __u16 CALL_EXIT = 0xffff;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	possible_net_t nd_net;
};

struct sk_buff {
	struct net_device *dev;
	unsigned int len, data_len;
	__u16 transport_header;
	unsigned char *head;
};

struct sock_common {
	__be16 skc_dport;
	possible_net_t skc_net;
};

struct sock {
	struct sock_common __sk_common;
};
#pragma clang attribute pop

#define READ(to, from) bpf_probe_read_kernel(&(to), sizeof(to), &(from))

/* Registers in struct pt_regs (arch/.../include/uapi/asm/ptrace.h), in bytes. The loads are written out because the verifier
 * wants a fixed offset, which the compiler would join into a computed one. */
#define LOAD(value, regs, offset) asm volatile("%0 = *(u64 *)(%1 + " #offset ")" : "=r"(value) : "r"(regs))
#define EITHER(name, x86, arm)                                                                                         \
	static __always_inline __u64 name(const __u64 *regs)                                                           \
	{                                                                                                              \
		__u64 value;                                                                                           \
                                                                                                                       \
		if (IS_ARM)                                                                                            \
			LOAD(value, regs, arm);                                                                        \
		else                                                                                                   \
			LOAD(value, regs, x86);                                                                        \
		return value;                                                                                          \
	}

EITHER(argument0, 112, 0) /* rdi; regs[0] */
EITHER(argument1, 104, 8) /* rsi; regs[1] */
EITHER(returned, 80, 0) /* rax; regs[0] */

static __always_inline __u8 thread(void)
{
	char name[16] = {};

	bpf_get_current_comm(name, sizeof(name));
	if (name[0] == 'w' && name[1] == 'o' && name[2] == 'r' && name[3] == 'k' && name[4] == 'e' && name[5] == 'r')
		return WORKER;
	if (name[0] == 'h' && name[1] == 'e' && name[2] == 'l' && name[3] == 'p' && name[4] == 'e' && name[5] == 'r')
		return HELPER;
	/* The kernel's threads of an io_uring (iou-sqp-N, iou-wrk-N) do a worker's work. */
	if (name[0] == 'i' && name[1] == 'o' && name[2] == 'u' && name[3] == '-')
		return WORKER;
	return ANY_THREAD;
}

/* The same, but a worker that reads or writes a file is none: _copy_from_iter and _copy_to_iter serve files too. */
static __always_inline __u8 thread_at_socket(void)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u8 in = thread();
	__u16 *call;

	if (in == ANY_THREAD)
		return in;
	call = bpf_map_lookup_elem(&inside, &tid);
	return call && (*call == CALL_READ || *call == CALL_PREAD || *call == CALL_WRITE) ? ANY_THREAD : in;
}

/* The same, but a worker that looks a lock up is none. */
static __always_inline __u8 thread_at_memory(void)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u8 in = thread();
	__u16 *call;

	if (in == ANY_THREAD)
		return in;
	call = bpf_map_lookup_elem(&inside, &tid);
	return call && (*call == CALL_FUTEX || *call == CALL_EXIT) ? ANY_THREAD : in;
}

static __always_inline __u32 tgid(void)
{
	struct bpf_pidns_info ids = {};

	/* Softirq work that interrupts a process of another namespace has no number here. */
	if (bpf_get_ns_current_pid_tgid(PIDNS_DEV, PIDNS_INO, &ids, sizeof(ids)))
		return bpf_get_current_pid_tgid() >> 32 ? (__u32)-1 : 0;
	return ids.tgid;
}

static __always_inline int add(__u8 kind, __u8 in, __u16 number, __u64 bytes)
{
	struct key key = { .tgid = tgid(), .kind = kind, .thread = in, .number = number };
	struct count *count = bpf_map_lookup_elem(&counts, &key);
	__u32 first = 0;
	__u64 *missed;

	if (!count) {
		struct count none = {};

		/* Another CPU, or an interrupt, may have put it there meanwhile: what counts is the second look. */
		bpf_map_update_elem(&counts, &key, &none, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&counts, &key);
	}
	if (count) {
		/* Atomic, since an interrupt or another thread of the process may come in between. */
		__sync_fetch_and_add(&count->calls, 1);
		__sync_fetch_and_add(&count->bytes, bytes);
	} else {
		missed = bpf_map_lookup_elem(&lost, &first);
		if (missed)
			__sync_fetch_and_add(missed, 1);
	}
	return 0;
}

/* What a function returned: bytes, or a negative error. */
static __always_inline int add_returned(__u8 kind, __u64 value)
{
	int bytes = (int)value;

	if (bytes <= 0)
		return 0;
	return add(kind, kind == PINNED_PAGES ? thread_at_memory() : thread(), 0, bytes);
}

/* Whether what happens in a network namespace is asked for. */
static __always_inline int is_watched(struct net *net)
{
	__u32 first = 0, second = 1, *wanted;
	unsigned int inode = 0;

	wanted = bpf_map_lookup_elem(&namespaces, &first);
	if (!wanted || !*wanted)
		return 1;
	if (!net || READ(inode, net->ns.inum))
		return 0;
	if (inode == *wanted)
		return 1;
	wanted = bpf_map_lookup_elem(&namespaces, &second);
	return wanted && *wanted && inode == *wanted;
}

/* A packet on its way in has no socket any more, but the device it came by, and the port that it is for. */
static __always_inline int add_packet(__u8 kind, struct sk_buff *skb, __u64 bytes)
{
	struct net_device *device = 0;
	struct net *net = 0;
	unsigned char *head = 0;
	__u16 transport = 0;
	__be16 ports[2] = {};

	READ(device, skb->dev);
	if (device)
		READ(net, device->nd_net.net);
	if (!is_watched(net))
		return 0;
	READ(head, skb->head);
	READ(transport, skb->transport_header);
	/* 0xffff: never set. */
	if (head && transport != 0xffff)
		bpf_probe_read_kernel(ports, sizeof(ports), head + transport);
	return add(kind, thread(), __builtin_bswap16(ports[1]), bytes);
}

/* size_t _copy_from_iter(void *addr, size_t bytes, struct iov_iter *i); _copy_to_iter likewise. Breakpoints. */
SEC("perf_event")
int at_copy_from_iter(__u64 *regs)
{
	return add(COPY_FROM_ITER, thread_at_socket(), 0, argument1(regs));
}

SEC("perf_event")
int at_copy_to_iter(__u64 *regs)
{
	return add(COPY_TO_ITER, thread_at_socket(), 0, argument1(regs));
}

/* int skb_copy_ubufs(struct sk_buff *skb, gfp_t gfp_mask): everything beyond the linear part is copied. */
SEC("fentry/skb_copy_ubufs")
int in_copy_ubufs(__u64 *arguments)
{
	struct sk_buff *skb = (void *)arguments[0];

	return add_packet(COPY_UBUFS, skb, skb->data_len);
}

SEC("kprobe/skb_copy_ubufs")
int probe_copy_ubufs(__u64 *regs)
{
	struct sk_buff *skb = (void *)argument0(regs);
	unsigned int bytes = 0;

	READ(bytes, skb->data_len);
	return add_packet(COPY_UBUFS, skb, bytes);
}

/* These may take less than they were asked to (a packet's fragment slots fill up): what they return is what counts. */
#define RETURNS(name, kind, function)                                                                                  \
	SEC("fexit/" function)                                                                                         \
	int in_##name(__u64 *arguments)                                                                                \
	{                                                                                                              \
		__u64 value = 0;                                                                                       \
                                                                                                                       \
		if (bpf_get_func_ret(arguments, &value))                                                               \
			return 0;                                                                                      \
		return add_returned(kind, value);                                                                      \
	}                                                                                                              \
                                                                                                                       \
	SEC("kretprobe/" function)                                                                                     \
	int probe_##name(__u64 *regs)                                                                                  \
	{                                                                                                              \
		return add_returned(kind, returned(regs));                                                             \
	}

RETURNS(zerocopy_iter, ZEROCOPY_ITER, "skb_zerocopy_iter_stream")
RETURNS(splice_iter, SPLICE_ITER, "skb_splice_from_iter")
RETURNS(sendmsg_locked, SENDMSG_LOCKED, "tcp_sendmsg_locked")
/* int get_user_pages_fast(unsigned long start, int nr_pages, unsigned int gup_flags, struct page **pages): what is counted as
 * bytes are pages. MSG_ZEROCOPY comes here through iov_iter_get_pages2, which takes references and no pins in the sense of
 * FOLL_PIN, so that nr_foll_pin_acquired of /proc/vmstat does not tell. */
RETURNS(pinned_pages, PINNED_PAGES, "get_user_pages_fast")

/* trace_skb_copy_datagram_iovec(const struct sk_buff *skb, int len): before the copy. */
SEC("raw_tp/skb_copy_datagram_iovec")
int on_copy_datagram(__u64 *arguments)
{
	return add_returned(COPY_DATAGRAM, arguments[1]);
}

/* trace_sock_send_length(struct sock *sk, int ret, int flags), from Linux 6.3; sock_recv_length likewise. */
SEC("raw_tp/sock_send_length")
int on_send_length(__u64 *arguments)
{
	return add_returned(SEND_LENGTH, arguments[1]);
}

SEC("raw_tp/sock_recv_length")
int on_recv_length(__u64 *arguments)
{
	return add_returned(RECV_LENGTH, arguments[1]);
}

/* trace_tcp_retransmit_skb(const struct sock *sk, const struct sk_buff *skb): what is sent again is copied at delivery again. */
SEC("raw_tp/tcp_retransmit_skb")
int on_retransmit(__u64 *arguments)
{
	struct sock *socket = (void *)arguments[0];
	struct sk_buff *skb = (void *)arguments[1];
	struct net *net = 0;
	unsigned int bytes = 0;
	__be16 port = 0;

	READ(net, socket->__sk_common.skc_net.net);
	if (!is_watched(net))
		return 0;
	READ(bytes, skb->len);
	READ(port, socket->__sk_common.skc_dport);
	return add(RETRANSMIT, thread(), __builtin_bswap16(port), bytes);
}

/* trace_io_uring_complete(struct io_ring_ctx *ctx, ...), what follows differs between kernels: one entry is put into a completion
 * queue, in the context of the thread that submitted, or of one that io_uring started for its process. */
SEC("raw_tp/io_uring_complete")
int on_completion(void *arguments __attribute__((unused)))
{
	return add(COMPLETION, thread(), 0, 0);
}

/* trace_sys_enter(struct pt_regs *regs, long id). Only the ends' own threads are looked at. */
SEC("raw_tp/sys_enter")
int on_sys_enter(__u64 *arguments)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u16 call = (__u16)arguments[1];
	__u8 in = thread();

	if (in == ANY_THREAD)
		return 0;
	bpf_map_update_elem(&inside, &tid, &call, BPF_ANY);
	return add(SYSTEM_CALL, in, call, 0);
}
