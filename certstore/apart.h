/* SPDX-License-Identifier: ISC */
/*
 * apart - does a piece of work on another heap.
 *
 * store_change.c has whole directories read in it. Reading a certificate leaves
 * ten holes around each object that stays; a server that then takes the memory
 * of its handshakes out of those holes finds none of it in the processor's
 * caches (a twentieth of a handshake, with a thousand certificates). glibc gives
 * a new thread a heap of its own, so the holes are made there.
 *
 * Always true:
 *   1. The work is done exactly once, and is over when the call returns; where
 *      no thread can be had, the caller's does it.
 *   2. No signal is delivered to the thread, and the call is no cancellation
 *      point: the work may use the caller's stack.
 * Threads: any number.
 */
#ifndef SST_CERTSTORE_APART_H
#define SST_CERTSTORE_APART_H

void	sst_apart(void (*work)(void *arg), void *arg);

#endif
