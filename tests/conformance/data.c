/* SPDX-License-Identifier: ISC */
/* data - the calls that move bytes: what each returns, and what it leaves. */
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <linux/sockios.h>
#include <unistd.h>

#include "conformance.h"

#define ALL	(POLLIN | POLLOUT | POLLPRI | POLLRDHUP)
#define A_WHILE	60	/* ms in which nothing may happen */
#define NOWHERE	((void *)16)	/* no memory is there */

/* What the compiler would warn of. */
static const volatile int below_zero = -1;
static const struct iovec *const volatile no_vector = NOWHERE;

/* What the other end has received: these many bytes. */
static void
see_far(struct trial *t, const char *label, struct far *f, size_t len)
{
	char *got = malloc(len + 1);

	want(got != NULL);
	far_read_all(f, got, len);
	see_bytes(t, label, got, len);
	free(got);
}

/* recv(), and what it brought. */
static void
see_recv(struct trial *t, const char *label, int fd, size_t len, int flags)
{
	static char got[40000];
	ssize_t n;

	want(len <= sizeof(got));
	errno = 0;
	n = recv(fd, got, len, flags);
	see_result(t, label, n, errno);
	if (n > 0)
		see_bytes(t, label, got, (size_t)n);
}

/* After far_end(): nothing else comes from either end. */
static void
see_rest(struct trial *t, int fd, struct far *f)
{
	see_recv(t, "the end", fd, 1, 0);
	want_eq(shutdown(fd, SHUT_WR), 0);
	see_far_rest(t, "the other's rest", f);
	(void)close(fd);
	far_close(f);
}

static void
see_ends(struct trial *t, int fd, struct far *f)
{
	far_end(f);
	see_rest(t, fd, f);
}

/* --- vectors ------------------------------------------------------------------------- */
/* `n` pieces of changing length, some empty; their sum. */
static size_t
cut(struct iovec *v, int n, char *bytes)
{
	size_t sum = 0;

	for (int i = 0; i < n; i++) {
		v[i].iov_base = bytes + sum;
		v[i].iov_len = (size_t)(i * 7 % 23);
		sum += v[i].iov_len;
	}
	if (n == 1)
		sum = v[0].iov_len = 5;
	return sum;
}

CASE(sk_48_vectors_of_every_length)
{
	static const int counts[] = { 1, 2, 16, 1000, IOV_MAX };
	static char bytes[23 * IOV_MAX], got[23 * IOV_MAX];
	static struct iovec v[IOV_MAX + 1];
	struct far f;
	int fd = own_pair(t, &f, NULL);

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		size_t len = cut(v, counts[i], bytes);

		fill(bytes, len, (unsigned int)i);
		see_call(t, "writev", writev(fd, v, counts[i]));
		see_far(t, "written", &f, len);
		own_arrives(fd, &f, bytes, len);
		(void)cut(v, counts[i], got);
		memset(got, 0, sizeof(got));
		see_call(t, "readv", readv(fd, v, counts[i]));
		see_bytes(t, "read", got, len);
	}
	see_call(t, "nothing", writev(fd, v, 0));
	see_call(t, "too many", writev(fd, v, IOV_MAX + 1));
	see_call(t, "less than none", writev(fd, v, below_zero));
	see_call(t, "no vector", writev(fd, no_vector, 1));
	see_call(t, "read nothing", readv(fd, v, 0));
	see_call(t, "read too many", readv(fd, v, IOV_MAX + 1));
	see_call(t, "read to no vector", readv(fd, no_vector, 1));
	v[0] = (struct iovec){ NOWHERE, 5 };
	see_call(t, "from nowhere", writev(fd, v, 1));
	own_arrives(fd, &f, "hello", 5);
	see_call(t, "to nowhere", readv(fd, v, 1));
	see_recv(t, "still there", fd, 9, 0);
	see_ends(t, fd, &f);
}

/* --- messages, and nothing at all ------------------------------------------------------ */
CASE(sk_49_empty_messages_and_lengths_of_zero)
{
	struct far f;
	char text[8];
	struct iovec none = { text, 0 };
	struct msghdr empty = { 0 }, hollow = { .msg_iov = &none, .msg_iovlen = 1 };
	int fd = own_pair(t, &f, NULL);

	see_call(t, "sendmsg, no iov", sendmsg(fd, &empty, 0));
	see_call(t, "sendmsg, an empty iov", sendmsg(fd, &hollow, 0));
	see_call(t, "send of nothing", send(fd, text, 0, 0));
	see_call(t, "write of nothing", write(fd, text, 0));
	see_call(t, "recv of nothing, none there", recv(fd, text, 0, MSG_DONTWAIT));
	see_call(t, "read of nothing, none there", read(fd, text, 0));
	see_call(t, "recvmsg of nothing, none there", recvmsg(fd, &empty, MSG_DONTWAIT));
	own_arrives(fd, &f, "hello", 5);
	see_call(t, "recvmsg, no iov", recvmsg(fd, &empty, 0));
	see_call(t, "recvmsg, an empty iov", recvmsg(fd, &hollow, 0));
	see_call(t, "recv of nothing", recv(fd, text, 0, 0));
	see_call(t, "recv of nothing to nowhere", recv(fd, NOWHERE, 0, 0));
	see_call(t, "read of nothing", read(fd, text, 0));
	see_call(t, "recv to nowhere", recv(fd, NOWHERE, 5, 0));
	see_call(t, "send from nowhere", send(fd, NOWHERE, 5, 0));
	see_call(t, "recvmsg of no message", recvmsg(fd, NOWHERE, 0));
	see_call(t, "sendmsg of no message", sendmsg(fd, NOWHERE, 0));
	see_recv(t, "still there", fd, 9, 0);
	ours_write(fd, "world", 5);
	see_far(t, "nothing came before", &f, 5);
	see_ends(t, fd, &f);
}

/* Every field that recvmsg() sets. */
static void
see_recvmsg(struct trial *t, int fd, size_t room, int flags)
{
	char a[4], b[20], name[40], control[64];
	struct iovec v[2] = { { a, 4 }, { b, room > 4 ? room - 4 : 0 } };
	struct msghdr m = { .msg_name = name, .msg_namelen = sizeof(name),
	    .msg_iov = v, .msg_iovlen = room > 4 ? 2 : 1, .msg_control = control,
	    .msg_controllen = sizeof(control), .msg_flags = 0x7e };

	see_call(t, "recvmsg", recvmsg(fd, &m, flags));
	see(t, "name", m.msg_namelen);
	see(t, "control", (long long)m.msg_controllen);
	see(t, "flags", m.msg_flags);
	see_bytes(t, "first piece", a, 4);
}

CASE(sk_49_a_message_has_no_name_and_no_control)
{
	struct far f;
	int fd = own_pair(t, &f, NULL);

	own_arrives(fd, &f, "hello, world", 12);
	see_recvmsg(t, fd, 24, MSG_PEEK);
	see_recvmsg(t, fd, 4, 0);
	see_recvmsg(t, fd, 24, MSG_CMSG_CLOEXEC);
	see_call(t, "no urgent byte", recv(fd, &(char){ 0 }, 1, MSG_OOB));
	see_call(t, "no error queue", recv(fd, &(char){ 0 }, 1, MSG_ERRQUEUE));
	see_ends(t, fd, &f);
}

CASE(sk_49_descriptors_sent_along_are_dropped)
{
	union {
		char		bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr	align;
	} c = { .align = { .cmsg_len = CMSG_LEN(sizeof(int)),
	    .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct far f;
	struct iovec v = { (char[]){ "hello" }, 5 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c,
	    .msg_controllen = sizeof(c) };
	int fd = own_pair(t, &f, NULL), p[2];
	pid_t keeper, relay;

	want_eq(pipe(p), 0);
	memcpy(CMSG_DATA(&c.align), &p[1], sizeof(int));
	/* All are there when the relay looks: it sees one at a time, and takes
	 * more turns than one. */
	if (t->mode != MODE_TCP) {
		want_eq(world_pair(fd, &keeper, &relay), 0);
		want_eq(kill(relay, SIGSTOP), 0);
	}
	for (int i = 0; i < 50; i++)
		see_call(t, "sendmsg", sendmsg(fd, &m, 0));
	if (t->mode != MODE_TCP)
		want_eq(kill(relay, SIGCONT), 0);
	see_far(t, "received", &f, 250);
	ours_write(fd, "world", 5);
	see_far(t, "received", &f, 5);
	(void)close(p[1]);
	/* Nobody keeps the other end of the pipe. */
	see_mask(t, "pipe", (unsigned int)own_await(p[0], POLLIN));
	(void)close(p[0]);
	see_ends(t, fd, &f);
}

/* --- flags of recv ------------------------------------------------------------------------ */
CASE(sk_50_a_peek_repeats_itself_across_records)
{
	static char bytes[20000];
	struct far f;
	int fd = own_pair(t, &f, NULL);

	fill(bytes, sizeof(bytes), 50);
	own_arrives(fd, &f, bytes, 10);
	see_recv(t, "peek", fd, 100, MSG_PEEK);
	own_arrives(fd, &f, bytes + 10, 17000);
	own_arrives(fd, &f, bytes + 17010, 2990);
	for (int i = 0; i < 3; i++) {
		see_recv(t, "peek a part", fd, 15, MSG_PEEK);
		see_recv(t, "peek all", fd, 40000, MSG_PEEK);
		see(t, "left", own_waiting(fd));
	}
	see_recv(t, "read a part", fd, 16390, 0);
	see_recv(t, "peek the rest", fd, 40000, MSG_PEEK | MSG_DONTWAIT);
	see_recv(t, "read the rest", fd, 40000, 0);
	see_recv(t, "peek at nothing", fd, 1, MSG_PEEK | MSG_DONTWAIT);
	far_end(&f);
	see_recv(t, "peek at the end", fd, 1, MSG_PEEK);
	see_rest(t, fd, &f);
}

struct pieces {
	struct far	*f;
	int		 n;
	size_t		 len;
	const char	*bytes;
};

static void *
write_pieces(void *arg)
{
	const struct pieces *p = arg;

	for (int i = 0; i < p->n; i++)
		far_write(p->f, p->bytes + (size_t)i * p->len, p->len);
	return NULL;
}

CASE(sk_51_waitall_waits_across_records)
{
	static char bytes[30000];
	struct far f;
	struct pieces p = { .f = &f, .n = 300, .len = 100, .bytes = bytes };
	struct timeval soon = { .tv_usec = 50000 }, never = { 0 };
	pthread_t thread;
	int fd = own_pair(t, &f, NULL);

	fill(bytes, sizeof(bytes), 51);
	want_eq(pthread_create(&thread, NULL, write_pieces, &p), 0);
	see_recv(t, "all", fd, 30000, MSG_WAITALL);
	want_eq(pthread_join(thread, NULL), 0);

	/* A signal ends the wait with what there is, whether or not it restarts. */
	for (int i = 0; i < 2; i++) {
		own_arrives(fd, &f, "hello", 5);
		own_tick(1, i == 0 ? 0 : SA_RESTART);
		see_recv(t, "signal", fd, 10, MSG_WAITALL);
		own_tick(0, 0);
	}
	own_tick(1, 0);
	see_recv(t, "signal, nothing there", fd, 10, MSG_WAITALL);
	own_tick(0, 0);
	want_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)), 0);
	see_recv(t, "time is over, nothing there", fd, 10, MSG_WAITALL);
	own_arrives(fd, &f, "hello", 5);
	see_recv(t, "time is over", fd, 10, MSG_WAITALL);
	want_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never)), 0);
	own_arrives(fd, &f, "hello", 5);
	see_recv(t, "does not wait", fd, 10, MSG_WAITALL | MSG_DONTWAIT);
	far_write(&f, "last", 4);
	far_end(&f);
	see_recv(t, "the other ends", fd, 10, MSG_WAITALL);
	see_rest(t, fd, &f);
}

CASE(sk_52_dontwait_on_a_blocking_descriptor)
{
	static char block[65536];
	struct far f;
	int fd = own_pair(t, &f, NULL);
	size_t sent = 0;
	ssize_t n;

	see_recv(t, "nothing there", fd, 5, MSG_DONTWAIT);
	own_arrives(fd, &f, "hello", 5);
	see_recv(t, "something", fd, 9, MSG_DONTWAIT);
	see_recv(t, "nothing again", fd, 5, MSG_DONTWAIT);
	see(t, "the descriptor", fcntl(fd, F_GETFL));
	while ((n = send(fd, block, sizeof(block), MSG_DONTWAIT)) > 0)
		sent += (size_t)n;
	see_result(t, "full", n, errno);
	want(sent > 0);
	while (sent > 0) {
		size_t part = sent < sizeof(block) ? sent : sizeof(block);

		far_read_all(&f, block, part);
		sent -= part;
	}
	see_ends(t, fd, &f);
}

/* TCP leaves a buffer that it is given as it was, which nobody can rely on: it is
 * the length that counts. */
CASE(sk_53_trunc_throws_away)
{
	static char bytes[20000];
	struct far f;
	int fd = own_pair(t, &f, NULL);

	fill(bytes, sizeof(bytes), 53);
	see_call(t, "nothing there", recv(fd, NULL, 10, MSG_TRUNC | MSG_DONTWAIT));
	own_arrives(fd, &f, bytes, 100);
	see_call(t, "none of them", recv(fd, NULL, 0, MSG_TRUNC));
	see_call(t, "some", recv(fd, NULL, 10, MSG_TRUNC));
	see_recv(t, "the next", fd, 10, 0);
	see_call(t, "peek", recv(fd, NULL, 30, MSG_TRUNC | MSG_PEEK));
	see_call(t, "peek at all", recv(fd, NULL, 1000, MSG_TRUNC | MSG_PEEK));
	see(t, "left", own_waiting(fd));
	see_call(t, "into a buffer", recv(fd, bytes, 10, MSG_TRUNC));
	see_call(t, "recvfrom", recvfrom(fd, NULL, 10, MSG_TRUNC, NULL, NULL));
	see_call(t, "no buffer and no flag", recv(fd, NULL, 10, 0));
	see_call(t, "more than there is", recv(fd, NULL, 1000, MSG_TRUNC));
	own_arrives(fd, &f, bytes, 17000);
	own_arrives(fd, &f, bytes, 3000);
	see_call(t, "all of many", recv(fd, NULL, 20000, MSG_TRUNC | MSG_WAITALL));
	own_arrives(fd, &f, bytes + 5, 20);
	see_call(t, "is a limit", recv(fd, NULL, 19, MSG_TRUNC));
	see_recv(t, "the last", fd, 10, 0);
	far_end(&f);
	see_call(t, "at the end", recv(fd, NULL, 10, MSG_TRUNC));
	see_rest(t, fd, &f);
}

/* Waits for more than one look of it brings. */
CASE(sk_53_trunc_waits_for_all)
{
	static char bytes[20000];
	struct far f;
	struct pieces p = { .f = &f, .n = 100, .len = 200, .bytes = bytes };
	pthread_t thread;
	int fd = own_pair(t, &f, NULL);

	own_arrives(fd, &f, bytes, 20000);
	want_eq(pthread_create(&thread, NULL, write_pieces, &p), 0);
	see_call(t, "all", recv(fd, NULL, 40000, MSG_TRUNC | MSG_WAITALL));
	want_eq(pthread_join(thread, NULL), 0);
	see_ends(t, fd, &f);
}

CASE(sk_54_fionread_counts_what_can_be_read)
{
	static char bytes[20000];
	struct far f;
	int fd = own_pair(t, &f, NULL), n = -1;

	/* A server of TLS 1.3 has sent two tickets. */
	see_mask(t, "idle", (unsigned int)ours_poll(fd, ALL, A_WHILE));
	see(t, "nothing", own_waiting(fd));
	own_arrives(fd, &f, bytes, 1000);
	see(t, "a thousand", own_waiting(fd));
	see_recv(t, "three hundred", fd, 300, 0);
	see(t, "less", own_waiting(fd));
	own_arrives(fd, &f, bytes, 20000);
	see(t, "more", own_waiting(fd));
	see_call(t, "SIOCATMARK", ioctl(fd, SIOCATMARK, &n));
	see(t, "no mark", n);
	see_call(t, "FIONREAD to nowhere", ioctl(fd, FIONREAD, NOWHERE));
	see_recv(t, "all", fd, 40000, 0);
	see(t, "nothing again", own_waiting(fd));
	ours_write(fd, "hello", 5);
	see_far(t, "received", &f, 5);
	own_arrives(fd, &f, "world", 5);	/* and acknowledges */
	see_call(t, "SIOCOUTQ", ioctl(fd, SIOCOUTQ, &n));
	see(t, "nothing is under way", n == 0);
	see_recv(t, "answer", fd, 9, 0);
	see_ends(t, fd, &f);
}

/* --- stdio --------------------------------------------------------------------------------- */
CASE(sk_59_stdio_reads_and_writes)
{
	struct far f;
	char line[100], text[20];
	int fd = own_pair(t, &f, NULL);
	FILE *in = fdopen(dup(fd), "r"), *out = fdopen(fd, "w");

	want(in != NULL && out != NULL);
	far_write(&f, "first\nsec", 9);
	want(fgets(line, sizeof(line), in) != NULL);
	see_text(t, "fgets", "%s", line);
	far_write(&f, "ond\n42 words\nand ten more.", 26);
	want(fgets(line, sizeof(line), in) != NULL);
	see_text(t, "fgets again", "%s", line);
	see(t, "fscanf", fscanf(in, "%d %19s\n", &fd, text));
	see_text(t, "scanned", "%d %s", fd, text);
	see(t, "getc", getc(in));
	see(t, "ungetc", ungetc('x', in));
	see(t, "fread", (long long)fread(line, 1, 13, in));
	see_bytes(t, "thirteen bytes", line, 13);
	see_call(t, "fprintf", fprintf(out, "answer %d\n", 7));
	see_call(t, "fputs", fputs("more\n", out));
	see_call(t, "fflush", fflush(out));
	see_far(t, "heard", &f, 14);
	see_call(t, "fseek", fseek(out, 0, SEEK_SET));
	see(t, "setvbuf", setvbuf(out, NULL, _IONBF, 0));
	see_call(t, "fputc", fputc('!', out));
	see_far(t, "at once", &f, 1);
	far_end(&f);
	see(t, "fgetc at the end", fgetc(in));
	see(t, "feof", feof(in) != 0);
	see(t, "ferror", ferror(in));
	see_call(t, "fclose", fclose(in));
	see_call(t, "fputs, unflushed", fputs("bye", out));
	see_call(t, "fclose", fclose(out));
	see_far_rest(t, "rest", &f);
	far_close(&f);
}

CASE(sk_60_dprintf_and_getline)
{
	struct far f;
	char *line = NULL;
	size_t size = 0;
	int fd = own_pair(t, &f, NULL);
	FILE *both = fdopen(fd, "r+");

	want(both != NULL);
	see_call(t, "dprintf", dprintf(fd, "%s %d\n", "number", 60));
	see_call(t, "dprintf of nothing", dprintf(fd, "%s", ""));
	see_call(t, "dprintf of much", dprintf(fd, "%20000d", 1));
	see_far(t, "heard", &f, 20010);
	far_write(&f, "one\ntwo:three\nfour", 18);
	see_call(t, "getline", getline(&line, &size, both));
	see_text(t, "line", "%s", line);
	see_call(t, "getdelim", getdelim(&line, &size, ':', both));
	see_text(t, "field", "%s", line);
	see_call(t, "getline", getline(&line, &size, both));
	far_end(&f);
	see_call(t, "getline, cut by the end", getline(&line, &size, both));
	see_text(t, "last", "%s", line);
	see_call(t, "getline at the end", getline(&line, &size, both));
	free(line);
	see_call(t, "fclose", fclose(both));
	see_far_rest(t, "rest", &f);
	far_close(&f);
}

/* --- when bytes leave ------------------------------------------------------------------------ */
static void
see_flag(struct trial *t, const char *label, int fd, int option, int value)
{
	see_call(t, label, setsockopt(fd, IPPROTO_TCP, option, &value, sizeof(value)));
	see(t, label, ours_get_int(fd, IPPROTO_TCP, option));
}

/* Two writes and one answer, again and again: with Nagle's wait for what is not
 * acknowledged each takes 40 ms and more. */
static long long
rounds(int fd, struct far *f, int n)
{
	long long start = world_now_ms();
	char c;

	for (int i = 0; i < n; i++) {
		ours_write(fd, "a", 1);
		far_read_all(f, &c, 1);
		ours_write(fd, "b", 1);
		far_read_all(f, &c, 1);
		far_write(f, "c", 1);
		ours_read(fd, &c, 1);
	}
	return world_now_ms() - start;
}

CASE(sk_61_corks_are_accepted_and_delay_is_bounded)
{
	struct far f;
	int fd = own_pair(t, &f, NULL);

	see(t, "TCP_NODELAY at first", ours_get_int(fd, IPPROTO_TCP, TCP_NODELAY));
	see_flag(t, "TCP_CORK", fd, TCP_CORK, 1);
	see_call(t, "corked", send(fd, "one ", 4, 0));
	see_call(t, "corked", send(fd, "two ", 4, 0));
	see_flag(t, "uncork", fd, TCP_CORK, 0);
	see_far(t, "both", &f, 8);
	see_call(t, "more", send(fd, "three ", 6, MSG_MORE));
	see_call(t, "no more", send(fd, "four", 4, 0));
	see_far(t, "together", &f, 10);
	/* The rest that was promised does not come. */
	see_call(t, "more", send(fd, "five", 4, MSG_MORE));
	see_far(t, "alone", &f, 4);
	see_flag(t, "TCP_NODELAY", fd, TCP_NODELAY, 1);
	/* One of many: this machine may be busy. */
	want_soon(rounds(fd, &f, 10) < 200 * WORLD_SLOW);
	see_text(t, "two writes and an answer", "in time");
	see_flag(t, "TCP_NODELAY off", fd, TCP_NODELAY, 0);
	see_ends(t, fd, &f);
}

/* --- addresses --------------------------------------------------------------------------------- */
static void
see_recvfrom(struct trial *t, int fd, socklen_t room)
{
	char name[120];
	socklen_t len = room;

	memset(name, 0x7e, sizeof(name));
	see_call(t, "recvfrom", recvfrom(fd, &(char){ 0 }, 1, 0,
	    (struct sockaddr *)(void *)name, &len));
	see(t, "length", len);
}

CASE(sk_62_an_address_of_a_connected_socket_is_ignored)
{
	static const socklen_t rooms[] = { 0, 1, 2, 3, 16, 28, 110, 120 };
	struct addr other;
	struct far f;
	struct sockaddr_un odd = { .sun_family = AF_UNIX, .sun_path = "/nowhere" };
	struct iovec v = { (char[]){ "hello" }, 5 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	int fd = own_pair(t, &f, NULL);

	addr_loop(&other, t->family, 9);
	see_call(t, "sendto", sendto(fd, "hello", 5, 0, &other.u.any, other.len));
	see_call(t, "another family", sendto(fd, "hello", 5, 0, (void *)&odd,
	    sizeof(odd)));
	see_call(t, "no address", sendto(fd, "hello", 5, 0, NULL, 10));
	see_call(t, "an empty one", sendto(fd, "hello", 5, 0, &other.u.any, 0));
	see_call(t, "too long", sendto(fd, "hello", 5, 0, &other.u.any, 1000));
	see_call(t, "nowhere", sendto(fd, "hello", 5, 0, NOWHERE, 16));
	m.msg_name = &other.u;
	m.msg_namelen = other.len;
	see_call(t, "sendmsg", sendmsg(fd, &m, 0));
	see_call(t, "MSG_CONFIRM", send(fd, "hello", 5, MSG_CONFIRM | MSG_DONTROUTE));
	see_far(t, "received", &f, 30);
	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		own_arrives(fd, &f, "x", 1);
		see_recvfrom(t, fd, rooms[i]);
	}
	own_arrives(fd, &f, "y", 1);
	see_call(t, "no room for the length", recvfrom(fd, &(char){ 0 }, 1, 0,
	    &other.u.any, NULL));
	want_eq(shutdown(fd, SHUT_WR), 0);
	see_call(t, "after the end", sendto(fd, "hello", 5, MSG_NOSIGNAL, &other.u.any,
	    other.len));
	see_far_rest(t, "the other's rest", &f);
	far_close(&f);
	(void)close(fd);
}

/* --- many messages ------------------------------------------------------------------------------- */
CASE(sk_63_many_messages_in_one_call)
{
	char bytes[30], got[3][10];
	struct iovec v[3];
	struct mmsghdr m[3];
	struct timespec soon = { .tv_nsec = 1000000 };
	struct far f;
	int fd = own_pair(t, &f, NULL);

	memset(m, 0, sizeof(m));
	memset(got, 0, sizeof(got));
	fill(bytes, sizeof(bytes), 63);
	for (int i = 0; i < 3; i++) {
		v[i] = (struct iovec){ bytes + i * 10, 10 };
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = 1 };
	}
	see_call(t, "sendmmsg", sendmmsg(fd, m, 3, 0));
	for (int i = 0; i < 3; i++)
		see(t, "sent", m[i].msg_len);
	see_call(t, "sendmmsg of none", sendmmsg(fd, m, 0, 0));
	see_far(t, "received", &f, 30);
	for (int i = 0; i < 3; i++)
		v[i].iov_base = got[i];
	see_call(t, "nothing there", recvmmsg(fd, m, 3, MSG_DONTWAIT, NULL));
	own_arrives(fd, &f, bytes, 25);
	see_call(t, "recvmmsg", recvmmsg(fd, m, 3, MSG_WAITFORONE, NULL));
	for (int i = 0; i < 3; i++)
		see(t, "got", m[i].msg_len);
	see_bytes(t, "bytes", got, sizeof(got));
	own_arrives(fd, &f, bytes, 10);
	see_call(t, "with a time", recvmmsg(fd, m, 1, 0, &soon));
	own_arrives(fd, &f, bytes, 15);
	see_call(t, "does not wait", recvmmsg(fd, m, 3, MSG_DONTWAIT, NULL));
	see(t, "the last one", m[1].msg_len);
	see_ends(t, fd, &f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_48_vectors_of_every_length),
		cmocka_unit_test(sk_49_empty_messages_and_lengths_of_zero),
		cmocka_unit_test(sk_49_a_message_has_no_name_and_no_control),
		cmocka_unit_test(sk_49_descriptors_sent_along_are_dropped),
		cmocka_unit_test(sk_50_a_peek_repeats_itself_across_records),
		cmocka_unit_test(sk_51_waitall_waits_across_records),
		cmocka_unit_test(sk_52_dontwait_on_a_blocking_descriptor),
		cmocka_unit_test(sk_53_trunc_throws_away),
		cmocka_unit_test(sk_53_trunc_waits_for_all),
		cmocka_unit_test(sk_54_fionread_counts_what_can_be_read),
		cmocka_unit_test(sk_59_stdio_reads_and_writes),
		cmocka_unit_test(sk_60_dprintf_and_getline),
		cmocka_unit_test(sk_61_corks_are_accepted_and_delay_is_bounded),
		cmocka_unit_test(sk_62_an_address_of_a_connected_socket_is_ignored),
		cmocka_unit_test(sk_63_many_messages_in_one_call),
	};

	world_begin();
	return world_end(tests);
}
