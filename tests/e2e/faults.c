/* SPDX-License-Identifier: ISC */
/* faults - the scene's side of a faulty agent; see faulty.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults.h"

struct faults *faults;

void
faults_begin(void)
{
	const char *agent = getenv("E2E_FAULTY");
	char path[700];
	void *at;
	int fd;

	if (agent == NULL || setenv("SECURESOCKETS_AGENT", agent, 1) != 0) {
		(void)fprintf(stderr, "E2E_FAULTY must name securesocketsd_faulty\n");
		exit(1);
	}
	world_begin();
	(void)snprintf(path, sizeof(path), "%s/faults", world.dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	at = MAP_FAILED;
	if (fd >= 0 && fchmod(fd, 0666) == 0 && ftruncate(fd, sizeof(*faults)) == 0)
		at = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED,
		    fd, 0);
	if (at == MAP_FAILED) {
		perror(path);
		exit(1);
	}
	(void)close(fd);
	faults = at;
}

void
faults_arm(int role, long nth, long burst)
{
	faults->role = role;
	faults->fired = 0;
	faults->burst = burst;
	faults->countdown = nth;
}

long
faults_disarm(void)
{
	faults->countdown = 0;
	faults->role = 0;
	return faults->fired;
}

int
faults_reset(void **state)
{
	(void)state;
	(void)faults_disarm();
	faults->idle_ms = 0;
	return 0;
}
