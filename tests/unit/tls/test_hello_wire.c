/* SPDX-License-Identifier: ISC */
/*
 * ClientHellos that no library sends: a real one is taken apart, extensions
 * are exchanged, and the server's first record is looked at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "meet.h"

#define EXT_SERVER_NAME	0
#define EXT_GROUPS	10
#define EXT_SIGALGS	13
#define EXT_VERSIONS	43
#define EXT_KEY_SHARE	51
#define EXT_GREASE	0x0a0a

static struct pki_cert *root, *a, *b, *exact, *wild;
static struct sst_store *store;

struct bytes {
	unsigned char	data[70000];
	size_t		len;
};

static int
world_make(void **state)
{
	(void)state;
	root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	a = pki_issue(root, &(struct pki_spec){
	    .san = "a.example,*.example.com,IP:192.0.2.1" });
	b = pki_issue(root, &(struct pki_spec){ .san = "b.example" });
	exact = pki_issue(root, &(struct pki_spec){ .san = "x.w.example" });
	wild = pki_issue(root, &(struct pki_spec){ .san = "*.w.example", .key = PKI_RSA });
	store = meet_store((struct pki_cert *[]){ a, b, exact, wild }, 4);
	return 0;
}

static int
world_free(void **state)
{
	(void)state;
	sst_store_unref(store);
	pki_free(a);
	pki_free(b);
	pki_free(exact);
	pki_free(wild);
	pki_free(root);
	return 0;
}

static void
put(struct bytes *to, const void *from, size_t len)
{
	assert_true(to->len + len <= sizeof(to->data));
	memcpy(to->data + to->len, from, len);
	to->len += len;
}

static void
put16(struct bytes *to, size_t n)
{
	const unsigned char two[2] = { (unsigned char)(n >> 8), (unsigned char)n };

	put(to, two, 2);
}

static void
set16(unsigned char *p, size_t n)
{
	p[0] = (unsigned char)(n >> 8);
	p[1] = (unsigned char)n;
}

/* A real hello without its record header, for this name. */
static void
hello_real(struct bytes *out, const char *sni)
{
	SSL_CTX *ctx = raw_client_ctx(&(struct raw){ 0 });
	SSL *ssl = SSL_new(ctx);
	BIO *net = BIO_new(BIO_s_mem());
	char *p;
	long n;

	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), net);
	if (sni != NULL)
		SSL_set_tlsext_host_name(ssl, sni);
	SSL_set_connect_state(ssl);
	(void)SSL_do_handshake(ssl);
	n = BIO_get_mem_data(net, &p);
	assert_true(n > 50 && p[0] == 0x16);
	out->len = 0;
	put(out, p + 5, (size_t)n - 5);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

/* Where the extensions' length stands. */
static size_t
exts_at(const struct bytes *h)
{
	size_t at = 4 + 2 + 32;

	at += 1u + h->data[at];
	at += 2u + (size_t)(h->data[at] << 8 | h->data[at + 1]);
	at += 1u + h->data[at];
	return at;
}

/* Replaces the extension, or adds it; `body` NULL takes it away. */
static void
ext_set(struct bytes *h, unsigned type, const void *body, size_t len)
{
	static struct bytes out;
	size_t at = exts_at(h);
	const size_t head = at;
	size_t n;

	out.len = 0;
	put(&out, h->data, at + 2);
	for (at += 2; at + 4 <= h->len; at += 4 + n) {
		n = (size_t)(h->data[at + 2] << 8 | h->data[at + 3]);
		if ((unsigned)(h->data[at] << 8 | h->data[at + 1]) != type)
			put(&out, h->data + at, 4 + n);
	}
	if (body != NULL) {
		put16(&out, type);
		put16(&out, len);
		put(&out, body, len);
	}
	set16(out.data + head, out.len - head - 2);
	out.data[1] = (unsigned char)((out.len - 4) >> 16);
	set16(out.data + 2, (out.len - 4) & 0xffff);
	memcpy(h->data, out.data, out.len);
	h->len = out.len;
}

/* server_name with one entry of this type. */
static void
name_set(struct bytes *h, int type, const void *name, size_t len)
{
	static struct bytes body;
	const unsigned char kind = (unsigned char)type;

	body.len = 0;
	put16(&body, len + 3);
	put(&body, &kind, 1);
	put16(&body, len);
	put(&body, name, len);
	ext_set(h, EXT_SERVER_NAME, body.data, body.len);
}

/* Offers just these. */
static void
suites_set(struct bytes *h, const void *suites, size_t len)
{
	const size_t at = 4 + 2 + 32 + 1u + h->data[4 + 2 + 32];
	const size_t was = 2u + (size_t)(h->data[at] << 8 | h->data[at + 1]);
	static struct bytes out;

	out.len = 0;
	put(&out, h->data, at);
	put16(&out, len);
	put(&out, suites, len);
	put(&out, h->data + at + was, h->len - at - was);
	set16(out.data + 2, out.len - 4);
	*h = out;
}

struct talk {
	struct sst_conn	*conn;
	int		 fd[2];
	enum sst_step	 step;
	struct sst_error err;
};

static void
talk_new(struct talk *t, const struct sst_choose_policy *policy)
{
	struct sst_tls_conf *conf = NULL;

	memset(t, 0, sizeof(*t));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, t->fd), 0);
	assert_int_equal(sst_tls_conf_new(&(struct sst_tls_settings){ .server = 1,
	    .store = store, .policy = policy }, &conf, &t->err), 0);
	assert_int_equal(sst_conn_new_server(conf, t->fd[0], NULL, &t->conn,
	    &t->err), 0);
	sst_tls_conf_unref(conf);
}

static void
talk_done(struct talk *t)
{
	sst_conn_free(t->conn);
	close(t->fd[0]);
	close(t->fd[1]);
}

#define SAID_HELLO	(-1)	/* ServerHello or HelloRetryRequest */
#define SAID_NOTHING	(-2)

/* Sends a hello; the alert that comes back, or one of the above. */
static int
talk(struct talk *t, const struct bytes *hello)
{
	static struct bytes record;
	unsigned char back[20000];
	ssize_t n;
	size_t part;

	for (size_t at = 0; at < hello->len; at += part) {
		part = hello->len - at < 16000 ? hello->len - at : 16000;
		record.len = 0;
		put(&record, "\x16\x03\x01", 3);
		put16(&record, part);
		put(&record, hello->data + at, part);
		assert_int_equal(send(t->fd[1], record.data, record.len, 0),
		    record.len);
	}
	t->step = sst_conn_handshake(t->conn, &t->err);
	n = recv(t->fd[1], back, sizeof(back), 0);
	if (n < 7)
		return SAID_NOTHING;
	return back[0] == 0x15 ? back[6] : SAID_HELLO;
}

static int
answer(const struct bytes *hello, const struct sst_choose_policy *policy)
{
	struct talk t;
	int said;

	talk_new(&t, policy);
	said = talk(&t, hello);
	assert_int_equal(t.step, said == SAID_HELLO ? SST_STEP_WANT_READ :
	    SST_STEP_FAILED);
	talk_done(&t);
	return said;
}

static const struct sst_choose_policy strict = { .strict = 1 };
static const struct sst_choose_policy lax = { .default_name = "b.example" };
static struct bytes h;

static void
a_hello_that_was_rebuilt_is_still_good(void **state)
{
	(void)state;
	hello_real(&h, "b.example");
	assert_int_equal(answer(&h, &strict), SAID_HELLO);
	name_set(&h, 0, "a.example", 9);
	assert_int_equal(answer(&h, &strict), SAID_HELLO);
	name_set(&h, 0, "c.example", 9);
	assert_int_equal(answer(&h, &strict), 112);
}

static void
cs_02_an_empty_extension_or_list_is_decode_error(void **state)
{
	(void)state;
	hello_real(&h, NULL);
	ext_set(&h, EXT_SERVER_NAME, "", 0);
	assert_int_equal(answer(&h, &lax), 50);
	ext_set(&h, EXT_SERVER_NAME, "\0\0", 2);
	assert_int_equal(answer(&h, &lax), 50);
	ext_set(&h, EXT_SERVER_NAME, NULL, 0);
	assert_int_equal(answer(&h, &lax), SAID_HELLO);
}

static void
cs_03_an_empty_host_name_is_decode_error(void **state)
{
	(void)state;
	hello_real(&h, NULL);
	name_set(&h, 0, "", 0);
	assert_int_equal(answer(&h, &lax), 50);
	name_set(&h, 0, "x", 1);
	assert_int_equal(answer(&h, &lax), SAID_HELLO);
}

static void
cs_04_cs_08_bytes_that_no_name_has_are_illegal_parameter(void **state)
{
	static const char *const bad[] = { "a\0b.example", "a\x01" "b.example",
	    "a\x1b" "b.example", "\xc3\x89" "cole.fr" };
	static const size_t len[] = { 11, 11, 11, 9 };

	(void)state;
	hello_real(&h, NULL);
	for (int i = 0; i < 4; i++) {
		name_set(&h, 0, bad[i], len[i]);
		assert_int_equal(answer(&h, &lax), 47);
	}
	name_set(&h, 0, "a-b.example", 11);
	assert_int_equal(answer(&h, &lax), SAID_HELLO);
}

static void
cs_05_cs_06_two_entries_are_decode_error(void **state)
{
	/* host_name twice; host_name and type 5, in both orders. */
	static const char twice[] = "\0\x18\0\0\x09" "a.example\0\0\x09" "b.example";
	static const char other_last[] = "\0\x10\0\0\x09" "a.example\5\0\1x";
	static const char other_first[] = "\0\x10\5\0\1x\0\0\x09" "a.example";

	(void)state;
	hello_real(&h, NULL);
	ext_set(&h, EXT_SERVER_NAME, twice, sizeof(twice) - 1);
	assert_int_equal(answer(&h, &lax), 50);
	ext_set(&h, EXT_SERVER_NAME, other_last, sizeof(other_last) - 1);
	assert_int_equal(answer(&h, &lax), 50);
	ext_set(&h, EXT_SERVER_NAME, other_first, sizeof(other_first) - 1);
	assert_int_equal(answer(&h, &lax), 50);
	name_set(&h, 0, "a.example", 9);
	assert_int_equal(answer(&h, &lax), SAID_HELLO);
}

static void
cs_07_255_bytes_are_looked_up_and_256_are_unknown(void **state)
{
	char name[300];

	(void)state;
	hello_real(&h, NULL);
	memset(name, 'a', sizeof(name));
	for (size_t i = 50; i < sizeof(name); i += 51)
		name[i] = '.';
	name_set(&h, 0, name, 256);
	assert_int_equal(answer(&h, &strict), 112);
	name_set(&h, 0, name, 256);
	assert_int_equal(answer(&h, &lax), 112);
	name_set(&h, 0, name, 253);
	assert_int_equal(answer(&h, &lax), SAID_HELLO);
}

static void
cs_09_to_13_odd_names(void **state)
{
	static const struct {
		const char	*name;
		int		 strict, lax;
	} cases[] = {
		{ "a.example.", SAID_HELLO, SAID_HELLO },
		{ "a.example..", 112, SAID_HELLO },
		{ "x.example.com", SAID_HELLO, SAID_HELLO },
		{ ".example.com", 112, SAID_HELLO },
		{ "a..example.com", 112, SAID_HELLO },
		{ "_dmarc.example.com", SAID_HELLO, SAID_HELLO },
		{ "*.example.com", 112, SAID_HELLO },
		{ "192.0.2.1", 112, SAID_HELLO },
		{ "2001:db8::1", 112, SAID_HELLO },
		{ "../../etc/x", 112, SAID_HELLO },
	};
	int said;

	(void)state;
	hello_real(&h, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		name_set(&h, 0, cases[i].name, strlen(cases[i].name));
		said = answer(&h, &strict);
		if (said != cases[i].strict)
			fail_msg("strict %s: %d", cases[i].name, said);
		said = answer(&h, &lax);
		/* Bytes outside of names may also be illegal_parameter. */
		if (said != cases[i].lax && !(said == 47 &&
		    strpbrk(cases[i].name, "/:*") != NULL))
			fail_msg("lax %s: %d", cases[i].name, said);
	}
}

/* The first hello without a key share, so that a retry is asked for. */
static void
retry(struct talk *t, const char *sni)
{
	static struct bytes first;

	hello_real(&h, sni);
	first = h;
	ext_set(&first, EXT_KEY_SHARE, "\0\0", 2);
	talk_new(t, &strict);
	assert_int_equal(talk(t, &first), SAID_HELLO);
	assert_int_equal(t->step, SST_STEP_WANT_READ);
	assert_non_null(sst_conn_choice(t->conn));
}

static void
cs_15_the_choice_is_made_once_over_a_retry(void **state)
{
	const struct sst_choice *choice;
	struct talk t;

	(void)state;
	retry(&t, "a.example");
	choice = sst_conn_choice(t.conn);
	assert_int_equal(talk(&t, &h), SAID_HELLO);
	assert_ptr_equal(sst_conn_choice(t.conn), choice);
	talk_done(&t);

	retry(&t, "a.example");
	name_set(&h, 0, "b.example", 9);
	assert_int_equal(talk(&t, &h), 47);
	assert_int_equal(t.step, SST_STEP_FAILED);
	assert_string_equal(sst_conn_sni(t.conn), "a.example");
	talk_done(&t);

	retry(&t, "a.example");
	ext_set(&h, EXT_SERVER_NAME, NULL, 0);
	assert_int_equal(talk(&t, &h), 47);
	talk_done(&t);
}

static void
cs_29_no_signature_algorithms(void **state)
{
	(void)state;
	hello_real(&h, "a.example");
	ext_set(&h, EXT_SIGALGS, NULL, 0);
	assert_int_equal(answer(&h, &strict), 109);
	ext_set(&h, EXT_VERSIONS, NULL, 0);	/* now it is 1.2 */
	assert_int_equal(answer(&h, &strict), 40);
}

static void
lists_that_do_not_parse_are_decode_error(void **state)
{
	static const unsigned types[] = { EXT_SIGALGS, EXT_GROUPS };
	static struct bytes saved;

	(void)state;
	hello_real(&h, "a.example");
	saved = h;
	for (int i = 0; i < 2; i++) {
		ext_set(&h, types[i], "\0\3\4\3\5", 5);
		assert_int_equal(answer(&h, &strict), 50);
		ext_set(&h, types[i], "\0\4\4\3", 4);
		assert_int_equal(answer(&h, &strict), 50);
		ext_set(&h, types[i], "\0", 1);
		assert_int_equal(answer(&h, &strict), 50);
		ext_set(&h, types[i], "\0\0", 2);
		assert_int_equal(answer(&h, &strict), 50);
		h = saved;
	}
	ext_set(&h, EXT_VERSIONS, "\3\3\4\3", 4);
	assert_int_equal(answer(&h, &strict), 50);
	ext_set(&h, EXT_VERSIONS, "\2\3\4", 3);
	assert_int_equal(answer(&h, &strict), SAID_HELLO);
}

static void
versions_below_are_protocol_version(void **state)
{
	(void)state;
	hello_real(&h, "a.example");
	ext_set(&h, EXT_VERSIONS, "\2\3\2", 3);		/* 1.1 alone */
	assert_int_equal(answer(&h, &strict), 70);
	ext_set(&h, EXT_VERSIONS, NULL, 0);
	h.data[4] = 3, h.data[5] = 2;
	assert_int_equal(answer(&h, &strict), 70);
	h.data[5] = 3;
	assert_int_equal(answer(&h, &strict), SAID_HELLO);
	h.data[5] = 4;	/* legacy_version above 1.2 means 1.2 */
	assert_int_equal(answer(&h, &strict), SAID_HELLO);
}

/* GREASE and lists longer than anybody's room. */
static void
long_lists_and_unknown_numbers_do_no_harm(void **state)
{
	static struct bytes list;

	(void)state;
	hello_real(&h, "a.example");
	list.len = 0;
	put16(&list, 2 * 300);
	put(&list, "\4\3", 2);		/* ecdsa_secp256r1_sha256 */
	for (int i = 1; i < 300; i++)
		put(&list, "\x0a\x0a", 2);
	ext_set(&h, EXT_SIGALGS, list.data, list.len);
	ext_set(&h, EXT_GREASE, "x", 1);
	assert_int_equal(answer(&h, &strict), SAID_HELLO);
}

/* One of RSA, and one that would be of ECDSA: the name's own certificate is no use. */
static void
a_suite_is_told_by_both_of_its_bytes(void **state)
{
	(void)state;
	hello_real(&h, "x.w.example");
	ext_set(&h, EXT_VERSIONS, NULL, 0);	/* TLS 1.2 */
	suites_set(&h, "\xc0\x2f\xc0\x2b", 4);
	assert_int_equal(answer(&h, &strict), SAID_HELLO);
	suites_set(&h, "\xc0\x2f\xcc\x2b", 4);
	assert_int_equal(answer(&h, &strict), SAID_HELLO);
	suites_set(&h, "\xc0\x2f\xc0\x2c\xcc\x2b", 6);
	assert_int_equal(answer(&h, &strict), SAID_HELLO);
	suites_set(&h, "\xcc\x2f\xcc\x2b", 4);
	assert_int_equal(answer(&h, &strict), SSL_AD_HANDSHAKE_FAILURE);
}

static void
a_client_without_tls_is_told_apart(void **state)
{
	static const struct {
		const char	*said, *text;
	} cases[] = {
		{ "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "plain HTTP" },
		{ "POST /x HTTP/1.1\r\n\r\n", "plain HTTP" },
		{ "SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not speak TLS" },
	};
	struct talk t;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		talk_new(&t, &strict);
		assert_true(send(t.fd[1], cases[i].said, strlen(cases[i].said), 0) > 0);
		assert_int_equal(sst_conn_handshake(t.conn, &t.err), SST_STEP_FAILED);
		assert_int_equal(t.err.code, SST_E_TLS);
		if (strstr(t.err.text, cases[i].text) == NULL)
			fail_msg("%s", t.err.text);
		assert_false(sst_conn_saw_hello(t.conn));
		assert_string_equal(sst_conn_sni(t.conn), "");
		talk_done(&t);
	}
}

/* The flight waits in OpenSSL while the client takes nothing; when it left, the
 * client has still done nothing that would keep its place. */
static void
a_flight_that_left_settles_no_handshake(void **state)
{
	char junk[4096] = { 0 };
	struct talk t;

	(void)state;
	hello_real(&h, "a.example");
	talk_new(&t, &strict);
	while (send(t.fd[0], junk, sizeof(junk), 0) > 0)
		;
	(void)talk(&t, &h);
	assert_int_equal(t.step, SST_STEP_WANT_WRITE);
	assert_false(sst_conn_got_finished(t.conn));
	while (recv(t.fd[1], junk, sizeof(junk), 0) > 0)
		;
	assert_int_equal(sst_conn_handshake(t.conn, &t.err), SST_STEP_WANT_READ);
	assert_false(sst_conn_got_finished(t.conn));
	talk_done(&t);
}

static void
half_a_hello_waits_and_its_end_is_a_failure(void **state)
{
	static struct bytes half;
	struct talk t;

	(void)state;
	hello_real(&h, "a.example");
	half.len = 0;
	put(&half, "\x16\x03\x01", 3);
	put16(&half, h.len);
	put(&half, h.data, h.len / 2);
	talk_new(&t, &strict);
	assert_int_equal(send(t.fd[1], half.data, half.len, 0), half.len);
	assert_int_equal(sst_conn_handshake(t.conn, &t.err), SST_STEP_WANT_READ);
	assert_false(sst_conn_saw_hello(t.conn));
	shutdown(t.fd[1], SHUT_WR);
	assert_int_equal(sst_conn_handshake(t.conn, &t.err), SST_STEP_FAILED);
	assert_int_equal(t.err.code, SST_E_PEER);
	talk_done(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hello_that_was_rebuilt_is_still_good),
		cmocka_unit_test(cs_02_an_empty_extension_or_list_is_decode_error),
		cmocka_unit_test(cs_03_an_empty_host_name_is_decode_error),
		cmocka_unit_test(cs_04_cs_08_bytes_that_no_name_has_are_illegal_parameter),
		cmocka_unit_test(cs_05_cs_06_two_entries_are_decode_error),
		cmocka_unit_test(cs_07_255_bytes_are_looked_up_and_256_are_unknown),
		cmocka_unit_test(cs_09_to_13_odd_names),
		cmocka_unit_test(cs_15_the_choice_is_made_once_over_a_retry),
		cmocka_unit_test(cs_29_no_signature_algorithms),
		cmocka_unit_test(lists_that_do_not_parse_are_decode_error),
		cmocka_unit_test(versions_below_are_protocol_version),
		cmocka_unit_test(long_lists_and_unknown_numbers_do_no_harm),
		cmocka_unit_test(a_suite_is_told_by_both_of_its_bytes),
		cmocka_unit_test(a_client_without_tls_is_told_apart),
		cmocka_unit_test(a_flight_that_left_settles_no_handshake),
		cmocka_unit_test(half_a_hello_waits_and_its_end_is_a_failure),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
