/* SPDX-License-Identifier: ISC */
/*
 * error - how every call of this library reports what went wrong.
 *
 * A call returns 0 (or a positive answer where its comment says so), or one
 * of the negative codes below. Where it takes a `struct sst_error *`, that may
 * be NULL; when it is not, a failed call fills it with a sentence that a
 * person can act on. A successful call leaves it alone.
 *
 * Always true:
 *   1. The structure has a fixed size and owns nothing: reporting that memory
 *      ran out needs no memory.
 *   2. `text` ends in NUL, is one line, and holds no byte that a peer sent
 *      unless it was escaped as \xNN.
 */
#ifndef SECURESOCKETS_ERROR_H
#define SECURESOCKETS_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#ifndef SST_API
#define SST_API __attribute__((visibility("default")))
#endif

/* A released code never changes its number. */
enum sst_code {
	SST_OK = 0,
	SST_E_NOMEM = -1,	/* out of memory */
	SST_E_SYSTEM = -2,	/* a system call failed: see sys_errno */
	SST_E_USAGE = -3,	/* an argument is not of its documented form */
	SST_E_LIMIT = -4,	/* larger than a documented limit */
	SST_E_MALFORMED = -5,	/* bytes that do not parse */
	SST_E_MISMATCH = -6,	/* parts that do not belong together */
	SST_E_NOT_FOUND = -7,	/* nothing of that name */
	SST_E_REFUSED = -8,	/* well formed, and refused by a rule */
	SST_E_STATE = -9,	/* not in this state of the object */
	SST_E_TLS = -10,	/* the peer broke the protocol, or sent an alert */
	SST_E_TIMEOUT = -11,	/* a deadline passed */
	SST_E_PEER = -12,	/* the peer closed or reset the connection */
	SST_E_UNSUPPORTED = -13,/* this build or this system cannot do it */
	SST_E_INTERNAL = -14	/* a defect of this library */
};

struct sst_error {
	int	code;		/* one of enum sst_code */
	int	sys_errno;	/* errno where code is SST_E_SYSTEM, else 0 */
	char	text[500];	/* one line, NUL-terminated */
};

/* The name of a code, as "SST_E_NOMEM"; never NULL. Any thread. */
SST_API const char *sst_code_name(int code);

#ifdef __cplusplus
}
#endif
#endif
