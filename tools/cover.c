/* SPDX-License-Identifier: ISC */
/* cover - see cover.h. */
#include "cover.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <securesockets/certstore.h>

#include "conf.h"

int
sst_cover_name(void *arg, const struct sst_conf_name *from)
{
	struct sst_cover *c = arg;
	struct sst_error err = { 0 };
	char folded[256];
	struct sst_wanted *n;

	if (c->n == c->room) {
		c->room = c->room != 0 ? 2 * c->room : 256;
		n = realloc(c->names, c->room * sizeof(*n));
		if (n == NULL)
			return SST_E_NOMEM;
		c->names = n;
	}
	n = &c->names[c->n];
	memset(n, 0, sizeof(*n));
	c->n++;
	n->line = from->line;
	n->plain = from->plain;
	n->file = strdup(from->file);
	if (from->why != NULL) {
		n->why = strdup(from->why);
		n->name = strdup(from->name);
	} else if (sst_name_fold(from->name, folded, sizeof(folded), &err) < 0) {
		n->why = strdup(err.text);
		n->name = strdup(from->name);
	} else {
		n->name = strdup(folded);
	}
	if (n->file == NULL || n->name == NULL ||
	    ((from->why != NULL || err.code != 0) && n->why == NULL))
		return SST_E_NOMEM;
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	const struct sst_wanted *x = *(struct sst_wanted *const *)a;
	const struct sst_wanted *y = *(struct sst_wanted *const *)b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : x < y ? -1 : x > y;	/* in order of appearance */
}

static int
by_parent(const void *a, const void *b)
{
	const struct sst_wanted *x = *(struct sst_wanted *const *)a;
	const struct sst_wanted *y = *(struct sst_wanted *const *)b;

	return strcmp(x->parent != NULL ? x->parent : "",
	    y->parent != NULL ? y->parent : "");
}

/* Behind the first label; NULL for addresses and for what is a wildcard itself. */
static const char *
parent_of(const char *name)
{
	unsigned char address[16];
	const char *dot = strchr(name, '.');

	if (dot == NULL || *name == '*' || inet_pton(AF_INET, name, address) == 1)
		return NULL;
	return dot + 1;
}

int
sst_cover_sort(struct sst_cover *c)
{
	size_t kept = 0;

	c->by_name = calloc(c->n + 1, sizeof(*c->by_name));
	c->by_parent = calloc(c->n + 1, sizeof(*c->by_parent));
	if (c->by_name == NULL || c->by_parent == NULL)
		return SST_E_NOMEM;
	for (size_t i = 0; i < c->n; i++)
		if (c->names[i].why == NULL)
			c->by_name[c->n_sorted++] = &c->names[i];
	qsort(c->by_name, c->n_sorted, sizeof(*c->by_name), by_name);
	for (size_t i = 0; i < c->n_sorted; i++) {
		struct sst_wanted *n = c->by_name[i], *first = kept > 0 ?
		    c->by_name[kept - 1] : NULL;

		if (first != NULL && strcmp(first->name, n->name) == 0) {
			n->again = 1;
			first->plain &= n->plain;
			continue;
		}
		n->parent = parent_of(n->name);
		c->by_name[kept++] = n;
	}
	c->n_sorted = kept;
	memcpy(c->by_parent, c->by_name, kept * sizeof(*c->by_parent));
	qsort(c->by_parent, kept, sizeof(*c->by_parent), by_parent);
	return 0;
}

static int
add_hit(struct sst_wanted *n, const struct sst_entry *e, int exact)
{
	struct sst_hit *h = n->hits;

	/* A certificate may have both the name and the wildcard. */
	if (h != NULL && memcmp(h->digest, e->digest, 32) == 0) {
		h->exact |= exact;
		return 0;
	}
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return SST_E_NOMEM;
	h->exact = exact;
	h->from = e->not_before;
	h->until = e->not_after;
	memcpy(h->digest, e->digest, sizeof(h->digest));
	if (e->key_type != NULL)
		(void)snprintf(h->key, sizeof(h->key), "%.31s", e->key_type);
	h->source = strdup(e->source);
	h->next = n->hits;
	n->hits = h;
	return h->source != NULL ? 0 : SST_E_NOMEM;
}

static int
cover_below(struct sst_cover *c, const char *parent, const struct sst_entry *e)
{
	size_t low = 0, high = c->n_sorted;
	int rc = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const char *at = c->by_parent[middle]->parent;

		if (strcmp(at != NULL ? at : "", parent) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; rc == 0 && low < c->n_sorted && c->by_parent[low]->parent != NULL &&
	    strcmp(c->by_parent[low]->parent, parent) == 0; low++)
		rc = add_hit(c->by_parent[low], e, 0);
	return rc;
}

/* Where `name` is, or would be, in the order of names. */
static size_t
place_of(const struct sst_cover *c, const char *name)
{
	size_t low = 0, high = c->n_sorted;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(c->by_name[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int
sst_cover_entry(void *arg, const struct sst_entry *e)
{
	struct sst_cover *c = arg;
	int rc = 0;

	if (e->state == SST_ENTRY_REFUSED)
		c->refused++;
	if (e->state != SST_ENTRY_USABLE)
		return 0;
	for (size_t i = 0; rc == 0 && i < e->n_names; i++) {
		const char *name = e->names[i];
		size_t at = place_of(c, name);

		if (at < c->n_sorted && strcmp(c->by_name[at]->name, name) == 0)
			rc = add_hit(c->by_name[at], e, 1);
		if (rc == 0 && strncmp(name, "*.", 2) == 0)
			rc = cover_below(c, name + 2, e);
	}
	return rc;
}

static int
is_valid(const struct sst_hit *h, time_t now)
{
	return h->from <= now && now <= h->until;
}

/* Of the certificates with the key of `of` the last to end, with those that will have
 * begun by the time that the one before them ends. */
static const struct sst_hit *
last_of(const struct sst_wanted *n, const struct sst_hit *of)
{
	const struct sst_hit *last = of;
	int more = 1;

	while (more) {
		more = 0;
		for (const struct sst_hit *h = n->hits; h != NULL; h = h->next)
			if (strcmp(h->key, of->key) == 0 && h->from <= last->until &&
			    h->until > last->until) {
				last = h;
				more = 1;
			}
	}
	return last;
}

/* As defaults go: a third of its life is left, half of one under ten days. */
static long long
warning(const struct sst_hit *h)
{
	long long life = h->until - h->from;

	return life < 10 * 86400 ? life / 2 : life / 3;
}

/* What is valid now and of the tier that is served. */
static int
is_served(const struct sst_judged *v, const struct sst_hit *h, time_t now)
{
	return is_valid(h, now) && h->exact == v->exact;
}

static void
judge_served(const struct sst_wanted *n, time_t now, long long within,
    struct sst_judged *v)
{
	const struct sst_hit *last;

	for (const struct sst_hit *h = n->hits; h != NULL; h = h->next) {
		if (!is_served(v, h, now))
			continue;
		for (const struct sst_hit *o = h->next; o != NULL; o = o->next)
			if (is_served(v, o, now) && strcmp(h->key, o->key) == 0) {
				v->has[SST_FOUND_TWICE] = 1;
				v->twice[0] = o;
				v->twice[1] = h;
			}
		last = last_of(n, h);
		if (v->ends == NULL || last->until < v->ends->until)
			v->ends = last;
	}
	v->has[SST_FOUND_EXPIRING] = v->ends->until - now <
	    (within < 0 ? warning(v->ends) : within);
}

void
sst_cover_judge(const struct sst_wanted *n, time_t now, long long within,
    struct sst_judged *v)
{
	int valid = 0;

	memset(v, 0, sizeof(*v));
	for (const struct sst_hit *h = n->hits; h != NULL; h = h->next) {
		/* of those that do not count: the nearest */
		if (v->any == NULL || h->until > v->any->until)
			v->any = h;
		if (is_valid(h, now)) {
			valid = 1;
			v->exact |= h->exact;
		}
	}
	if (valid)
		judge_served(n, now, within, v);
	else if (v->any == NULL)
		v->has[SST_FOUND_UNCOVERED] = 1;
	else if (v->any->until < now)
		v->has[SST_FOUND_EXPIRED] = 1;
	else
		v->has[SST_FOUND_EARLY] = 1;
}

void
sst_cover_done(struct sst_cover *c)
{
	for (size_t i = 0; i < c->n; i++) {
		struct sst_wanted *n = &c->names[i];
		struct sst_hit *h;

		while ((h = n->hits) != NULL) {
			n->hits = h->next;
			free(h->source);
			free(h);
		}
		free(n->name);
		free(n->file);
		free(n->why);
	}
	free(c->names);
	free(c->by_name);
	free(c->by_parent);
}
