/* SPDX-License-Identifier: ISC */
#include "rows.h"

#include <stdlib.h>
#include <string.h>

#include "identity.h"

void
sst_row_done(struct sst_row *row)
{
	free(row->path);
	free(row->key_path);
	free(row->load);
	free(row->load_key);
	free(row->why);
	free(row->key_type);
	free(row->issuer);
	free(row->names);
	free(row->warnings);
	*row = (struct sst_row){ 0 };
}

int
sst_text_set(char **to, const char *text)
{
	char *copy = NULL;

	if (text != NULL) {
		copy = strdup(text);
		if (copy == NULL)
			return SST_E_NOMEM;
	}
	free(*to);
	*to = copy;
	return SST_OK;
}

int
sst_row_facts(struct sst_row *row, const struct sst_leaf_facts *f)
{
	row->kind = f->kind;
	row->wants_staple = f->wants_staple;
	row->not_before = f->not_before;
	row->not_after = f->not_after;
	memcpy(row->digest, f->digest, sizeof(row->digest));
	memcpy(row->print, f->print, sizeof(row->print));
	memcpy(row->names_key, f->names_key, sizeof(row->names_key));
	if (sst_text_set(&row->key_type, f->key_type) < 0 ||
	    sst_text_set(&row->issuer, f->issuer) < 0 ||
	    sst_text_set(&row->names, f->names) < 0 ||
	    sst_text_set(&row->warnings, f->warnings) < 0)
		return SST_E_NOMEM;
	return SST_OK;
}

void
sst_rows_done(struct sst_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		sst_row_done(&rows->v[i]);
	free(rows->v);
	*rows = (struct sst_rows){ 0 };
}

int
sst_rows_move(struct sst_rows *rows, struct sst_row *row)
{
	struct sst_row *grown;
	size_t room;

	if (rows->n == rows->room) {
		room = rows->room == 0 ? 2 : rows->room * 2;
		grown = reallocarray(rows->v, room, sizeof(*grown));
		if (grown == NULL)
			return SST_E_NOMEM;
		rows->v = grown;
		rows->room = room;
	}
	rows->v[rows->n++] = *row;
	*row = (struct sst_row){ 0 };
	return SST_OK;
}
