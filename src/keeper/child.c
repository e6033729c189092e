/* SPDX-License-Identifier: ISC */
#include "state.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS	20000	/* a relay that is not ready by then is stuck */
#define GOODBYE_MS	5000	/* between the channel's end and its own */
#define QUICK_MS	10000	/* a death this early makes the next start wait */
#define GIVE_UP		3	/* quick deaths in a row with nothing held */
#define FIRST_FD	3	/* of the relay; see relay.h */
#define N_FDS		5
#define HIGH_FD		32	/* out of the way of the relay's descriptors */
#define NO_EXEC		127	/* how a relay ends that never became one */
#define NO_ROOM		126
#define NO_WORD		(1 << 8)	/* status 1, for who may not ask */

static int64_t
back_off_ms(unsigned quick_deaths)
{
	/* A call of the program waits 5 s: the longest step leaves it some. */
	static const int64_t steps[] = { 0, 100, 1000, 2000 };
	const unsigned last = sizeof(steps) / sizeof(steps[0]) - 1;

	return steps[quick_deaths < last ? quick_deaths : last];
}

/* Between fork and exec: descriptors 3 to 7, everything else closes itself. */
static void
become_relay(const struct sst_keeper *k, const int fds[N_FDS], char *const argv[])
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *const envp[] = { path, NULL };
	int high[N_FDS], exe;
	sigset_t none;

	exe = fcntl(k->exe, F_DUPFD_CLOEXEC, HIGH_FD);
	for (int i = 0; i < N_FDS; i++)
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
	for (int i = 0; i < N_FDS; i++)
		if (dup2(high[i], FIRST_FD + i) < 0)
			_exit(NO_ROOM);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)syscall(SYS_execveat, exe, "", argv, envp, AT_EMPTY_PATH);
	(void)execve("/proc/self/exe", argv, envp);
	_exit(NO_EXEC);
}

static int
fork_relay(struct sst_keeper *k, int channel, int files)
{
	const int fds[N_FDS] = { channel, files, k->door_r, k->link_c, k->link_l };
	char door[17], pid[16], name[] = "securesocketsd", role[] = "--relay";
	char *argv[] = { name, role, door, k->start.program, pid, NULL };

	(void)snprintf(door, sizeof(door), "%.16s", k->start.door);
	(void)snprintf(pid, sizeof(pid), "%lu", (unsigned long)k->start.program_pid);
	k->relay = fork();
	if (k->relay == 0)
		become_relay(k, fds, argv);
	return k->relay < 0 ? -1 : 0;
}

/* Who is served, then everything that the last relay left. */
static int
tell_all(struct sst_keeper *k)
{
	struct sst_wire_head head;

	if (send(k->channel.fd, &k->start, sizeof(k->start), MSG_NOSIGNAL) !=
	    (ssize_t)sizeof(k->start) ||
	    sst_sources_restore(&k->sources, &k->to_relay) != 0 ||
	    sst_held_restore(&k->held, &k->to_relay) != 0)
		return -1;
	sst_wire_init(&head, SST_CHAN_RESTORED);
	if (sst_queue_send(&k->to_relay, &head, NULL, 0, NULL, 0) != 0)
		return -1;
	if (k->draining) {
		sst_wire_init(&head, SST_CHAN_DRAIN);
		if (sst_queue_send(&k->to_relay, &head, NULL, 0, NULL, 0) != 0)
			return -1;
	}
	sst_queue_move(&k->to_relay, &k->waiting);
	sst_channel_flush(k);
	return 0;
}

static void
cut_off(struct sst_keeper *k)
{
	sst_keeper_close(k, &k->channel);
	sst_keeper_close(k, &k->files);
	sst_queue_drop(&k->answers, 0);
	/* What the program asked of a relay that did not see it yet waits. */
	sst_queue_drop(&k->to_relay, SST_CHAN_FILE);
	sst_queue_move(&k->to_relay, &k->waiting);
	sst_queue_move(&k->waiting, &k->to_relay);
	k->to_relay.fd = k->answers.fd = -1;
	k->flush_at = k->answer_at = INT64_MAX;
}

int
sst_child_start(struct sst_keeper *k)
{
	const int type = SOCK_SEQPACKET | SOCK_CLOEXEC;
	int channel[2] = { -1, -1 }, files[2] = { -1, -1 };
	int error, rc = -1;

	k->restart_at = k->kill_at = INT64_MAX;
	k->idle_at = INT64_MAX;
	k->ready = 0;
	k->born = sst_clock_ms();
	k->ready_by = k->born + READY_MS;
	if (socketpair(AF_UNIX, type, 0, channel) != 0 ||
	    socketpair(AF_UNIX, type, 0, files) != 0 ||
	    fcntl(channel[0], F_SETFL, O_NONBLOCK) != 0 ||
	    fcntl(files[0], F_SETFL, O_NONBLOCK) != 0 ||
	    fork_relay(k, channel[1], files[1]) != 0)
		goto out;
	rc = 0;
	if (sst_keeper_add(k, &k->channel, channel[0], sst_channel_ready) == 0)
		channel[0] = -1;
	if (sst_keeper_add(k, &k->files, files[0], sst_files_ready) == 0)
		files[0] = -1;
	k->to_relay.fd = k->channel.fd;
	k->answers.fd = k->files.fd;
	/* From here on a failure is a relay that has to be ended. */
	if (k->channel.fd < 0 || k->files.fd < 0 || tell_all(k) != 0)
		k->ready_by = k->born;
out:
	error = errno;
	for (int i = 0; i < 2; i++) {
		if (channel[i] >= 0)
			(void)close(channel[i]);
		if (files[i] >= 0)
			(void)close(files[i]);
	}
	if (rc != 0)
		k->relay = 0;
	errno = error;
	return rc;
}

static void
describe_end(int how, char *out, size_t size)
{
	if (WIFSIGNALED(how))
		(void)snprintf(out, size, "securesocketsd --relay was ended by "
		    "signal %d before it was ready", WTERMSIG(how));
	else if (WEXITSTATUS(how) == NO_ROOM)
		(void)snprintf(out, size, "securesocketsd --relay needs %d "
		    "descriptors to start: raise the hard RLIMIT_NOFILE",
		    HIGH_FD + N_FDS + 1);
	else if (WEXITSTATUS(how) == NO_EXEC)
		(void)snprintf(out, size, "securesocketsd --relay could not be "
		    "started: the keeper may not execute its own program");
	else
		(void)snprintf(out, size, "securesocketsd --relay ended with "
		    "status %d before it was ready", WEXITSTATUS(how));
}

static void
start_later(struct sst_keeper *k, int64_t now)
{
	if (now - k->born >= QUICK_MS)
		k->quick_deaths = 0;
	if (k->held.table.n == 0 && (k->draining || k->quick_deaths >= GIVE_UP)) {
		sst_keeper_end(k, 1);
		return;
	}
	k->restart_at = now + back_off_ms(k->quick_deaths);
	k->quick_deaths++;
}

void
sst_child_reap(struct sst_keeper *k)
{
	char text[128];
	int how = NO_WORD;
	pid_t pid;

	if (k->relay == 0)
		return;
	pid = waitpid(k->relay, &how, WNOHANG);
	if (pid == 0 || (pid < 0 && errno == EINTR))
		return;
	/* Else a filter of system calls keeps its status from us, and the signal
	 * alone has to do. If it lives, the end of the channel ends it. */
	k->relay = 0;
	/* Its last words may tell why. */
	sst_channel_take(k, INT_MAX);
	cut_off(k);
	/* Nobody is left who could keep them; kept ones stay, and those that wait for the
	 * next relay. */
	sst_sources_forsake(&k->sources);
	k->ready = 0;
	k->kill_at = k->ready_by = k->idle_at = INT64_MAX;
	if (k->starter >= 0) {
		describe_end(how, text, sizeof(text));
		sst_keeper_answer(k, ECHILD, text);
		sst_keeper_end(k, 1);
		return;
	}
	if (WIFEXITED(how) && WEXITSTATUS(how) == 0) {
		sst_keeper_end(k, 0);
		return;
	}
	start_later(k, sst_clock_ms());
}

void
sst_child_tick(struct sst_keeper *k, int64_t now)
{
	if (k->relay == 0 && now >= k->restart_at && sst_child_start(k) != 0)
		start_later(k, now);
	if (k->relay != 0 && (now >= k->kill_at || (!k->ready && now >= k->ready_by))) {
		(void)kill(k->relay, SIGKILL);
		k->kill_at = k->ready_by = now + GOODBYE_MS;
	}
}

int64_t
sst_child_due(const struct sst_keeper *k)
{
	int64_t due = k->restart_at;

	if (k->relay != 0 && k->kill_at < due)
		due = k->kill_at;
	if (k->relay != 0 && !k->ready && k->ready_by < due)
		due = k->ready_by;
	return due;
}
