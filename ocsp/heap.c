/* SPDX-License-Identifier: ISC */
#include "heap.h"

#include <stdlib.h>
#include <string.h>

#define ROOM	64	/* to begin with; then twice as much each time */

int
sst_heap_reserve(struct sst_heap *h, size_t n)
{
	struct sst_heap_slot *slots, *old = h->slots;
	size_t room = h->room != 0 ? h->room : ROOM;

	while (room < n)
		room *= 2;
	if (room == h->room)
		return 1;
	/* not realloc(): at no moment may a child of fork() find slots that are gone */
	slots = malloc(room * sizeof(*slots));
	if (slots == NULL)
		return 0;
	if (h->n > 0)
		memcpy(slots, old, h->n * sizeof(*slots));
	h->slots = slots;
	h->room = room;
	free(old);
	return 1;
}

static void
set(struct sst_heap *h, size_t at, struct sst_heap_slot slot)
{
	h->slots[at] = slot;
	slot.node->in = h;
	slot.node->at = at;
}

/* Puts it where it belongs, from a slot that is free. */
static void
place(struct sst_heap *h, size_t at, struct sst_heap_slot slot)
{
	size_t below;

	for (; at > 0 && slot.key < h->slots[(at - 1) / 2].key; at = (at - 1) / 2)
		set(h, at, h->slots[(at - 1) / 2]);
	for (; (below = 2 * at + 1) < h->n; at = below) {
		if (below + 1 < h->n && h->slots[below + 1].key < h->slots[below].key)
			below++;
		if (slot.key <= h->slots[below].key)
			break;
		set(h, at, h->slots[below]);
	}
	set(h, at, slot);
}

void
sst_heap_put(struct sst_heap *h, struct sst_heap_node *node, int64_t key)
{
	const struct sst_heap_slot slot = { .key = key, .node = node };

	if (node->in != h) {
		sst_heap_take(node);
		place(h, h->n++, slot);
	} else {
		place(h, node->at, slot);
	}
}

void
sst_heap_take(struct sst_heap_node *node)
{
	struct sst_heap *h = node->in;

	if (h == NULL)
		return;
	node->in = NULL;
	h->n--;
	if (node->at < h->n)
		place(h, node->at, h->slots[h->n]);
}

struct sst_heap_node *
sst_heap_first(const struct sst_heap *h, int64_t *ret_key)
{
	if (h->n == 0)
		return NULL;
	*ret_key = h->slots[0].key;
	return h->slots[0].node;
}

void
sst_heap_clear(struct sst_heap *h)
{
	h->n = 0;
}

void
sst_heap_done(struct sst_heap *h)
{
	free(h->slots);
	*h = (struct sst_heap){ .n = 0 };
}
