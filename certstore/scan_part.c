/* SPDX-License-Identifier: ISC */
/* scan_part - files become parts of a unit, read and not judged yet (scan_unit.h). */
#include <stdlib.h>
#include <string.h>

#include "scan_unit.h"

void
sst_unit_done(struct sst_unit *u)
{
	for (size_t i = 0; i < u->n; i++) {
		free(u->part[i].path);
		free(u->part[i].load);
		sst_pem_done(&u->part[i].pem);
	}
	free(u->part);
	free(u->keys);
	free(u->leaves);
	sk_X509_free(u->cas);
}

/* Room for `n` more parts. */
static int
parts_room(struct sst_unit *u, size_t n)
{
	struct sst_part *grown;
	size_t room;

	if (u->n + n <= u->room)
		return SST_OK;
	room = (u->n + n) * 2;
	grown = reallocarray(u->part, room, sizeof(*grown));
	if (grown == NULL)
		return SST_E_NOMEM;
	u->part = grown;
	u->room = room;
	return SST_OK;
}

int
sst_unit_take(struct sst_unit *to, struct sst_unit *from, struct sst_error *err)
{
	if (parts_room(to, from->n) < 0)
		return nomem(err);
	for (size_t i = 0; i < from->n; i++)
		to->part[to->n++] = from->part[i];
	from->n = 0;
	return SST_OK;
}

int
sst_part_add(struct sst_unit *u, const char *path, const char *load, struct sst_pem *pem,
    struct sst_error *err)
{
	struct sst_part p = { .pem = *pem };

	if (sst_text_set(&p.path, path) < 0 || sst_text_set(&p.load, load) < 0 ||
	    parts_room(u, 1) < 0)
		goto fail;
	u->part[u->n++] = p;
	*pem = (struct sst_pem){ 0 };
	return SST_OK;
fail:
	free(p.path);
	free(p.load);
	return nomem(err);
}

int
sst_scan_open_key(struct sst_scan *s, const char *path, struct sst_error *err)
{
	char **grown, *copy = strdup(path);

	grown = reallocarray(s->open_keys, s->n_open_keys + 1, sizeof(*grown));
	if (grown != NULL)
		s->open_keys = grown;
	if (grown == NULL || copy == NULL) {
		free(copy);
		return nomem(err);
	}
	s->open_keys[s->n_open_keys++] = copy;
	return SST_OK;
}

int
sst_part_read(struct sst_unit *u, const char *root, const char *path, const char *load,
    struct sst_error *err)
{
	struct sst_pem pem = { 0 };
	int rc, open_key;

	rc = sst_scan_read_below(u->env, root, load, &pem, &open_key, err);
	if (rc != 0)
		return rc;
	rc = sst_part_add(u, path, load, &pem, err);
	if (rc == SST_OK && open_key)
		rc = sst_scan_open_key(u->out, path, err);
	sst_pem_done(&pem);
	return rc;
}
