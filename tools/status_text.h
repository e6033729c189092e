/* SPDX-License-Identifier: ISC */
/*
 * status_text - the status document of one pair as text for people.
 *
 * One line for the program, one or two for each listener. Whatever is missing
 * in the document (an older or a newer relay) is left out or "-".
 *
 * Threads: one.
 */
#ifndef SST_TOOLS_STATUS_TEXT_H
#define SST_TOOLS_STATUS_TEXT_H

#include <jansson.h>

void	sst_status_print(const json_t *document);

#endif
