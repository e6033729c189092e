/* SPDX-License-Identifier: ISC */
/*
 * supply - options whose value is a file, a directory or bytes.
 *
 *	channel.c (FILE) --> supply --> change.c --> answer to the shim,
 *	                                            KEEP or DROP to the keeper
 *
 * A directory is answered when all of it is loaded, or after 250 ms; the rest
 * goes on behind. While a listener is restored its certificates come
 * first, its clients after.
 *
 * Always true:
 *   1. A call is answered once, and what it was about is a change of its store
 *      (change.h).
 *   2. A file that is no certificate's is read at once and kept in memory.
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_SUPPLY_H
#define SST_RELAY_SUPPLY_H

#include <stddef.h>
#include <stdint.h>

struct sst_call;
struct sst_cert_source;
struct sst_certs;
struct sst_error;
struct sst_listener;
struct sst_record;
struct sst_relay;

/* The call's data is the path and, when static, why; fds: the program's
 * descriptor and the file. Answers the call. */
void	sst_supply_file(struct sst_call *);
/* As sst_certs_new(); the keeper is told when its sources are no longer used. */
int	sst_supply_certs(struct sst_relay *, int key_event, uint64_t generation,
	    struct sst_certs **ret_certs, struct sst_error *err);
/* The store of a socket, made when it is first needed: an accepted socket has its
 * listener's until it is given certificates of its own. */
int	sst_supply_store(struct sst_record *, struct sst_error *err);
/* TLS_CERTIFICATE_REMOVE. Answers the call. */
void	sst_supply_remove(struct sst_call *, struct sst_record *, const char *what);
/* These names in the source changed, each with its NUL; none: all of it. What waits to
 * be read again already is read once. */
void	sst_supply_changed(struct sst_relay *, uint32_t id, const char *names,
	    size_t len);
/* The keeper is gone: no file is opened any more, and whoever shares an index with a
 * listener writes it, as soon as the loader's thread has come to it. */
void	sst_supply_part(struct sst_relay *);
/* Loads a source of a restored listener; takes it over. */
void	sst_supply_again(struct sst_listener *, struct sst_cert_source *);
/* When all that was submitted is loaded, the listener takes clients. */
void	sst_supply_then_begin(struct sst_listener *);
/* Jobs of this socket that are not finished. */
unsigned sst_supply_pending(const struct sst_record *);

#endif
