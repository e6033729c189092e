/* SPDX-License-Identifier: ISC */
/* calls - other ways to the same calls: checked entry points, and io_uring. */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance.h"

/* --- fortified -------------------------------------------------------------------------- */
/* The names that a program of libc's checked entry points has. */
static void
want_checked(const char *program)
{
	static const char *const names[] = { "__read_chk", "__recv_chk",
	    "__recvfrom_chk", "__poll_chk", "__ppoll_chk" };
	static char bytes[4 << 20];
	int fd = open(program, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	want(fd >= 0);
	n = read(fd, bytes, sizeof(bytes));
	want(n > 0 && n < (ssize_t)sizeof(bytes));
	(void)close(fd);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (memmem(bytes, (size_t)n, names[i], strlen(names[i])) == NULL)
			world_fail(__FILE__, __LINE__, "it does not call %s", names[i]);
}

CASE(sk_64_a_fortified_program)
{
	const char *program = getenv("CONFORMANCE_FORTIFIED");
	char line[200], numbers[2][12];
	struct far f;
	int fd = own_pair(t, &f, NULL), fresh = own_socket(t, t->family, 0), out[2];
	int status;
	FILE *lines;
	pid_t child;

	want(program != NULL);
	want_checked(program);
	far_write(&f, "0123456789and a line\n", 21);
	far_end(&f);
	want_eq(pipe2(out, O_CLOEXEC), 0);
	(void)snprintf(numbers[0], sizeof(numbers[0]), "%d", fd);
	(void)snprintf(numbers[1], sizeof(numbers[1]), "%d", fresh);
	child = fork();
	if (child == 0) {
		(void)dup2(out[1], 1);
		(void)fcntl(fd, F_SETFD, 0);
		(void)fcntl(fresh, F_SETFD, 0);
		(void)execl(program, program, numbers[0], numbers[1], (char *)NULL);
		_exit(127);
	}
	(void)close(out[1]);
	(void)close(fd);
	lines = fdopen(out[0], "r");
	want(lines != NULL);
	while (fgets(line, sizeof(line), lines) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		see_text(t, "it says", "%s", line);
	}
	(void)fclose(lines);
	want_eq(waitpid(child, &status, 0), child);
	see(t, "its status", status);
	see_far_rest(t, "heard", &f);
	far_close(&f);
	(void)close(fresh);
}

/* --- io_uring ----------------------------------------------------------------------------- */
/* One request at a time. */
struct ring {
	int			 fd;
	unsigned char		*sq, *cq;
	struct io_uring_sqe	*sqes;
	struct io_uring_params	 p;
};

static void *
map(const struct ring *r, size_t len, off_t what)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
	    r->fd, what);

	want(at != MAP_FAILED);
	return at;
}

/* 0, or -1 with errno: this kernel or its sandbox has none. */
static int
ring_open(struct ring *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = (int)syscall(SYS_io_uring_setup, 4, &r->p);
	if (r->fd < 0)
		return -1;
	r->sq = map(r, r->p.sq_off.array + r->p.sq_entries * sizeof(unsigned int),
	    IORING_OFF_SQ_RING);
	r->cq = map(r, r->p.cq_off.cqes + r->p.cq_entries * sizeof(struct io_uring_cqe),
	    IORING_OFF_CQ_RING);
	r->sqes = map(r, r->p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	return 0;
}

static unsigned int *
word(unsigned char *ring, unsigned int offset)
{
	return (unsigned int *)(void *)(ring + offset);
}

/* Submits it, to be awaited by ring_wait(). */
static void
ring_submit(struct ring *r, const struct io_uring_sqe *what)
{
	unsigned int *tail = word(r->sq, r->p.sq_off.tail);
	unsigned int at = *tail & *word(r->sq, r->p.sq_off.ring_mask);

	r->sqes[at] = *what;
	word(r->sq, r->p.sq_off.array)[at] = at;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	want_eq(syscall(SYS_io_uring_enter, r->fd, 1, 0, 0, NULL, 0), 1);
}

static int
ring_wait(struct ring *r)
{
	unsigned int *head = word(r->cq, r->p.cq_off.head);
	const struct io_uring_cqe *cqes = (void *)(r->cq + r->p.cq_off.cqes);
	int result;

	while (__atomic_load_n(word(r->cq, r->p.cq_off.tail), __ATOMIC_ACQUIRE) == *head)
		want(syscall(SYS_io_uring_enter, r->fd, 0, 1, IORING_ENTER_GETEVENTS,
		    NULL, 0) >= 0);
	result = cqes[*head & *word(r->cq, r->p.cq_off.ring_mask)].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return result;
}

static struct io_uring_sqe
request(int op, int fd, void *bytes, unsigned int len)
{
	struct io_uring_sqe s;

	memset(&s, 0, sizeof(s));
	s.opcode = (uint8_t)op;
	s.fd = fd;
	s.addr = (uintptr_t)bytes;
	s.len = len;
	return s;
}

static void
see_done(struct trial *t, const char *label, struct ring *r)
{
	int n = ring_wait(r);

	see_result(t, label, n, n < 0 ? -n : 0);
}

CASE(sk_65_io_uring_reads_and_writes)
{
	struct io_uring_sqe s;
	struct ring r;
	struct far f;
	char text[20] = "";
	int fd = own_pair(t, &f, NULL);

	errno = 0;
	see_result(t, "io_uring_setup", ring_open(&r), errno);
	if (r.fd < 0)
		goto out;
	s = request(IORING_OP_WRITE, fd, (char[]){ "hello" }, 5);
	ring_submit(&r, &s);
	see_done(t, "write", &r);
	s = request(IORING_OP_SEND, fd, (char[]){ "world" }, 5);
	s.msg_flags = MSG_NOSIGNAL;
	ring_submit(&r, &s);
	see_done(t, "send", &r);
	far_read_all(&f, text, 10);
	see_bytes(t, "heard", text, 10);
	/* Each waits before there is something. */
	s = request(IORING_OP_POLL_ADD, fd, NULL, 0);
	s.poll32_events = POLLIN;
	ring_submit(&r, &s);
	far_write(&f, "0123456789", 10);
	see_mask(t, "poll", (unsigned int)ring_wait(&r));
	s = request(IORING_OP_READ, fd, text, 10);
	ring_submit(&r, &s);
	see_done(t, "read", &r);
	see_bytes(t, "answer", text, 10);
	s = request(IORING_OP_RECV, fd, text, 20);
	ring_submit(&r, &s);
	far_write(&f, "more", 4);
	see_done(t, "recv", &r);
	s = request(IORING_OP_READ, fd, text, 20);
	ring_submit(&r, &s);
	far_end(&f);
	see_done(t, "read at the end", &r);
	s = request(IORING_OP_SHUTDOWN, fd, NULL, SHUT_WR);
	ring_submit(&r, &s);
	see_done(t, "shutdown", &r);
	s = request(IORING_OP_SEND, fd, text, 1);
	s.msg_flags = MSG_NOSIGNAL;
	ring_submit(&r, &s);
	see_done(t, "send after it", &r);
	see_far_rest(t, "rest", &f);
	s = request(IORING_OP_CLOSE, fd, NULL, 0);
	ring_submit(&r, &s);
	see_done(t, "close", &r);
	(void)close(r.fd);
	fd = -1;
out:
	if (fd >= 0)
		(void)close(fd);
	far_close(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_64_a_fortified_program),
		cmocka_unit_test(sk_65_io_uring_reads_and_writes),
	};

	world_begin();
	return world_end(tests);
}
