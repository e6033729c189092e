/* SPDX-License-Identifier: ISC */
/* index_pack - see index_pack.h. */
#include "index_pack.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of a shape that stand for something. */
enum mark {
	MARK_ITEM = 1,
	MARK_ROOT,	/* the path of the source */
	MARK_UP,	/* the directory that holds it */
	MARK_BYTE,	/* and a byte + '@': one of these marks, as it is */
	MARK_NEXT,	/* the end of a text */
	MARK_NONE	/* there is no text */
};

struct out {
	char	*at;		/* NULL: only counts */
	size_t	 n;
};

static void
put(struct out *o, const char *bytes, size_t len)
{
	if (o->at != NULL)
		memcpy(o->at + o->n, bytes, len);
	o->n += len;
}

static void
put_byte(struct out *o, char c)
{
	put(o, &c, 1);
}

/* How long the directory above `root` is, without its "/". */
static size_t
up_len(const char *root)
{
	const char *slash = strrchr(root, '/');

	return slash == NULL ? 0 : (size_t)(slash - root);
}

/* Whether `text` begins with these bytes, as a whole path. */
static int
leads(const char *text, const char *bytes, size_t len)
{
	return len > 0 && strncmp(text, bytes, len) == 0 &&
	    (text[len] == '/' || text[len] == '\n' || text[len] == '\0');
}

static void
text_pack(struct out *o, const char *root, const char *item, const char *text)
{
	const size_t len = strlen(root), up = up_len(root), item_len = strlen(item);
	char before = '\n';

	if (text == NULL) {
		put_byte(o, MARK_NONE);
		return;
	}
	while (*text != '\0') {
		if (before == '\n' && leads(text, root, len)) {
			put_byte(o, MARK_ROOT);
			text += len;
		} else if (before == '\n' && leads(text, root, up)) {
			put_byte(o, MARK_UP);
			text += up;
		} else if (before == '/' && item_len > 0 &&
		    strncmp(text, item, item_len) == 0) {
			put_byte(o, MARK_ITEM);
			text += item_len;
		} else {
			if ((unsigned char)*text <= MARK_NONE)
				put_byte(o, MARK_BYTE);
			put_byte(o, (unsigned char)*text <= MARK_NONE ?
			    (char)(*text + '@') : *text);
			text++;
		}
		before = text[-1];
	}
	put_byte(o, MARK_NEXT);
}

int
sst_pack_item(const char *root, const char *path, char item[SST_ITEM_SIZE])
{
	size_t len = strlen(root), n;
	const char *end;
	int flat;

	item[0] = '\0';
	if (strncmp(path, root, len) != 0 || path[len] != '/')
		return 1;
	path += len + 1;
	end = strchr(path, '/');
	flat = end == NULL;
	if (flat)
		end = strrchr(path, '.');
	n = end == NULL || end == path ? strlen(path) : (size_t)(end - path);
	if (n >= SST_ITEM_SIZE)
		return 1;
	memcpy(item, path, n);
	item[n] = '\0';
	return flat;
}

static void
row_pack(struct out *o, const char *root, const char *item, const struct sst_row *row)
{
	text_pack(o, root, item, row->path);
	text_pack(o, root, item, row->key_path);
	text_pack(o, root, item, row->load);
	text_pack(o, root, item, row->load_key);
}

int
sst_pack(const char *root, const struct sst_row *row, struct sst_packed *ret)
{
	struct out o = { NULL, 0 };

	ret->flat = sst_pack_item(root, row->path, ret->item);
	row_pack(&o, root, ret->item, row);
	ret->shape = malloc(o.n + 1);
	if (ret->shape == NULL)
		return SST_E_NOMEM;
	o = (struct out){ ret->shape, 0 };
	row_pack(&o, root, ret->item, row);
	ret->shape[o.n] = '\0';
	return SST_OK;
}

/* One text; returns where the next one begins. */
static const char *
text_unpack(struct out *o, const char *root, const char *item, const char *shape)
{
	for (; *shape != '\0' && *shape != MARK_NEXT; shape++) {
		switch (*shape) {
		case MARK_ITEM:
			put(o, item, strlen(item));
			break;
		case MARK_ROOT:
			put(o, root, strlen(root));
			break;
		case MARK_UP:
			put(o, root, up_len(root));
			break;
		case MARK_BYTE:
			if (shape[1] == '\0')
				break;
			shape++;
			put_byte(o, (char)(*shape - '@'));
			break;
		default:
			put_byte(o, *shape);
		}
	}
	return *shape == MARK_NEXT ? shape + 1 : shape;
}

static int
text_new(const char *root, const char *item, const char **shape, char **ret)
{
	struct out o = { NULL, 0 };
	char *text;

	if (**shape == MARK_NONE) {
		(*shape)++;
		return sst_text_set(ret, NULL);
	}
	(void)text_unpack(&o, root, item, *shape);
	text = malloc(o.n + 1);
	if (text == NULL)
		return SST_E_NOMEM;
	o = (struct out){ text, 0 };
	*shape = text_unpack(&o, root, item, *shape);
	text[o.n] = '\0';
	free(*ret);
	*ret = text;
	return SST_OK;
}

int
sst_unpack(const char *root, const char *item, const char *shape, struct sst_row *row)
{
	char **const texts[] = { &row->path, &row->key_path, &row->load, &row->load_key };
	int rc = SST_OK;

	for (size_t i = 0; rc == SST_OK && i < sizeof(texts) / sizeof(texts[0]); i++)
		rc = text_new(root, item, &shape, texts[i]);
	if (rc == SST_OK && row->path == NULL)
		rc = sst_text_set(&row->path, "");
	return rc;
}
