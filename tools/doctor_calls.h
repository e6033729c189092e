/* SPDX-License-Identifier: ISC */
/*
 * doctor_calls - the system calls that a pair makes; see doctor_calls.c.
 *
 * doctor_unit.c compares them with SystemCallFilter=.
 */
#ifndef SST_TOOLS_DOCTOR_CALLS_H
#define SST_TOOLS_DOCTOR_CALLS_H

struct sst_doctor_call {
	const char	*name;
	enum { SST_CALL_NEEDED, SST_CALL_ROOTS, SST_CALL_MADE } use;
	const char	*groups;	/* separated by blanks */
};

/* Ends with a row without a name. */
extern const struct sst_doctor_call sst_doctor_calls[];

#endif
