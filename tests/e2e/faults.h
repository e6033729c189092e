/* SPDX-License-Identifier: ISC */
/*
 * faults - the scene's side of a faulty agent (faulty.h).
 */
#ifndef SST_E2E_FAULTS_H
#define SST_E2E_FAULTS_H

#include "faulty.h"
#include "world.h"

extern struct faults *faults;

/* In place of world_begin(): every pair is a faulty one. */
void	faults_begin(void);
/* From now on the nth allocation of the relay ('r') or the keeper ('k') fails,
 * and burst - 1 after it. */
void	faults_arm(int role, long nth, long burst);
/* How many did. */
long	faults_disarm(void);
/* As the setup of each test: none are left of the one before. */
int	faults_reset(void **state);

#endif
