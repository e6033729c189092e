/* SPDX-License-Identifier: ISC */
#include "spare.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define PART	8	/* of the table */

void
sst_spare_init(struct sst_spare *s)
{
	struct rlimit files;

	s->n = 0;
	s->wanted = SST_SPARE_MOST;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 &&
	    files.rlim_cur / PART < SST_SPARE_MOST)
		s->wanted = (int)(files.rlim_cur / PART);
}

int
sst_spare_fill(struct sst_spare *s)
{
	while (s->n < s->wanted) {
		s->fds[s->n] = s->n == 0 ? eventfd(0, EFD_CLOEXEC) :
		    fcntl(s->fds[0], F_DUPFD_CLOEXEC, 0);
		if (s->fds[s->n] < 0)
			return -1;
		s->n++;
	}
	return 0;
}

int
sst_spare_use(struct sst_spare *s)
{
	if (s->n < SST_SPARE_PAIR)
		return 0;
	for (int i = 0; i < SST_SPARE_PAIR; i++)
		(void)close(s->fds[--s->n]);
	return 1;
}
