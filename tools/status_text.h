/* SPDX-License-Identifier: ISC */
/*
 * status_text - the status document of one pair as text for people.
 *
 * Always true:
 *   1. It shows whatever the document holds: a key that a newer relay added
 *      appears under its own name.
 * Threads: one.
 */
#ifndef SST_TOOLS_STATUS_TEXT_H
#define SST_TOOLS_STATUS_TEXT_H

#include <jansson.h>

void	sst_status_print(const json_t *document);

#endif
