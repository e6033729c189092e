/* SPDX-License-Identifier: ISC */
/*
 * usage - what processes and all that descend from them have taken.
 *
 *	usage PID...
 *	usage charged FOLDER	kernel memory charged to a memory cgroup, in bytes
 *	usage cached FILE...	bytes of files that are in the page cache
 *
 * The keeper and the relay of a program of way 1 are nobody's children. Prints
 * processor time in us, theirs with it; proportional set sizes in bytes, theirs
 * after that of the others; kernel memory of the machine in bytes.
 */
#include "cpu.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
main(int argc, char **argv)
{
	uint64_t cpu = 0, own = 0, pairs = 0;
	pid_t pid;

	if (argc < 2)
		errx(64, "usage: usage PID... | charged FOLDER | cached FILE...");
	if (argc == 3 && strcmp(argv[1], "charged") == 0) {
		printf("%llu\n", (unsigned long long)memory_charged(argv[2]));
		return 0;
	}
	if (strcmp(argv[1], "cached") == 0) {
		for (int i = 2; i < argc; i++)
			own += memory_cached(argv[i]);
		printf("%llu\n", (unsigned long long)own);
		return 0;
	}
	for (int i = 1; i < argc; i++) {
		pid = (pid_t)atoi(argv[i]);
		cpu += sum_over_tree(pid, cpu_of) + sum_over_pair(pid, cpu_of);
		own += sum_over_tree(pid, memory_of);
		pairs += sum_over_pair(pid, memory_of);
	}
	printf("%llu %llu %llu %llu\n", (unsigned long long)(cpu / 1000),
	    (unsigned long long)own, (unsigned long long)pairs,
	    (unsigned long long)memory_of_kernel());
	return 0;
}
