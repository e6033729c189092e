/* SPDX-License-Identifier: ISC */
/*
 * option - the one table of socket options at level IPPROTO_TLS.
 *
 * The shim looks up how a value travels, the relay what it may do, and
 * `sstool options` prints the table; the manual's table is checked against it.
 *
 * Always true:
 *   1. A number that was released is never used for anything else.
 *   2. An option that is not in the table is ENOPROTOOPT.
 */
#ifndef SST_BASE_OPTION_H
#define SST_BASE_OPTION_H

/* How a value looks. */
enum sst_option_type {
	SST_OPT_TEXT = 1,	/* up to the first NUL or optlen */
	SST_OPT_INT,		/* int */
	SST_OPT_U64,		/* uint64_t */
	SST_OPT_SOURCE,		/* path of a file or directory, or PEM or DER bytes */
	SST_OPT_BYTES,		/* as many as optlen says */
	SST_OPT_SECONDS,	/* int or long, as optlen says */
};

/* In which states it may be set, and whether it may be read. */
enum {
	SST_OPT_SET_NEW = 1,	/* before connect() and listen() */
	SST_OPT_SET_LISTEN = 2,	/* on a listener */
	SST_OPT_SET_CONN = 4,	/* once connected: taken, and without effect there */
	SST_OPT_GET = 16,	/* readable in any state that has a value */
	SST_OPT_GET_CONN = 32	/* readable once connected; before: ENOTCONN */
};

struct sst_option {
	const char	*name;		/* "TLS_HOSTNAME" */
	int		 number;
	enum sst_option_type type;
	unsigned	 states;	/* SST_OPT_SET_* | SST_OPT_GET* */
	const char	*since;		/* release that brought it: "0.1" */
	const char	*summary;	/* one line for the manual */
};

/* The table, ordered by number; ends with name == NULL. */
extern const struct sst_option sst_options[];
/* NULL: no such option. */
const struct sst_option *sst_option_find(int number);

#endif
