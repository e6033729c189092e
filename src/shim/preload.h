/* SPDX-License-Identifier: ISC */
/*
 * preload - how `sstool run` learns that the library is in the program.
 *
 * The value is "FD:INODE:" and then "N," for each inherited listener: FD is a
 * pipe, and its inode tells it from what has the number later.
 */
#ifndef SST_SHIM_PRELOAD_H
#define SST_SHIM_PRELOAD_H

#define SST_REPORT_VAR	"SECURESOCKETS_REPORT"

#endif
