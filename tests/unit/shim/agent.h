/* SPDX-License-Identifier: ISC */
/*
 * agent - a small keeper and relay in one process, for the tests of the shim.
 *
 * It speaks base/wire over real sockets and moves plain TCP: what is tested is
 * the shim's side. The shim starts it by SECURESOCKETS_AGENT. Tests steer it
 * with setsockopt() and getsockopt() at a level that nobody else has.
 */
#ifndef TESTS_UNIT_SHIM_AGENT_H
#define TESTS_UNIT_SHIM_AGENT_H

#define AGENT_LEVEL	30303

/* Options at AGENT_LEVEL. */
enum {
	AGENT_STATE = 1,	/* get text: what the process found at its start */
	AGENT_PIDS,		/* get int[2]: its pid, its parent's pid */
	AGENT_LAST,		/* get bytes: verb (int), a, b, c and the data of the
				   last call that was not AGENT_LEVEL's */
	AGENT_FILE,		/* get bytes: what the last FILE's descriptor held */
	AGENT_RECORDS,		/* get int: how many NEW and ADOPT came */
	AGENT_ISSUE,		/* set int: that many connections for accept() */
	AGENT_ISSUE_BAD,	/* set: a record of another version */
	AGENT_MUTE,		/* set int 1: answers no CONNECT any more */
	AGENT_FAIL,		/* set int: errno for the next call; text "because" */
	AGENT_NO_KEEPER,	/* set: the keeper's door is closed */
	AGENT_EXIT,		/* set: ends at once */
	AGENT_LINKED,		/* set: the end of the listener is closed */
	AGENT_SAY,		/* set bytes: what can be read on a connection */
	AGENT_HEAR,		/* get bytes: what was written to a connection */
	AGENT_NAMES		/* get bytes: the data of the last NAMES */
};

#endif
