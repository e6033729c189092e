/* SPDX-License-Identifier: ISC */
/*
 * cpu - processor time and memory of processes, from /proc.
 *
 * Time comes from /proc/PID/task/TID/schedstat (nanoseconds on a processor),
 * not from the ticks of /proc/PID/stat: a tick is 10 ms here.
 */
#ifndef SST_BENCH_CPU_H
#define SST_BENCH_CPU_H

#include <stdint.h>
#include <sys/types.h>

/* Nanoseconds that the threads of `pid` spent on a processor; 0: no process. */
uint64_t cpu_of(pid_t pid);
/* Proportional set size in bytes. */
uint64_t memory_of(pid_t pid);
/* Adds one of the two up over every process with `text` in its command line. */
uint64_t sum_over(const char *text, uint64_t (*what)(pid_t));
/* The same over the keeper and the relay of `program`. */
uint64_t sum_over_pair(pid_t program, uint64_t (*what)(pid_t));
/* Kernel memory in bytes: Slab, KernelStack, PageTables of /proc/meminfo. */
uint64_t memory_of_kernel(void);
/* Microseconds of the monotonic clock. */
double	now_us(void);

#endif
