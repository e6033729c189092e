/* SPDX-License-Identifier: ISC */
/*
 * title - what ps, top and ss show: "securesocketsd: PROGRAM[PID]".
 *
 * src/main.c gives it the arguments, both roles set it.
 *
 * Always true:
 *   1. It is cut where the space of the arguments and the environment ends.
 *   2. The short name is "securesocketsd", also after execveat().
 */
#ifndef SST_KEEPER_TITLE_H
#define SST_KEEPER_TITLE_H

/* Before anything uses the environment: it is emptied, but for a copy of the
 * variables of sst_wire_env. */
void	sst_title_init(int argc, char **argv);
/* The arguments are gone afterwards. Bytes that could disturb a terminal are
 * escaped. */
void	sst_title_set(const char *program, unsigned long pid);

#endif
