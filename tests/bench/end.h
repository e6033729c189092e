/* SPDX-License-Identifier: ISC */
/*
 * end - one end of a TLS connection for the benchmarks, of two makes.
 *
 *	RAW	OpenSSL in this process, blocking TCP socket
 *	WAY1	a socket of protocol IPPROTO_TLS
 *
 * Both offer TLS 1.3 only, the same certificate file and no tickets, so that a
 * difference is the library's. Failures end the program with a text.
 */
#ifndef SST_BENCH_END_H
#define SST_BENCH_END_H

#include <stddef.h>
#include <stdint.h>

enum make { RAW, WAY1 };

struct end {
	enum make	 make;
	int		 fd;
	void		*ssl;	/* RAW */
};

struct listener {
	enum make	 make;
	int		 fd;
	uint16_t	 port;
	void		*ctx;	/* RAW */
};

/* Listens on a free port of 127.0.0.1; `pem` holds key and chain. */
void	end_listen(struct listener *, enum make, const char *pem);
void	end_accept(struct listener *, struct end *);
/* Connects to 127.0.0.1; verifies "localhost" against the file `ca`, NULL: the
 * trust anchors of the environment. */
void	end_connect(struct end *, enum make, uint16_t port, const char *ca);
/* The same on a descriptor that does not block, which poll() watches: the first
 * half returns while TCP and the handshake are pending, the second ends them. */
void	end_begin(struct end *, enum make, uint16_t port, const char *ca);
void	end_begun(struct end *);
/* RAW, after end_begin(): sends the ClientHello. 1: and waits for the answer. */
int	end_greet(struct end *);
/* Moves all of `len` bytes. */
void	end_write(struct end *, const void *, size_t len);
void	end_read(struct end *, void *, size_t len);
/* Reads what is there, at most `cap`; 0: the end of the stream. */
size_t	end_read_some(struct end *, void *, size_t cap);
void	end_close(struct end *);
/* "raw" or "way1"; ends the program on anything else. */
enum make end_make(const char *name);

#endif
