/* SPDX-License-Identifier: ISC */
/* process - descriptors in other processes and programs, threads, signals. */
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conformance.h"

#define ALL	(POLLIN | POLLOUT | POLLPRI | POLLRDHUP)
#define MANY	(1024 * 1024)
#define NOBODY	65534

static int
write_all(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno != EINTR)
			return -1;
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* --- fork ---------------------------------------------------------------------------------- */
struct heir {
	int		 fd;
	struct far	*f;
	char		 letter;	/* 0: what fill() makes */
};

static void
write_much(int ch, void *arg)
{
	struct heir *h = arg;
	char *data = malloc(MANY);

	(void)ch;
	want(data != NULL);
	(void)close(h->f->fd);
	fill(data, MANY, 88);
	if (h->letter != 0)
		memset(data, h->letter, MANY);
	for (size_t at = 0; at < MANY; at += 4096)
		want_eq(write_all(h->fd, data + at, 4096), 0);
	free(data);
}

CASE(sk_88_a_child_writes_while_its_parent_reads)
{
	static unsigned char data[MANY];
	struct far f;
	struct heir h = { .fd = own_pair(t, &f, NULL), .f = &f };
	struct prog child;
	char text[6];

	prog_start(&child, write_much, &h);
	far_write(&f, "parent", 6);
	ours_read(h.fd, text, 6);
	see_bytes(t, "the parent read", text, 6);
	far_read_all(&f, data, sizeof(data));
	see_bytes(t, "the child wrote", data, sizeof(data));
	prog_end(&child);
	see_call(t, "the parent writes", write(h.fd, "alive", 5));
	(void)close(h.fd);
	see_far_rest(t, "then", &f);
	far_close(&f);
}

CASE(sk_89_two_processes_write_and_nothing_is_lost)
{
	static unsigned char block[65536];
	struct far f;
	int fd = own_pair(t, &f, NULL);
	struct heir h[2] = { { fd, &f, 'a' }, { fd, &f, 'b' } };
	struct prog p[2];
	long long n[2] = { 0 };
	ssize_t got;

	for (int i = 0; i < 2; i++)
		prog_start(&p[i], write_much, &h[i]);
	(void)close(fd);
	while ((got = far_read(&f, block, sizeof(block))) > 0)
		for (ssize_t i = 0; i < got; i++)
			n[block[i] == 'b']++;
	see(t, "the end", got);
	see(t, "of the one", n[0]);
	see(t, "of the other", n[1]);
	for (int i = 0; i < 2; i++)
		prog_end(&p[i]);
	far_close(&f);
}

/* --- duplicates ------------------------------------------------------------------------------- */
/* All that is open is 0, 1 and 2; standard input and output talk to the peer. */
static void
talk_by_stdio(int ch, void *arg)
{
	const struct heir *h = arg;
	char line[32];

	(void)ch;
	want(dup2(h->fd, 0) == 0 && dup2(h->fd, 1) == 1);
	if (h->letter == 'c')
		want_eq(close_range(3, ~0u, 0), 0);
	else
		closefrom(3);
	want(fgets(line, sizeof(line), stdin) != NULL);
	want(printf("you said %s", line) > 0);
}

CASE(sk_90_duplicates_are_the_same_socket)
{
	struct far f;
	int fd = own_pair(t, &f, NULL), other;
	char byte;

	other = fcntl(fd, F_DUPFD_CLOEXEC, 500);
	see(t, "F_DUPFD", other);
	see(t, "F_GETFD", fcntl(other, F_GETFD));
	see(t, "dup3", dup3(fd, 501, O_CLOEXEC));
	see_call(t, "dup2 onto itself", dup2(fd, fd));
	want_eq(fcntl(other, F_SETFL, O_NONBLOCK), 0);
	see(t, "F_GETFL", fcntl(fd, F_GETFL));
	want_eq(fcntl(501, F_SETFL, 0), 0);
	see_call(t, "close_range", (long)close_range(501, 501, CLOSE_RANGE_CLOEXEC));
	(void)close(501);
	(void)close(fd);
	see_call(t, "write", write(other, "by another", 10));
	far_write(&f, "x", 1);
	see_call(t, "read", read(other, &byte, 1));
	for (int i = 0; i < 2; i++) {
		struct heir h = { .fd = other, .f = &f, .letter = i ? 'c' : 'f' };
		struct prog p;

		prog_start(&p, talk_by_stdio, &h);
		far_write(&f, "hello\n", 6);
		prog_end(&p);
	}
	see_mask(t, "after", (unsigned int)ours_poll(other, ALL, 0));
	(void)close(other);
	see_far_rest(t, "the peer", &f);
	far_close(&f);
}

/* --- other programs ----------------------------------------------------------------------------- */
/* What cat says to the peer of its standard input and output. */
static void
see_cat(struct trial *t, struct far *f, pid_t cat)
{
	static unsigned char data[60000];
	int status = -1;

	fill(data, sizeof(data), 91);
	far_write(f, data, sizeof(data));
	far_end(f);
	see_far_rest(t, "cat", f);
	far_close(f);
	want_eq(waitpid(cat, &status, 0), cat);
	see(t, "status", status);
}

static void
exec_cat(int fd)
{
	(void)dup2(fd, 0);
	(void)dup2(fd, 1);
	closefrom(3);
	(void)execl("/bin/cat", "cat", (char *)NULL);
	_exit(9);
}

CASE(sk_91_cat_serves_the_peer)
{
	struct far f;
	int fd = own_pair(t, &f, NULL);
	pid_t cat = fork();

	want(cat >= 0);
	if (cat == 0)
		exec_cat(fd);
	(void)close(fd);
	see_cat(t, &f, cat);
}

static void
pass(int ch, int fd)
{
	char byte = '!', room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room,
	    .msg_controllen = sizeof(room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	want_eq(sendmsg(ch, &m, 0), 1);
}

static void
receive_and_cat(int ch, void *arg)
{
	char byte, room[CMSG_SPACE(sizeof(int))];
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room,
	    .msg_controllen = sizeof(room) };
	int fd;

	(void)arg;
	want_eq(recvmsg(ch, &m, 0), 1);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	exec_cat(fd);
}

CASE(sk_92_a_descriptor_that_was_passed_works_in_another_program)
{
	struct prog other;
	struct far f;
	int fd;

	prog_start(&other, receive_and_cat, NULL);
	fd = own_pair(t, &f, NULL);
	pass(other.ch, fd);
	(void)close(fd);
	see_cat(t, &f, other.pid);
	(void)close(other.ch);
}

CASE(sk_93_posix_spawn_and_vfork_hand_the_descriptor_on)
{
	char *const argv[] = { (char *)(uintptr_t)"cat", NULL };
	posix_spawn_file_actions_t actions;
	struct far f;
	int fd = own_pair(t, &f, NULL);
	pid_t cat;

	want_eq(posix_spawn_file_actions_init(&actions), 0);
	want_eq(posix_spawn_file_actions_adddup2(&actions, fd, 0), 0);
	want_eq(posix_spawn_file_actions_adddup2(&actions, fd, 1), 0);
	see(t, "posix_spawn", posix_spawn(&cat, "/bin/cat", &actions, NULL, argv,
	    environ));
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(fd);
	see_cat(t, &f, cat);

	fd = own_pair(t, &f, NULL);
	cat = vfork();
	want(cat >= 0);
	if (cat == 0) {
		(void)dup2(fd, 0);
		(void)dup2(fd, 1);
		(void)execv("/bin/cat", argv);
		_exit(9);
	}
	(void)close(fd);
	see_cat(t, &f, cat);
}

CASE(sk_94_popen_and_system_neither_leak_nor_disturb)
{
	struct far f;
	int fd = own_pair(t, &f, NULL);
	char said[64] = "", byte;
	FILE *p;

	see(t, "system", system("exit 3"));
	p = popen("ls /proc/self/fd | wc -l", "r");
	want(p != NULL && fgets(said, sizeof(said), p) != NULL);
	see_text(t, "open in a child", "%.20s", strtok(said, "\n"));
	see(t, "pclose", pclose(p));
	far_write(&f, "x", 1);
	see_call(t, "read", read(fd, &byte, 1));
	see_call(t, "write", write(fd, "on", 2));
	/* It lives on and holds nothing of ours. */
	p = popen("cat >/dev/null", "w");
	want(p != NULL);
	(void)close(fd);
	see_far_rest(t, "the peer", &f);
	see(t, "pclose", pclose(p));
	far_close(&f);
}

/* --- threads and signals ---------------------------------------------------------------------------- */
#define CREW	4
#define PIECES	200
#define PIECE	1000

struct hand {
	pthread_t	thread;
	int		fd, letter;
	long long	n;
};

static void *
write_letters(void *arg)
{
	struct hand *h = arg;
	char piece[PIECE];

	memset(piece, h->letter, sizeof(piece));
	for (int i = 0; i < PIECES; i++)
		want_eq(write_all(h->fd, piece, sizeof(piece)), 0);
	return NULL;
}

static void *
read_letters(void *arg)
{
	struct hand *h = arg;
	char piece[PIECE];
	ssize_t n;

	while ((n = read(h->fd, piece, sizeof(piece))) > 0)
		h->n += n;
	return NULL;
}

CASE(sk_95_eight_threads_on_one_descriptor)
{
	struct hand h[2 * CREW];
	long long letters[CREW] = { 0 }, sum = 0;
	char block[CREW * PIECE] = { 0 };
	struct far f;
	int fd = own_pair(t, &f, NULL);

	for (int i = 0; i < 2 * CREW; i++) {
		h[i] = (struct hand){ .fd = fd, .letter = i };
		want_eq(pthread_create(&h[i].thread, NULL, i < CREW ? write_letters :
		    read_letters, &h[i]), 0);
	}
	for (int i = 0; i < PIECES; i++) {
		far_write(&f, block, sizeof(block));
		far_read_all(&f, block, sizeof(block));
		for (size_t k = 0; k < sizeof(block); k++)
			letters[block[k] & (CREW - 1)]++;
	}
	far_end(&f);
	for (int i = 0; i < 2 * CREW; i++) {
		want_eq(pthread_join(h[i].thread, NULL), 0);
		sum += h[i].n;
	}
	see(t, "read", sum);
	for (int i = 0; i < CREW; i++)
		see(t, "written", letters[i]);
	(void)close(fd);
	far_close(&f);
}

static atomic_int ticks;

static void
tick(int sig)
{
	(void)sig;
	ticks++;
}

struct talk {
	struct trial	*t;
	struct far	*f;
	unsigned char	*data;
};

/* The other end, which no signal disturbs. */
static void *
talk(void *arg)
{
	struct talk *k = arg;

	far_read_all(k->f, k->data, 10 * MANY);
	see_bytes(k->t, "written", k->data, 10 * MANY);
	far_write(k->f, k->data, 10 * MANY);
	far_end(k->f);
	return NULL;
}

CASE(sk_96_a_signal_every_millisecond_loses_no_byte)
{
	const struct itimerspec every = { { 0, 1000000 }, { 0, 1000000 } };
	struct sigaction act = { .sa_handler = tick };
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	unsigned char *data = malloc(20 * MANY);
	struct far f;
	struct talk k = { t, &f, data + 10 * MANY };
	int fd = own_pair(t, &f, NULL);
	size_t have = 0;
	sigset_t usr1;
	pthread_t thread;
	timer_t timer;
	ssize_t n;

	want(data != NULL);
	(void)sigemptyset(&usr1);
	(void)sigaddset(&usr1, SIGUSR1);
	want_eq(sigaction(SIGUSR1, &act, NULL), 0);
	want_eq(pthread_sigmask(SIG_BLOCK, &usr1, NULL), 0);
	want_eq(pthread_create(&thread, NULL, talk, &k), 0);
	want_eq(pthread_sigmask(SIG_UNBLOCK, &usr1, NULL), 0);
	want_eq(timer_create(CLOCK_MONOTONIC, &e, &timer), 0);
	want_eq(timer_settime(timer, 0, &every, NULL), 0);
	fill(data, 10 * MANY, 96);
	want_eq(write_all(fd, data, 10 * MANY), 0);
	while (have < 10 * MANY) {
		n = read(fd, data + have, 10 * MANY - have);
		want(n > 0 || (n < 0 && errno == EINTR));
		have += n > 0 ? (size_t)n : 0;
	}
	(void)timer_delete(timer);
	want_eq(pthread_join(thread, NULL), 0);
	see_bytes(t, "read", data, 10 * MANY);
	want(ticks > 0);
	(void)close(fd);
	far_close(&f);
	free(data);
}

/* --- cancellation -------------------------------------------------------------------------------------- */
#ifdef __SANITIZE_ADDRESS__
#define CANCELLABLE	0
#else
#define CANCELLABLE	1
#endif

struct waiter {
	pthread_t	 thread;
	_Atomic pid_t	 tid;
	int		 fd;
	char		 call;	/* r, a, c */
	struct addr	*at;
};

static void *
wait_in_call(void *arg)
{
	struct waiter *w = arg;
	char byte;

	w->tid = gettid();
	if (w->call == 'r')
		(void)!read(w->fd, &byte, 1);
	else if (w->call == 'a')
		(void)accept(w->fd, NULL, NULL);
	else
		(void)connect(w->fd, &w->at->u.any, w->at->len);
	return NULL;
}

static void
see_cancelled(struct trial *t, int fd, char call, struct addr *at)
{
	struct waiter w = { .fd = fd, .call = call, .at = at };
	void *result = NULL;
	int before = world_count_fds(getpid());

	want_eq(pthread_create(&w.thread, NULL, wait_in_call, &w), 0);
	want_soon(w.tid != 0 && own_asleep(w.tid, -1));
	want_eq(pthread_cancel(w.thread), 0);
	want_eq(pthread_join(w.thread, &result), 0);
	see(t, "cancelled", result == PTHREAD_CANCELED);
	see(t, "left open", world_count_fds(getpid()) - before);
}

static void
cancel_connect(struct trial *t)
{
	struct slow s;
	int fd;

	slow_listen(t, &s, t->family);
	fd = own_client(t, t->family, 0);
	see_cancelled(t, fd, 'c', &s.l.at);
	(void)close(fd);
	slow_close(&s);
}

static void
cancel_accept(struct trial *t)
{
	struct addr at;
	struct far f;
	int l = own_listener(t, &at, t->family, 4), fd;

	see_cancelled(t, l, 'a', NULL);
	far_dial(t, &f, &at);
	fd = accept(l, NULL, NULL);
	want(fd >= 0);
	(void)close(fd);
	see_far_rest(t, "the next one", &f);
	far_close(&f);
	(void)close(l);
}

CASE(sk_97_a_cancelled_call_leaves_nothing_behind)
{
	struct far f;
	int fd;
	char byte;

	if (!CANCELLABLE)
		world_skip("this compiler's address sanitizer trips over a cancelled "
		    "thread's own stack");
	if (t->side == OURS_CONNECTS)
		cancel_connect(t);
	else
		cancel_accept(t);
	fd = own_pair(t, &f, NULL);
	see_cancelled(t, fd, 'r', NULL);
	far_write(&f, "x", 1);
	see_call(t, "not lost", read(fd, &byte, 1));
	(void)close(fd);
	far_close(&f);
}

/* --- less rights ------------------------------------------------------------------------------------------ */
struct drop {
	struct trial	*t;
	const char	*root;	/* NULL: keeps it */
};

static void
serve_dropped(int ch, void *arg)
{
	const struct drop *d = arg;
	struct addr at, peer = { .len = sizeof(peer.u) };
	int l = own_listener(d->t, &at, d->t->family, 4), fd;

	if (d->root != NULL)
		want(chroot(d->root) == 0 && chdir("/") == 0);
	want_eq(setgroups(0, NULL), 0);
	want_eq(setresgid(NOBODY, NOBODY, NOBODY), 0);
	want_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
	prog_send(ch, &at, sizeof(at));
	fd = accept(l, NULL, NULL);
	see(d->t, "accepted", fd >= 0);
	see_call(d->t, "getpeername", getpeername(fd, &peer.u.any, &peer.len));
	prog_send(ch, &peer, sizeof(peer));
	addr_of_sock(fd, &peer);
	see(d->t, "its own name", addr_same(&at, &peer));
	see_call(d->t, "write", write(fd, "hello", 5));
	see_call(d->t, "SO_KEEPALIVE", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE,
	    &(int){ 1 }, sizeof(int)));
	prog_await(ch);
	(void)close(fd);
	(void)close(l);
	prog_await(ch);
}

static void
see_dropped(struct trial *t, const char *root)
{
	struct drop d = { t, root };
	struct addr at, own, told;
	struct prog p;
	struct far f;

	if (geteuid() != 0)
		world_skip("needs root");
	prog_start(&p, serve_dropped, &d);
	prog_recv(p.ch, &at, sizeof(at));
	far_dial(t, &f, &at);
	prog_recv(p.ch, &told, sizeof(told));
	addr_of_sock(f.fd, &own);
	prog_tell(p.ch);
	see_far_rest(t, "the peer", &f);
	see(t, "the peer's name", addr_same(&own, &told));
	prog_tell(p.ch);
	prog_end(&p);
	far_close(&f);
}

CASE(sk_98_accept_and_names_work_after_setuid)
{
	see_dropped(t, NULL);
}

CASE(sk_99_accept_and_names_work_after_chroot)
{
	const char *empty = pki_path(world.dir, "empty");

	want(mkdir(empty, 0755) == 0 || errno == EEXIST);
	see_dropped(t, empty);
}

/* --- no children --------------------------------------------------------------------------------------------- */
static atomic_int children;

static void
count_child(int sig)
{
	(void)sig;
	children++;
}

static void
make_and_count(int ch, void *arg)
{
	struct trial *t = arg;
	struct sigaction act = { .sa_handler = count_child };
	struct far f;
	int fd;

	(void)ch;
	want_eq(sigaction(SIGCHLD, &act, NULL), 0);
	fd = own_pair(t, &f, NULL);
	see_call(t, "while open", waitpid(-1, NULL, WNOHANG));
	(void)close(fd);
	far_close(&f);
	see_call(t, "wait", wait(NULL));
	see_call(t, "waitid", waitid(P_ALL, 0, NULL, WEXITED | WSTOPPED));
	see(t, "SIGCHLD", children);
}

static void
make_as_subreaper(int ch, void *arg)
{
	want_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	make_and_count(ch, arg);
}

COLD_CASE(sk_100_the_program_has_no_child_that_it_did_not_make)
{
	struct prog p;

	prog_start(&p, make_and_count, t);
	prog_end(&p);
	prog_start(&p, make_as_subreaper, t);
	prog_end(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_88_a_child_writes_while_its_parent_reads),
		cmocka_unit_test(sk_89_two_processes_write_and_nothing_is_lost),
		cmocka_unit_test(sk_90_duplicates_are_the_same_socket),
		cmocka_unit_test(sk_91_cat_serves_the_peer),
		cmocka_unit_test(
		    sk_92_a_descriptor_that_was_passed_works_in_another_program),
		cmocka_unit_test(sk_93_posix_spawn_and_vfork_hand_the_descriptor_on),
		cmocka_unit_test(sk_94_popen_and_system_neither_leak_nor_disturb),
		cmocka_unit_test(sk_95_eight_threads_on_one_descriptor),
		cmocka_unit_test(sk_96_a_signal_every_millisecond_loses_no_byte),
		cmocka_unit_test(sk_97_a_cancelled_call_leaves_nothing_behind),
		cmocka_unit_test(sk_98_accept_and_names_work_after_setuid),
		cmocka_unit_test(sk_99_accept_and_names_work_after_chroot),
		cmocka_unit_test(sk_100_the_program_has_no_child_that_it_did_not_make),
	};

	world_begin();
	return world_end(tests);
}
