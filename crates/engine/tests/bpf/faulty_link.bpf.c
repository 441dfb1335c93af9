// SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only
/*
 * A link that misbehaves, for tests alone: tc programs, one for each fault, which about one packet of a hundred meets. Kernels
 * have netem for this where it is built; these need nothing but classifiers.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Packets with payload that were seen, and those that met the fault. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

/* One packet of so many. */
#define EVERY 100
/* Longer than any packet that has headers alone, so that handshakes and acknowledgements pass. */
#define PAYLOAD_BYTES 200
/* To the next program of the device, if it has one (TCX_NEXT). */
#define PASSED_ON TC_ACT_UNSPEC
/* How often a packet is put behind those that wait. */
#define DELAYS 8

static __always_inline void count(__u32 which)
{
	__u64 *value = bpf_map_lookup_elem(&counts, &which);

	if (value)
		__sync_fetch_and_add(value, 1);
}

/* Whether this packet is one that meets the fault; it is counted. */
static __always_inline int is_met(struct __sk_buff *skb)
{
	if (skb->len < PAYLOAD_BYTES)
		return 0;
	count(0);
	if (bpf_get_prandom_u32() % EVERY)
		return 0;
	count(1);
	return 1;
}

SEC("classifier")
int lose(struct __sk_buff *skb)
{
	return is_met(skb) ? TC_ACT_SHOT : PASSED_ON;
}

/* At the sending device. */
SEC("classifier")
int duplicate(struct __sk_buff *skb)
{
	/* The copy comes here as well. */
	if (skb->mark || !is_met(skb))
		return PASSED_ON;
	skb->mark = 1;
	bpf_clone_redirect(skb, skb->ifindex, 0);
	skb->mark = 0;
	return PASSED_ON;
}

/* At the receiving device: the packet is received once more, after those that are in the queue by then. */
SEC("classifier")
int delay(struct __sk_buff *skb)
{
	if (skb->mark >= DELAYS || (!skb->mark && !is_met(skb)))
		return PASSED_ON;
	skb->mark++;
	return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

/* Congestion, where the connection has negotiated ECN (RFC 3168). */
SEC("classifier")
int congest(struct __sk_buff *skb)
{
	if (is_met(skb))
		bpf_skb_ecn_set_ce(skb);
	return PASSED_ON;
}
