// SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only
/*
 * The sink: a tc ingress program at the far end of a veth pair. It follows the sequence numbers of the trial's TCP flows,
 * publishes how far each of them is in order, and drops every packet before local delivery, so that pages passed by
 * reference are released uncopied. The sink's helper reads what is published and answers for the missing peer.
 *
 * The peer is an unmodified TCP sender. Packets of one flow may run here on two CPUs at once, and so out of order:
 * everything about a flow is decided under its lock. Sequence numbers are modulo 2^32; windows stay below 2^30.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* What a connection begins with: the trial's token and the number of the flow (big endian). */
#define TOKEN_WORDS 4
struct greeting {
	__u32 token[TOKEN_WORDS];
	__be32 flow;
};

/* An address; IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). */
struct address {
	__be32 part[4];
};

/* The trial. Set before the program is attached; the layout is `kernel::sink::RawTrial`. */
struct trial {
	struct address sink;
	__u32 token[TOKEN_WORDS];
	__u32 first_port;
	__u32 flows;
};
enum state {
	/* No connection yet. */
	LISTENING = 0,
	/* A SYN was seen: the flow's source is known. */
	UNGREETED = 1,
	/* It has shown the token. */
	OPEN = 2,
	/* Its FIN is in order: everything before it was taken. */
	FINISHED = 3,
	/* It sent a RST. */
	RESET = 4,
};

/* Bytes [from, to) that came before what precedes them; empty where from == to. */
struct early {
	__u32 from;
	__u32 to;
	__u32 packets;
};
#define KEPT 8

/* What the program alone knows of a flow. Intervals touch neither each other nor the part that is in order. */
struct flow {
	struct bpf_spin_lock lock;
	__u32 state;
	__u32 next;
	__u32 first;
	__u32 fin;
	__u32 has_fin;
	__u32 port;
	struct address source;
	struct early early[KEPT];
};

/* What the helper reads of a flow, without a lock: each field for itself. The layout is `kernel::sink::RawFlow`. */
struct published {
	/* The number to acknowledge. */
	__u32 next;
	/* Packets that ask for an acknowledgement although `next` stays: early ones and repeated ones. */
	__u32 repeats;
	__u32 state;
	/* SYNs of the connection in hand: each asks for a SYN-ACK. */
	__u32 syns;
	/* Greetings refused: each asks for a RST to `refused_*`. */
	__u32 refusals;
	__u32 port;
	/* The highest number of ours that the peer has acknowledged. */
	__u32 peer_ack;
	__u32 refused_port;
	struct address source;
	__u64 payload_bytes;
	__u64 packets;
	__u64 gaps;
	__u64 reordered;
	__u64 duplicates;
	__u64 duplicate_bytes;
	struct address refused_source;
	__u32 refused_ack;
	__u32 reserved[3];
};

/* Counted over all flows; the layout is `kernel::sink::RawTotals`. */
struct totals {
	/* TCP packets that are no flow's of the trial. */
	__u64 refused;
	/* Connections that are no flow's of the trial. */
	__u64 strangers;
	/* Packets that are not TCP, such as neighbour discovery. */
	__u64 others;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__type(key, __u32);
	__type(value, struct trial);
} TRIAL SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow);
} FLOWS SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct published);
} PUBLISHED SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct totals);
} TOTALS SEC(".maps");

/* A TCP packet. */
struct segment {
	struct address source;
	__u32 port;
	__u32 slot;
	__u32 from;
	__u32 len;
	__u32 ack;
	bool has_syn, has_fin, has_rst, has_ack;
	/* It begins with the flow's greeting. */
	bool greets;
};

enum verdict { TAKEN, REFUSED, STRANGER };

static __always_inline bool is_before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

static __always_inline bool is_same(const struct address *a, const struct address *b)
{
	return ((a->part[0] ^ b->part[0]) | (a->part[1] ^ b->part[1]) | (a->part[2] ^ b->part[2]) |
		(a->part[3] ^ b->part[3])) == 0;
}

/* Bytes beyond a gap: keeps them where there is room. Whether they were kept. */
static __always_inline bool keep(struct flow *flow, struct published *told, __u32 from, __u32 to)
{
	__u32 low = from, high = to, joined = 0, packets = 0, room = KEPT;

	/* One pass is enough: kept intervals do not touch each other, so what touches the union touched the new one. */
#pragma unroll
	for (int i = 0; i < KEPT; i++) {
		struct early *e = &flow->early[i];

		if (e->from == e->to) {
			room = i;
		} else if (!is_before(to, e->from) && !is_before(e->to, from)) {
			if (is_before(e->from, low))
				low = e->from;
			if (is_before(high, e->to))
				high = e->to;
			joined += e->to - e->from;
			packets += e->packets;
			e->from = 0;
			e->to = 0;
			room = i;
		}
	}
	if (room >= KEPT) {
		told->gaps += 1;
		return false;
	}
	__u32 fresh = high - low - joined;

	told->duplicate_bytes += to - from - fresh;
	if (fresh) {
		packets += 1;
		told->packets += 1;
	} else {
		told->duplicates += 1;
	}
	struct early *e = &flow->early[room & (KEPT - 1)];

	e->from = low;
	e->to = high;
	e->packets = packets;
	return true;
}

/* Bytes that begin at or before what comes next, and end after it. */
static __always_inline void advance(struct flow *flow, struct published *told, __u32 from, __u32 to)
{
	__u32 before = flow->next, next = to, again = before - from;

#pragma unroll
	for (int i = 0; i < KEPT; i++) {
		struct early *e = &flow->early[i];

		if (e->from != e->to && !is_before(next, e->from)) {
			if (is_before(e->from, to))
				again += (is_before(to, e->to) ? to : e->to) - e->from;
			if (is_before(next, e->to))
				next = e->to;
			told->reordered += e->packets;
			e->from = 0;
			e->to = 0;
		}
	}
	flow->next = next;
	told->packets += 1;
	told->duplicate_bytes += again;
	told->payload_bytes += next - before;
}

/* A packet of an open flow. */
static __always_inline void take(struct flow *flow, struct published *told, const struct segment *seg)
{
	__u32 to = seg->from + seg->len;
	bool is_known = true;

	if (seg->len) {
		if (!is_before(flow->next, to)) {
			told->duplicates += 1;
			told->duplicate_bytes += seg->len;
			told->repeats += 1;
		} else if (is_before(flow->next, seg->from)) {
			is_known = keep(flow, told, seg->from, to);
			told->repeats += 1;
		} else {
			advance(flow, told, seg->from, to);
		}
	} else if (seg->has_fin && flow->next != to) {
		/* Early, or repeated: then the flow is finished and `next` is one more. */
		told->repeats += 1;
	}
	/* A FIN counts once everything before it is there. */
	if (seg->has_fin && is_known && !flow->has_fin && !is_before(to, flow->next)) {
		flow->has_fin = 1;
		flow->fin = to;
	}
	if (flow->has_fin && flow->state == OPEN && flow->next == flow->fin) {
		flow->next += 1;
		flow->state = FINISHED;
	}
}

/* A packet to a port of the trial; under the flow's lock. */
static __always_inline enum verdict judge(struct flow *flow, struct published *told, const struct segment *seg)
{
	bool is_its = flow->port == seg->port && is_same(&flow->source, &seg->source);

	if (seg->has_syn) {
		bool is_again = is_its && flow->first == seg->from;
		enum verdict verdict = TAKEN;

		if (seg->has_ack || seg->has_rst || seg->has_fin)
			return REFUSED;
		if (flow->state == LISTENING || (flow->state == UNGREETED && !is_again)) {
			/* One that has shown nothing must not keep the others waiting. */
			if (flow->state == UNGREETED)
				verdict = STRANGER;
			flow->state = UNGREETED;
			flow->first = seg->from;
			flow->next = seg->from + 1;
			flow->port = seg->port;
			flow->source = seg->source;
			told->port = seg->port;
			told->source = seg->source;
			told->peer_ack = 0;
		} else if (flow->state != UNGREETED) {
			return STRANGER;
		}
		told->next = flow->next;
		told->state = flow->state;
		told->syns += 1;
		return verdict;
	}
	if (flow->state == LISTENING || !is_its)
		return REFUSED;
	if (seg->has_rst) {
		if (!is_before(seg->from, flow->next) && flow->state != FINISHED) {
			flow->state = RESET;
			told->state = RESET;
		}
		return TAKEN;
	}
	if (flow->state == RESET || !seg->has_ack)
		return REFUSED;
	if (is_before(told->peer_ack, seg->ack) || told->peer_ack == 0)
		told->peer_ack = seg->ack;
	if (flow->state == UNGREETED && (seg->len || seg->has_fin)) {
		if (is_before(flow->next, seg->from)) {
			/* The greeting comes first, and will come again. */
			told->gaps += 1;
			told->repeats += 1;
			return TAKEN;
		}
		if (!seg->greets || seg->from != flow->next) {
			told->refused_source = seg->source;
			told->refused_port = seg->port;
			told->refused_ack = seg->ack;
			told->refusals += 1;
			flow->state = LISTENING;
			told->state = LISTENING;
			told->peer_ack = 0;
			return STRANGER;
		}
		flow->state = OPEN;
	}
	take(flow, told, seg);
	told->next = flow->next;
	told->state = flow->state;
	return TAKEN;
}

static __always_inline void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

/* Reads a packet: 0, or less where it is no TCP over IP, or more where it is not for the trial. Headers lie in the linear part
 * of a packet that TCP made; one where they do not is no flow's. */
static __always_inline int read(struct __sk_buff *skb, const struct trial *trial, struct segment *seg)
{
	void *begin = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = begin;
	struct address sink = {};
	struct tcphdr *tcp;
	__u32 at, whole;

	if ((void *)(eth + 1) > end)
		return -1;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = begin + ETH_HLEN;

		if ((void *)(ip + 1) > end || ip->protocol != IPPROTO_TCP)
			return -1;
		if (ip->ihl < 5 || ip->frag_off & bpf_htons(0x3fff))
			return 1;
		seg->source.part[2] = bpf_htonl(0xffff);
		seg->source.part[3] = ip->saddr;
		sink.part[2] = bpf_htonl(0xffff);
		sink.part[3] = ip->daddr;
		at = ETH_HLEN + ip->ihl * 4;
		/* 0: a packet above 64 KiB (BIG TCP). */
		whole = ip->tot_len ? ETH_HLEN + bpf_ntohs(ip->tot_len) : skb->len;
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = begin + ETH_HLEN;
		__u8 next;

		if ((void *)(ip + 1) > end)
			return -1;
		next = ip->nexthdr;
		at = ETH_HLEN + sizeof(*ip);
		if (next == IPPROTO_HOPOPTS) {
			/* A packet above 64 KiB has 8 bytes of jumbo payload option (RFC 2675). */
			__u8 *option = begin + ETH_HLEN + sizeof(*ip);

			if ((void *)(option + 8) > end || option[1] != 0)
				return -1;
			next = option[0];
			at += 8;
		}
		if (next != IPPROTO_TCP)
			return -1;
		__builtin_memcpy(&seg->source, &ip->saddr, sizeof(seg->source));
		__builtin_memcpy(&sink, &ip->daddr, sizeof(sink));
		whole = ip->payload_len ? ETH_HLEN + sizeof(*ip) + bpf_ntohs(ip->payload_len) : skb->len;
	} else {
		return -1;
	}
	tcp = begin + at;
	if ((void *)(tcp + 1) > end)
		return 1;
	seg->has_syn = tcp->syn;
	seg->has_fin = tcp->fin;
	seg->has_rst = tcp->rst;
	seg->has_ack = tcp->ack;
	at += tcp->doff * 4;
	if (tcp->doff < 5 || whole > skb->len || at > whole || !is_same(&sink, &trial->sink))
		return 1;
	seg->port = bpf_ntohs(tcp->source);
	seg->slot = bpf_ntohs(tcp->dest) - trial->first_port;
	seg->from = bpf_ntohl(tcp->seq);
	seg->len = whole - at;
	seg->ack = bpf_ntohl(tcp->ack_seq);
	return seg->slot < trial->flows ? (int)at : 1;
}

SEC("classifier")
int sink(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct totals *totals = bpf_map_lookup_elem(&TOTALS, &zero);
	struct trial *trial = bpf_map_lookup_elem(&TRIAL, &zero);
	struct segment seg = {};
	struct flow *flow;
	struct published *told;
	enum verdict verdict;
	int at;

	if (!totals || !trial)
		return TC_ACT_SHOT;
	at = read(skb, trial, &seg);
	if (at < 0) {
		count(&totals->others);
		return TC_ACT_SHOT;
	}
	if (at == 1) {
		count(&totals->refused);
		if (seg.has_syn && !seg.has_ack)
			count(&totals->strangers);
		return TC_ACT_SHOT;
	}
	flow = bpf_map_lookup_elem(&FLOWS, &seg.slot);
	told = bpf_map_lookup_elem(&PUBLISHED, &seg.slot);
	if (!flow || !told)
		return TC_ACT_SHOT;
	/* No function may be called under the lock, so the greeting is read before it. */
	if (told->state == UNGREETED && seg.len >= sizeof(struct greeting)) {
		struct greeting greeting;

		if (bpf_skb_load_bytes(skb, at, &greeting, sizeof(greeting)) == 0)
			seg.greets = ((greeting.token[0] ^ trial->token[0]) | (greeting.token[1] ^ trial->token[1]) |
				      (greeting.token[2] ^ trial->token[2]) | (greeting.token[3] ^ trial->token[3]) |
				      (bpf_ntohl(greeting.flow) ^ seg.slot)) == 0;
	}
	bpf_spin_lock(&flow->lock);
	verdict = judge(flow, told, &seg);
	bpf_spin_unlock(&flow->lock);
	if (verdict != TAKEN)
		count(&totals->refused);
	if (verdict == STRANGER)
		count(&totals->strangers);
	return TC_ACT_SHOT;
}
