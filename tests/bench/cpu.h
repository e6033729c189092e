/* SPDX-License-Identifier: ISC */
/*
 * cpu - processor time and memory of processes, from /proc.
 *
 * Time comes from the processor clock of each process (nanoseconds, threads
 * that ended included), not from the ticks of /proc/PID/stat: a tick is 10 ms
 * here. Only what a process took for the children it has waited for is in ticks.
 */
#ifndef SST_BENCH_CPU_H
#define SST_BENCH_CPU_H

#include <stdint.h>
#include <sys/types.h>

/* Nanoseconds that `pid`, and the children it has waited for, spent on a
 * processor; 0: no process. */
uint64_t cpu_of(pid_t pid);
/* Proportional set size in bytes. */
uint64_t memory_of(pid_t pid);
/* Adds one of the two up over every process with `text` in its command line. */
uint64_t sum_over(const char *text, uint64_t (*what)(pid_t));
/* The same over the keeper and the relay of `program`. */
uint64_t sum_over_pair(pid_t program, uint64_t (*what)(pid_t));
/* The same over `root` and all that descends from it. */
uint64_t sum_over_tree(pid_t root, uint64_t (*what)(pid_t));
/* Kernel memory in bytes: Slab, KernelStack, PageTables of /proc/meminfo. */
uint64_t memory_of_kernel(void);
/* Kernel memory that is charged to the memory cgroup in this folder (version 1 or
 * 2): objects, stacks, page tables, socket buffers; not what its slabs waste. */
uint64_t memory_charged(const char *cgroup);
/* Bytes of this file that are in the page cache. */
uint64_t memory_cached(const char *path);
/* Microseconds of the monotonic clock. */
double	now_us(void);

#endif
