/* SPDX-License-Identifier: ISC */
/*
 * escape - makes bytes that somebody else sent safe to print.
 *
 * Printable ASCII stays, a backslash is doubled, every other byte becomes
 * \xNN. Used before anything from a peer, a certificate or a file name reaches
 * a log, an error text or a terminal.
 * Threads: pure.
 */
#ifndef SST_BASE_ESCAPE_H
#define SST_BASE_ESCAPE_H

#include <stddef.h>

/*
 * Writes at most `size` bytes to `out`, NUL included; what does not fit is cut
 * at a whole escape and marked with "...". Returns `out`. `size` >= 8.
 */
char	*sst_escape(char *out, size_t size, const void *bytes, size_t len);

#endif
