/* SPDX-License-Identifier: ISC */
#include "peers.h"

#include <string.h>

#define SLOTS	(2 * SST_PEERS_LISTENER)

/* The address's leading bits as a number; IPv4 and IPv6 never meet. */
static uint64_t
prefix(const union sst_inet *a, int bits4, int bits6)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	const uint8_t *b;
	uint64_t v = 0;
	uint32_t v4;

	if (a->any.sa_family == AF_INET) {
		memcpy(&v4, &a->v4.sin_addr, 4);
		v4 = ntohl(v4);
		return (uint64_t)(v4 >> (32 - bits4)) | UINT64_C(1) << 62;
	}
	b = a->v6.sin6_addr.s6_addr;
	if (memcmp(b, mapped, sizeof(mapped)) == 0) {
		memcpy(&v4, b + 12, 4);
		v4 = ntohl(v4);
		return (uint64_t)(v4 >> (32 - bits4)) | UINT64_C(1) << 62;
	}
	for (int i = 0; i < 8; i++)
		v = v << 8 | b[i];
	v >>= 64 - bits6;
	/* 64 bits are all there are: mixed, so that the mark of IPv4 is free. */
	return (v * UINT64_C(0x9e3779b97f4a7c15) >> 2) | UINT64_C(1) << 63;
}

uint64_t
sst_peers_narrow(const union sst_inet *a)
{
	return prefix(a, 32, 64);
}

uint64_t
sst_peers_wide(const union sst_inet *a)
{
	return prefix(a, 24, 56);
}

struct slot {
	uint64_t	group;
	uint32_t	count;
};

static struct slot *
slot_of(struct slot *slots, uint64_t group)
{
	size_t i = (size_t)(group * UINT64_C(0x9e3779b97f4a7c15) >> 32) % SLOTS;

	while (slots[i].count > 0 && slots[i].group != group)
		i = (i + 1) % SLOTS;
	slots[i].group = group;
	return &slots[i];
}

/* Whether `a` goes rather than `b`. */
static int
goes_first(const struct sst_peer *a, uint32_t na, const struct sst_peer *b,
    uint32_t nb)
{
	if (na != nb)
		return na > nb;
	if (a->progress != b->progress)
		return a->progress < b->progress;
	return a->since < b->since;
}

int
sst_peers_victim(const struct sst_peer *peers, size_t n)
{
	struct slot slots[SLOTS];
	uint32_t count, best_count = 0;
	int best = -1;

	if (n > SST_PEERS_LISTENER)
		n = SST_PEERS_LISTENER;
	memset(slots, 0, sizeof(slots));
	for (size_t i = 0; i < n; i++)
		if (!peers[i].settled)
			slot_of(slots, peers[i].group)->count++;
	for (size_t i = 0; i < n; i++) {
		if (peers[i].settled)
			continue;
		count = slot_of(slots, peers[i].group)->count;
		if (best < 0 ||
		    goes_first(&peers[i], count, &peers[best], best_count)) {
			best = (int)i;
			best_count = count;
		}
	}
	return best;
}
