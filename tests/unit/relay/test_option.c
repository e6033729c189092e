/* SPDX-License-Identifier: ISC */
/* Calls of the shim, as the relay answers them: NEW, options, LEND, listen. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>

#include "relay/control.h"
#include "relay/core.h"
#include "relay/door.h"
#include "relay/settings.h"
#include "relay/supply.h"
#include "support/pki.h"

static struct {
	struct sst_relay *relay;
	int		  channel[2], files[2];
	struct pki_cert	 *ca, *a, *b;
	struct sst_wire_head answer;
	char		  data[70000];
	long		  len;
	int		  fd;
	uint64_t	  serial;
	uint32_t	  id;
} w;

static int
world_make(void **state)
{
	struct sst_relay *r = calloc(1, sizeof(*r));

	(void)state;
	w.relay = r;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, w.channel), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, w.files), 0);
	memcpy(r->door, "0123456789abcdef", 16);
	memset(r->secret, 7, sizeof(r->secret));
	r->channel = w.channel[0];
	r->door_fd = r->signals = -1;
	r->idle_told = -1;
	r->next_id = 1;
	sst_log_init(&r->log);
	assert_int_equal(sst_files_init(&r->files, w.files[0]), 0);
	assert_int_equal(pthread_mutex_init(&r->lock, NULL), 0);
	assert_int_equal(sst_loop_init(&r->loop), 0);
	assert_int_equal(sst_loader_start(&r->loader, &r->loop), 0);
	w.ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	w.a = pki_issue(w.ca, &(struct pki_spec){ .san = "a.example" });
	w.b = pki_issue(w.ca, &(struct pki_spec){ .san = "b.example" });
	return 0;
}

static int
world_free(void **state)
{
	(void)state;
	sst_loader_stop(&w.relay->loader);
	for (size_t i = 0; i < SST_TABLE_BUCKETS; i++)
		while (w.relay->table.buckets[i] != NULL)
			sst_record_free(w.relay->table.buckets[i]);
	sst_door_close(w.relay);
	sst_rules_unref(w.relay->rulebook.rules);
	sst_loop_done(&w.relay->loop);
	sst_files_done(&w.relay->files);
	sst_log_done(&w.relay->log);
	free(w.relay);
	for (int i = 0; i < 2; i++) {
		(void)close(w.channel[i]);
		(void)close(w.files[i]);
	}
	pki_free(w.a);
	pki_free(w.b);
	pki_free(w.ca);
	return 0;
}

/* One call and its answer: 0, or the errno. */
static int
ask(void (*how)(struct sst_call *), struct sst_wire_head *head, const void *data,
    size_t len, int app, int file)
{
	const int fds[SST_CALL_FDS] = { dup(app), file < 0 ? -1 : dup(file) };
	struct sst_call *call;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	call = sst_call_new(w.relay, sv[1], head, data, len, fds);
	assert_non_null(call);
	how(call);
	for (int i = 0; i < 500; i++) {
		w.len = recv(sv[0], w.data, 1, MSG_PEEK | MSG_DONTWAIT);
		if (w.len > 0)
			break;
		sst_loop_turn(&w.relay->loop, 10);
	}
	w.len = sst_wire_recv(sv[0], &w.answer, w.data, sizeof(w.data), &w.fd, 1);
	assert_true(w.len >= 0);
	(void)close(sv[0]);
	return w.answer.a < 0 ? w.answer.b : 0;
}

static int
verb(uint16_t v, int a, int b, int c, const void *data, size_t len, int app)
{
	struct sst_wire_head head;

	sst_wire_init(&head, v);
	head.a = a;
	head.b = b;
	head.c = c;
	memcpy(head.secret, w.relay->secret, sizeof(head.secret));
	return ask(sst_control, &head, data, len, app, -1);
}

static int
unannounced(int family)
{
	struct sst_sockname name = { .kind = SST_SOCKNAME_MADE, .family = family };
	struct sockaddr_un addr;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(name.door, w.relay->door, 16);
	name.serial = (uint64_t)getpid() << 32 | ++w.serial;
	assert_int_equal(bind(fd, (struct sockaddr *)&addr,
	    sst_sockname_encode(&name, &addr)), 0);
	return fd;
}

static int
fresh(void)
{
	int fd = unannounced(AF_INET);

	assert_int_equal(verb(SST_WIRE_NEW, AF_INET, 0, 0, NULL, 0, fd), 0);
	return fd;
}

static int
set(int fd, int option, const void *value, size_t len)
{
	return verb(SST_WIRE_SET, IPPROTO_TLS, option, 0, value, len, fd);
}

static int
set_int(int fd, int option, int v)
{
	return set(fd, option, &v, sizeof(v));
}

static int
get(int fd, int option, int room)
{
	return verb(SST_WIRE_GET, IPPROTO_TLS, option, room, NULL, 0, fd);
}

static int
got_int(int fd, int option)
{
	int v = -1;

	assert_int_equal(get(fd, option, sizeof(v)), 0);
	assert_int_equal(w.len, sizeof(v));
	memcpy(&v, w.data, sizeof(v));
	return v;
}

/* Certificates as bytes, as the keeper forwards them. */
static int
supply(int fd, int option, const struct pki_buf *bytes)
{
	struct sst_wire_head head;
	int file = memfd_create("test", MFD_CLOEXEC), rc;

	assert_int_equal(write(file, bytes->data, bytes->len), bytes->len);
	sst_wire_init(&head, SST_CHAN_FILE);
	head.id = ++w.id;
	head.a = IPPROTO_TLS;
	head.b = option;
	rc = ask(sst_supply_file, &head, "\0bytes", 7, fd, file);
	(void)close(file);
	return rc;
}

/* What the relay said last about a source, 0: nothing. One that is kept was taken first. */
static int
told_keeper(uint32_t id)
{
	struct sst_wire_head head;
	int verdict = 0, taken = 0;
	char c;

	while (recv(w.channel[1], &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
		assert_true(sst_wire_recv(w.channel[1], &head, w.data, sizeof(w.data),
		    NULL, 0) >= 0);
		if (head.id != id)
			continue;
		taken += head.verb == SST_CHAN_TAKE;
		if (head.verb == SST_CHAN_KEEP || head.verb == SST_CHAN_DROP)
			verdict = head.verb;
	}
	assert_true(taken || verdict != SST_CHAN_KEEP);
	return verdict;
}

static void
a_new_socket_needs_the_secret_and_our_name(void **state)
{
	int fd = unannounced(AF_INET), other = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	w.relay->secret[15] ^= 1;
	uint8_t right = w.relay->secret[15];
	struct sst_wire_head head;
	sst_wire_init(&head, SST_WIRE_NEW);
	head.a = AF_INET;
	memcpy(head.secret, w.relay->secret, sizeof(head.secret));
	head.secret[15] ^= 1;
	assert_int_equal(ask(sst_control, &head, NULL, 0, fd, -1), EACCES);
	assert_int_equal(verb(SST_WIRE_NEW, AF_INET6, 0, 0, NULL, 0, fd), EINVAL);
	assert_int_equal(verb(SST_WIRE_NEW, AF_INET, 0, 0, NULL, 0, other), EINVAL);
	assert_int_equal(verb(SST_WIRE_NEW, AF_INET, 0, 0, NULL, 0, fd), 0);
	assert_int_equal(verb(SST_WIRE_NEW, AF_INET, 0, 0, NULL, 0, fd), EINVAL);
	assert_int_equal(w.relay->secret[15], right);
	(void)close(fd);
	(void)close(other);
}

static void
a_descriptor_that_is_not_known_gets_nothing(void **state)
{
	int fd = fresh(), stranger = unannounced(AF_INET);

	(void)state;
	assert_int_equal(verb(SST_WIRE_SOCKNAME, 0, 0, 0, NULL, 0, fd), 0);
	assert_int_equal(w.len, sizeof(struct sockaddr_in));
	assert_int_equal(verb(SST_WIRE_SOCKNAME, 0, 0, 0, NULL, 0, stranger), ENOTCONN);
	assert_int_equal(verb(SST_WIRE_PEERNAME, 0, 0, 0, NULL, 0, fd), ENOTCONN);
	assert_int_equal(verb(SST_WIRE_LEND, 0, 0, 0, NULL, 0, fd), 0);
	assert_true(w.fd >= 0);
	(void)close(w.fd);
	assert_int_equal(verb(999, 0, 0, 0, NULL, 0, fd), ENOSYS);
	(void)close(fd);
	(void)close(stranger);
}

static void
versions_are_taken_in_both_forms_and_never_cross(void **state)
{
	int fd = fresh();

	(void)state;
	assert_int_equal(got_int(fd, TLS_VERSION_MIN), TLS_1_2);
	assert_int_equal(got_int(fd, TLS_VERSION_MAX), TLS_1_3);
	assert_int_equal(set_int(fd, TLS_VERSION_MIN, 1), EINVAL);
	assert_int_equal(set_int(fd, TLS_VERSION_MIN, TLS_1_1), EINVAL);
	assert_int_equal(set_int(fd, TLS_VERSION_MIN, 4), EINVAL);
	assert_int_equal(set(fd, TLS_VERSION_MIN, "x", 1), EINVAL);
	assert_int_equal(set_int(fd, TLS_VERSION_MAX, 2), 0);
	assert_int_equal(got_int(fd, TLS_VERSION_MAX), TLS_1_2);
	assert_int_equal(set_int(fd, TLS_VERSION_MIN, TLS_1_3), EINVAL);
	assert_int_equal(got_int(fd, TLS_VERSION_MIN), TLS_1_2);
	assert_int_equal(set_int(fd, TLS_VERSION_MAX, TLS_1_3), 0);
	assert_int_equal(set_int(fd, TLS_VERSION_MIN, 3), 0);
	assert_int_equal(got_int(fd, TLS_VERSION_MIN), TLS_1_3);
	(void)close(fd);
}

static void
texts_are_checked_and_cut_to_the_callers_room(void **state)
{
	int fd = fresh();

	(void)state;
	assert_int_equal(get(fd, TLS_HOSTNAME, 100), EINVAL);
	assert_int_equal(set(fd, TLS_REMOTE_HOSTNAME, "Host.Example\0\0", 14), 0);
	assert_int_equal(get(fd, TLS_REMOTE_HOSTNAME, 100), 0);
	assert_int_equal(w.len, 13);
	assert_string_equal(w.data, "host.example");
	assert_int_equal(get(fd, TLS_REMOTE_HOSTNAME, 5), 0);
	assert_int_equal(w.len, 5);
	assert_string_equal(w.data, "host");
	assert_int_equal(get(fd, TLS_REMOTE_HOSTNAME, 0), 0);
	assert_int_equal(w.len, 0);
	assert_int_equal(set(fd, TLS_REMOTE_HOSTNAME, "*.example", 9), EINVAL);
	assert_int_equal(set(fd, TLS_REMOTE_HOSTNAME, "a b", 3), EINVAL);
	assert_int_equal(set(fd, TLS_ALPN, "h2,http/1.1", 11), 0);
	assert_int_equal(set(fd, TLS_ALPN, "h2,,x", 5), EINVAL);
	assert_int_equal(get(fd, TLS_ALPN, 100), 0);
	assert_string_equal(w.data, "h2,http/1.1");
	assert_int_equal(set(fd, TLS_SNI_POLICY, "strict,default=A.Example", 24), 0);
	assert_int_equal(set(fd, TLS_SNI_POLICY, "loose", 5), EINVAL);
	assert_int_equal(get(fd, TLS_SNI_POLICY, 100), 0);
	assert_string_equal(w.data, "strict,default=a.example");
	assert_int_equal(get(fd, TLS_ERROR, 300), 0);
	assert_non_null(strstr(w.data, "TLS_SNI_POLICY takes"));
	(void)close(fd);
}

static void
what_is_not_there_or_not_writable_is_enoprotoopt(void **state)
{
	int fd = fresh();

	(void)state;
	assert_int_equal(set_int(fd, 1234, 1), ENOPROTOOPT);
	assert_int_equal(get(fd, 1234, 4), ENOPROTOOPT);
	assert_int_equal(get(fd, TLS_PRIVATE_KEY, 4096), ENOPROTOOPT);
	assert_int_equal(set_int(fd, TLS_VERSION_CONN, 3), ENOPROTOOPT);
	assert_int_equal(get(fd, TLS_VERSION_CONN, 4), ENOTCONN);
	assert_int_equal(get(fd, TLS_ID, 8), ENOTCONN);
	assert_int_equal(get(fd, TLS_ERROR, 100), ENODATA);
	assert_int_equal(set_int(fd, TLS_HANDSHAKE_TIMEOUT, -1), EINVAL);
	assert_int_equal(set_int(fd, TLS_HANDSHAKE_TIMEOUT, 1500), 0);
	assert_int_equal(got_int(fd, TLS_HANDSHAKE_TIMEOUT), 1500);
	assert_int_equal(set_int(fd, TLS_KEY_PERMISSIONS, 2), EINVAL);
	(void)close(fd);
}

static void
other_levels_are_the_tcp_sockets(void **state)
{
	const struct linger l = { 1, 30 };
	int fd = fresh(), on = 1, v = 0;

	(void)state;
	assert_int_equal(verb(SST_WIRE_SET, SOL_SOCKET, SO_KEEPALIVE, 0, &on,
	    sizeof(on), fd), 0);
	assert_int_equal(verb(SST_WIRE_GET, SOL_SOCKET, SO_KEEPALIVE, 4, NULL, 0, fd), 0);
	memcpy(&v, w.data, sizeof(v));
	assert_int_equal(v, 1);
	/* TCP's default is what is told, whatever the relay does. */
	assert_int_equal(verb(SST_WIRE_GET, IPPROTO_TCP, TCP_NODELAY, 4, NULL, 0, fd), 0);
	memcpy(&v, w.data, sizeof(v));
	assert_int_equal(v, 0);
	assert_int_equal(verb(SST_WIRE_SET, SOL_SOCKET, SO_LINGER, 0, &l, sizeof(l), fd), 0);
	assert_int_equal(verb(SST_WIRE_GET, SOL_SOCKET, SO_LINGER, 8, NULL, 0, fd), 0);
	assert_memory_equal(w.data, &l, sizeof(l));
	assert_int_equal(verb(SST_WIRE_SET, IPPROTO_TCP, TCP_ULP, 0, "tls", 4, fd),
	    ENOENT);
	assert_int_equal(verb(SST_WIRE_GET, SOL_SOCKET, SO_GET_FILTER, 256, NULL, 0, fd),
	    0);
	assert_int_equal(w.len, 0);
	assert_int_equal(verb(SST_WIRE_GET, SOL_SOCKET, SO_ZEROCOPY, 4, NULL, 0, fd), 0);
	assert_int_equal(verb(SST_WIRE_GET, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, 64, NULL,
	    0, fd), EINVAL);
	assert_int_equal(verb(SST_WIRE_SET, SOL_SOCKET, SO_ATTACH_FILTER, 0, w.data, 16,
	    fd), EOPNOTSUPP);
	assert_int_equal(verb(SST_WIRE_SET, SOL_SOCKET, 9999, 0, &on, 4, fd), ENOPROTOOPT);
	(void)close(fd);
}

static void
listening_needs_a_chain_with_its_key(void **state)
{
	struct pki_buf chain = { 0 }, key = { 0 }, other = { 0 };
	int fd = fresh();

	(void)state;
	pki_put_chain(&chain, w.a);
	pki_put_key(&key, w.a);
	pki_put_key(&other, w.b);
	assert_int_equal(verb(SST_WIRE_LISTEN, 8, 0, 0, NULL, 0, fd), EINVAL);
	assert_non_null(strstr(w.data, "TLS_CERTIFICATE_CHAIN"));
	assert_int_equal(supply(fd, TLS_CERTIFICATE_CHAIN, &chain), 0);
	assert_int_equal(told_keeper(w.id), SST_CHAN_KEEP);
	assert_int_equal(verb(SST_WIRE_LISTEN, 8, 0, 0, NULL, 0, fd), EINVAL);
	assert_non_null(strstr(w.data, "private key"));
	assert_int_equal(supply(fd, TLS_PRIVATE_KEY, &other), EPROTO);
	assert_int_equal(told_keeper(w.id), SST_CHAN_DROP);
	assert_int_equal(supply(fd, TLS_PRIVATE_KEY, &key), 0);
	assert_int_equal(get(fd, TLS_CERTIFICATE_STATUS, 300), 0);
	assert_non_null(strstr(w.data, "\"loaded\":1"));
	assert_int_equal(supply(fd, TLS_CERTIFICATE_CHAIN,
	    &(struct pki_buf){ .data = (char *)(uintptr_t)"junk", .len = 4 }), EINVAL);
	assert_int_equal(set(fd, TLS_CERTIFICATE_REMOVE, "/nothing", 8), ENOENT);
	assert_int_equal(set(fd, TLS_CERTIFICATE_REMOVE, "*", 1), 0);
	assert_int_equal(get(fd, TLS_CERTIFICATE_STATUS, 300), 0);
	assert_non_null(strstr(w.data, "\"loaded\":0"));
	pki_buf_free(&chain);
	pki_buf_free(&key);
	pki_buf_free(&other);
	(void)close(fd);
}

static void
a_chain_for_none_of_the_listed_names_is_refused(void **state)
{
	struct pki_buf a = { 0 }, b = { 0 };
	int fd = fresh();

	(void)state;
	pki_put_chain(&a, w.a);
	pki_put_key(&a, w.a);
	pki_put_chain(&b, w.b);
	pki_put_key(&b, w.b);
	assert_int_equal(set(fd, TLS_HOSTNAME, "a.example", 9), 0);
	assert_int_equal(supply(fd, TLS_CERTIFICATE_CHAIN, &b), EPROTO);
	assert_non_null(strstr(w.data, "b.example"));
	assert_non_null(strstr(w.data, "a.example"));
	assert_int_equal(supply(fd, TLS_CERTIFICATE_CHAIN, &a), 0);
	assert_int_equal(set(fd, TLS_HOSTNAME, "", 0), 0);
	assert_int_equal(supply(fd, TLS_CERTIFICATE_CHAIN, &b), 0);
	pki_buf_free(&a);
	pki_buf_free(&b);
	(void)close(fd);
}

/* The keeper, who finds nothing: the answer to each question that is there. */
static void
answer_none(void)
{
	struct sst_wire_head head;
	char c;

	while (recv(w.files[1], &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
		assert_true(sst_wire_recv(w.files[1], &head, w.data, sizeof(w.data),
		    NULL, 0) >= 0);
		sst_wire_init(&head, SST_WIRE_REPLY);
		head.a = -1;
		head.b = ENOENT;
		assert_int_equal(sst_wire_send(w.files[1], &head, "none", 5, NULL, 0), 0);
	}
}

/* A directory, watched, as the keeper forwards it: that it is set is told while nobody
 * answers what is asked about it. */
static uint32_t
set_directory(int fd)
{
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sst_wire_head head;

	sst_wire_init(&head, SST_CHAN_FILE);
	head.id = ++w.id;
	head.a = IPPROTO_TLS;
	head.b = TLS_CERTIFICATE_CHAIN;
	head.c = 1;
	assert_int_equal(ask(sst_supply_file, &head, "/nowhere", 9, fd, dir), 0);
	(void)close(dir);
	return head.id;
}

static int
can_serve(int fd)
{
	const struct sst_record *r = sst_record_find(w.relay, sst_record_cookie(fd));

	return r->set != NULL && sst_settings_can_serve(r->set, NULL) == SST_OK;
}

/* Its caller goes on: if this relay ends, the next one has to read it. And who is set
 * meanwhile may listen, although nothing of it was read. */
static void
a_directory_is_kept_and_counts_when_its_caller_is_told(void **state)
{
	int fd = fresh(), other = fresh(), third = fresh(), verdict = 0;
	struct pki_buf chain = { 0 };
	uint32_t id;

	(void)state;
	pki_put_chain(&chain, w.a);
	assert_false(can_serve(fd));
	id = set_directory(fd);
	assert_int_equal(told_keeper(id), SST_CHAN_KEEP);
	assert_true(can_serve(fd));
	assert_false(can_serve(other));
	id = set_directory(other);
	assert_int_equal(told_keeper(id), SST_CHAN_KEEP);
	assert_true(can_serve(other));
	/* what is no directory waits for none */
	assert_int_equal(supply(third, TLS_CERTIFICATE_CHAIN, &chain), 0);
	assert_int_equal(told_keeper(w.id), SST_CHAN_KEEP);
	/* what could not be read in the end is dropped all the same */
	for (int i = 0; i < 500 && verdict == 0; i++) {
		answer_none();
		sst_loop_turn(&w.relay->loop, 10);
		verdict = told_keeper(id);
	}
	assert_int_equal(verdict, SST_CHAN_DROP);
	assert_false(can_serve(fd) || can_serve(other));
	pki_buf_free(&chain);
	(void)close(third);
	(void)close(other);
	(void)close(fd);
}

static void
sk_17_closed_sockets_leave_no_record(void **state)
{
	size_t before;

	(void)state;
	sst_record_sweep(w.relay, 0);
	before = w.relay->table.count;
	for (int i = 0; i < 200; i++)
		(void)close(fresh());
	assert_int_equal(w.relay->table.count, before + 200);
	sst_record_sweep(w.relay, 0);
	assert_int_equal(w.relay->table.count, before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_socket_needs_the_secret_and_our_name),
		cmocka_unit_test(a_descriptor_that_is_not_known_gets_nothing),
		cmocka_unit_test(versions_are_taken_in_both_forms_and_never_cross),
		cmocka_unit_test(texts_are_checked_and_cut_to_the_callers_room),
		cmocka_unit_test(what_is_not_there_or_not_writable_is_enoprotoopt),
		cmocka_unit_test(other_levels_are_the_tcp_sockets),
		cmocka_unit_test(listening_needs_a_chain_with_its_key),
		cmocka_unit_test(a_chain_for_none_of_the_listed_names_is_refused),
		cmocka_unit_test(a_directory_is_kept_and_counts_when_its_caller_is_told),
		cmocka_unit_test(sk_17_closed_sockets_leave_no_record),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
