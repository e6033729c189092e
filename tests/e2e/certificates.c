/* SPDX-License-Identifier: ISC */
/* certificates - certificates as the state of a socket: added, replaced, removed. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ours.h"

static struct pki_cert *two, *three, *one_again;
static char two_file[700], two_chain[700], two_key[700], three_key[700];

static void
make_files(void)
{
	two = pki_issue(world.ca, &(struct pki_spec){ .cn = "two", .san = "two.example" });
	three = pki_issue(world.ca, &(struct pki_spec){ .cn = "three",
	    .san = "three.example" });
	one_again = pki_issue(world.ca, &(struct pki_spec){ .cn = "one again",
	    .san = "one.example,IP:127.0.0.1,IP:::1" });
	pki_write_pair(world.dir, "two.pem", two);
	pki_write_chain(world.dir, "two-chain.pem", two);
	pki_write_key(world.dir, "two-key.pem", two);
	pki_write_key(world.dir, "three-key.pem", three);
	(void)snprintf(two_file, sizeof(two_file), "%s/two.pem", world.dir);
	(void)snprintf(two_chain, sizeof(two_chain), "%s/two-chain.pem", world.dir);
	(void)snprintf(two_key, sizeof(two_key), "%s/two-key.pem", world.dir);
	(void)snprintf(three_key, sizeof(three_key), "%s/three-key.pem", world.dir);
}

static int
strict_listener(struct addr *at)
{
	int l = ours_listener(at, world.families[0], world.one_file, NULL);

	want_eq(ours_set(l, TLS_SNI_POLICY, "strict"), 0);
	return l;
}

static int
set_bytes(int fd, int option, const struct pki_buf *b)
{
	return setsockopt(fd, IPPROTO_TLS, option, b->data, (socklen_t)b->len);
}

SCENE(a_pair_in_two_files_enters_with_its_key)
{
	struct addr at;
	int l = strict_listener(&at);
	uint64_t g;

	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, two_chain), 0);
	g = ours_generation(l);
	want_unserved(&at, "two.example", "unrecognized name");
	want_eq(ours_set(l, TLS_PRIVATE_KEY, two_key), 0);
	want_eq(ours_generation(l), g + 1);
	want_served(&at, "two.example", NULL, two);
	want_served(&at, "one.example", NULL, world.one);
	(void)close(l);
}

SCENE(a_key_of_another_chain_is_refused)
{
	struct addr at;
	int l = ours_bound(&at, world.families[0]);

	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, two_chain), 0);
	want_errno(ours_set(l, TLS_PRIVATE_KEY, three_key), EPROTO);
	want_has(ours_error(l), "three-key.pem");
	want_errno(listen(l, 8), EINVAL);
	want_has(ours_error(l), "two-chain.pem");
	want_eq(ours_set(l, TLS_PRIVATE_KEY, two_key), 0);
	want_eq(listen(l, 8), 0);
	want_served(&at, "two.example", NULL, two);
	(void)close(l);
}

SCENE(a_listener_without_any_certificate_is_refused)
{
	struct addr at;
	int l = ours_bound(&at, world.families[0]);

	want_errno(listen(l, 8), EINVAL);
	want(strlen(ours_error(l)) > 10);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, world.one_file), 0);
	want_eq(listen(l, 8), 0);
	want_served(&at, "one.example", NULL, world.one);
	(void)close(l);
}

SCENE(a_directory_that_is_empty_now_may_listen)
{
	struct addr at;
	char dir[700];
	int l = ours_bound(&at, world.families[0]);

	(void)snprintf(dir, sizeof(dir), "%s/later", world.dir);
	want_eq(mkdir(dir, 0755), 0);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, dir), 0);
	want_eq(listen(l, 8), 0);
	want_unserved(&at, "two.example", "unrecognized name");
	/* A file dropped in is served without a call. */
	pki_write_pair(dir, "two.pem", two);
	ours_want_soon_shown(l, &at, "two.example", two);
	(void)close(l);
}

SCENE(certificates_are_added_replaced_and_removed_on_a_live_listener)
{
	struct addr at;
	char path[700];
	int l;
	uint64_t g;

	pki_write_pair(world.dir, "changing.pem", world.one);
	(void)snprintf(path, sizeof(path), "%s/changing.pem", world.dir);
	l = ours_bound(&at, world.families[0]);
	want_eq(ours_set(l, TLS_SNI_POLICY, "strict"), 0);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, path), 0);
	want_eq(listen(l, 8), 0);
	g = ours_generation(l);
	want_served(&at, "one.example", NULL, world.one);

	/* Added after listen. */
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, two_file), 0);
	want_eq(ours_generation(l), g + 1);
	want_served(&at, "two.example", NULL, two);

	/* The same path with other bytes: takes its place. */
	pki_write_pair(world.dir, "changing.pem", one_again);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, path), 0);
	want(ours_generation(l) >= g + 2);	/* the watch may have been first */
	want_served(&at, "one.example", NULL, one_again);

	/* Removed by path; nothing of that name is left. */
	want_eq(ours_set(l, TLS_CERTIFICATE_REMOVE, two_file), 0);
	want_unserved(&at, "two.example", "unrecognized name");
	want_errno(ours_set(l, TLS_CERTIFICATE_REMOVE, two_file), ENOENT);
	want_served(&at, "one.example", NULL, one_again);
	(void)close(l);
}

SCENE(a_pair_is_removed_by_its_digest_and_all_by_a_star)
{
	struct addr at;
	int l = strict_listener(&at);
	unsigned char digest[32];
	char hex[65];

	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, two_file), 0);
	want_served(&at, "two.example", NULL, two);
	pki_digest(three, digest);
	for (int i = 0; i < 32; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	want_errno(ours_set(l, TLS_CERTIFICATE_REMOVE, hex), ENOENT);
	pki_digest(two, digest);
	for (int i = 0; i < 32; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	want_eq(ours_set(l, TLS_CERTIFICATE_REMOVE, hex), 0);
	want_unserved(&at, "two.example", "unrecognized name");
	want_served(&at, "one.example", NULL, world.one);
	want_eq(ours_set(l, TLS_CERTIFICATE_REMOVE, "*"), 0);
	want_unserved(&at, "one.example", "");
	want_errno(ours_set(l, TLS_CERTIFICATE_REMOVE, "*"), ENOENT);
	/* And the listener lives on. */
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, two_file), 0);
	want_served(&at, "two.example", NULL, two);
	(void)close(l);
}

SCENE(certificates_are_set_as_bytes_too)
{
	struct addr at;
	struct pki_buf both = { 0 }, chain = { 0 }, key = { 0 }, again = { 0 };
	struct pki_cert *renewed = pki_issue(world.ca,
	    &(struct pki_spec){ .cn = "three again", .san = "three.example" });
	int l = strict_listener(&at);
	uint64_t g;

	pki_put_chain(&both, two);
	pki_put_key(&both, two);
	want_eq(set_bytes(l, TLS_CERTIFICATE_CHAIN, &both), 0);
	want_served(&at, "two.example", NULL, two);

	pki_put_chain(&chain, three);
	pki_put_key(&key, three);
	want_eq(set_bytes(l, TLS_CERTIFICATE_CHAIN, &chain), 0);
	want_unserved(&at, "three.example", "unrecognized name");
	want_eq(set_bytes(l, TLS_PRIVATE_KEY, &key), 0);
	want_served(&at, "three.example", NULL, three);

	/* The same names and key type, again as bytes: takes its place. */
	g = ours_generation(l);
	pki_put_chain(&again, renewed);
	pki_put_key(&again, renewed);
	want_eq(set_bytes(l, TLS_CERTIFICATE_CHAIN, &again), 0);
	want_eq(ours_generation(l), g + 1);
	want_served(&at, "three.example", NULL, renewed);
	want_served(&at, "two.example", NULL, two);
	(void)close(l);
}

/* An issuer for clients' certificates: the store sees nothing wrong, a client does. */
SCENE(what_no_client_would_take_does_not_displace_what_serves)
{
	struct pki_cert *mid = pki_issue(world.ca, &(struct pki_spec){ .cn = "Mid",
	    .ca = 1 });
	struct pki_cert *user = pki_issue(world.ca, &(struct pki_spec){ .cn = "Users",
	    .ca = 1, .eku = "clientAuth" });
	struct pki_cert *four = pki_issue(mid, &(struct pki_spec){ .san = "four.example" });
	struct pki_cert *fake = pki_issue(user, &(struct pki_spec){ .san = "four.example" });
	struct pki_cert *next = pki_issue(mid, &(struct pki_spec){ .san = "four.example" });
	struct pki_buf good = { 0 }, bad = { 0 };
	struct addr at;
	uint64_t g;
	int l = strict_listener(&at);

	pki_put_chain(&good, four);
	pki_put_key(&good, four);
	pki_put_chain(&bad, fake);
	pki_put_key(&bad, fake);
	want_eq(set_bytes(l, TLS_CERTIFICATE_CHAIN, &good), 0);
	g = ours_generation(l);
	want_served(&at, "four.example", NULL, four);
	want_errno(set_bytes(l, TLS_CERTIFICATE_CHAIN, &bad), EPROTO);
	want_has(ours_error(l), "a client would refuse it");
	want_eq(ours_generation(l), g);
	want_served(&at, "four.example", NULL, four);
	pki_buf_free(&bad);
	pki_put_chain(&bad, next);
	pki_put_key(&bad, next);
	want_eq(set_bytes(l, TLS_CERTIFICATE_CHAIN, &bad), 0);
	want_served(&at, "four.example", NULL, next);
	pki_buf_free(&bad);
	pki_buf_free(&good);
	pki_free(next);
	pki_free(fake);
	pki_free(four);
	pki_free(user);
	pki_free(mid);
	(void)close(l);
}

SCENE(certificates_are_set_as_DER)
{
	struct addr at;
	struct pki_buf chain = { 0 }, key = { 0 };
	char path[700];
	int l = strict_listener(&at);

	pki_put_cert_der(&chain, two);
	pki_put_key_der(&key, two);
	want_eq(set_bytes(l, TLS_CERTIFICATE_CHAIN, &chain), 0);
	want_eq(set_bytes(l, TLS_PRIVATE_KEY, &key), 0);
	want_served(&at, "two.example", NULL, two);
	(void)close(l);

	pki_write(world.dir, "two.crt", 0644, &chain);
	pki_write(world.dir, "two.key", 0600, &key);
	l = strict_listener(&at);
	(void)snprintf(path, sizeof(path), "%s/two.crt", world.dir);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, path), 0);
	(void)snprintf(path, sizeof(path), "%s/two.key", world.dir);
	want_eq(ours_set(l, TLS_PRIVATE_KEY, path), 0);
	want_served(&at, "two.example", NULL, two);
	(void)close(l);
}

SCENE(what_does_not_parse_is_refused_and_changes_nothing)
{
	struct addr at;
	char path[700];
	int l = strict_listener(&at);
	uint64_t g = ours_generation(l);

	pki_write_text(world.dir, "junk.pem",
	    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	(void)snprintf(path, sizeof(path), "%s/junk.pem", world.dir);
	want_errno(ours_set(l, TLS_CERTIFICATE_CHAIN, path), EINVAL);
	want_has(ours_error(l), "junk.pem");
	(void)snprintf(path, sizeof(path), "%s/absent.pem", world.dir);
	want_errno(ours_set(l, TLS_CERTIFICATE_CHAIN, path), ENOENT);
	want_errno(ours_set(l, TLS_CERTIFICATE_CHAIN,
	    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), EINVAL);
	want_errno(setsockopt(l, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, "", 0), EINVAL);
	want_errno(setsockopt(l, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, (void *)8, 20), EFAULT);
	want_eq(ours_generation(l), g);
	want_served(&at, "one.example", NULL, world.one);
	(void)close(l);
}

SCENE(links_in_a_loop_are_the_kernels_error)
{
	struct addr at;
	char path[700];
	int l = ours_bound(&at, world.families[0]);

	pki_link(world.dir, "loop.pem", "loop.pem");
	(void)snprintf(path, sizeof(path), "%s/loop.pem", world.dir);
	want_errno(ours_set(l, TLS_CERTIFICATE_CHAIN, path), ELOOP);
	pki_link(world.dir, "link.pem", "one.pem");
	(void)snprintf(path, sizeof(path), "%s/link.pem", world.dir);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, path), 0);
	want_eq(listen(l, 8), 0);
	want_served(&at, "one.example", NULL, world.one);
	(void)close(l);
}

/* A broken entry among good ones voids only itself. */
SCENE(a_directory_brings_its_keys_and_survives_a_broken_entry)
{
	struct addr at;
	char dir[700];
	int l = ours_bound(&at, world.families[0]);
	const char *status;

	pki_write_chain(world.dir, "mixed/two.crt", two);
	pki_write_key(world.dir, "mixed/two.key", two);
	pki_write_pair(world.dir, "mixed/three.pem", three);
	pki_write_text(world.dir, "mixed/broken.pem",
	    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	(void)snprintf(dir, sizeof(dir), "%s/mixed", world.dir);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, dir), 0);
	/* Naming the same directory as key changes nothing. */
	want_eq(ours_set(l, TLS_PRIVATE_KEY, dir), 0);
	want_eq(listen(l, 8), 0);
	want_served(&at, "two.example", NULL, two);
	want_served(&at, "three.example", NULL, three);
	status = ours_get(l, TLS_CERTIFICATE_STATUS);
	want_has(status, "2");
	want_has(status, "loaded");
	want_has(status, "1");
	want_has(status, "refused");
	(void)close(l);
}

SCENE(certbots_layout_is_a_directory_of_pairs)
{
	struct addr at;
	char dir[700];
	struct pki_cert *renewed = pki_issue(world.ca,
	    &(struct pki_spec){ .cn = "two again", .san = "two.example" });
	int l = ours_bound(&at, world.families[0]);

	pki_certbot(world.dir, "two.example", two, 1);
	(void)snprintf(dir, sizeof(dir), "%s/live", world.dir);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, dir), 0);
	want_eq(listen(l, 8), 0);
	want_has(ours_get(l, TLS_CERTIFICATE_STATUS), "loaded");
	want_served(&at, "two.example", NULL, two);
	pki_certbot(world.dir, "two.example", renewed, 2);
	ours_want_soon_shown(l, &at, "two.example", renewed);
	(void)close(l);
}

SCENE(a_renewed_file_is_served_to_the_next_client)
{
	struct addr at;
	char path[700];
	struct link old = { .listener = -1 };
	int l;
	uint64_t g;

	pki_write_pair(world.dir, "renewed.pem", world.one);
	(void)snprintf(path, sizeof(path), "%s/renewed.pem", world.dir);
	l = ours_listener(&at, world.families[0], path, NULL);
	g = ours_generation(l);
	want_has(ours_get(l, TLS_CERT_DECISION), "watched");
	want_eq(peer_client(&old.peer, &at, &(struct peer_opts){ .sni = "one.example" }), 0);
	old.fd = ours_accept(l);
	want(peer_has_cert(&old.peer, world.one));

	pki_write_pair(world.dir, "renewed.pem", one_again);
	ours_want_soon_shown(l, &at, "one.example", one_again);
	want_eq(ours_generation(l), g + 1);
	/* The old connection goes on, and says what it was served. */
	want_eq(ours_generation(old.fd), g);
	peer_write(&old.peer, "x", 1);
	ours_read(old.fd, &(char){ 0 }, 1);

	/* A broken renewal keeps the good certificate. */
	pki_write_text(world.dir, "renewed.pem", "-----BEGIN CERTIFICATE-----\nAA\n");
	pki_write_pair(world.dir, "marker.pem", two);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, pki_path(world.dir, "marker.pem")), 0);
	want_served(&at, "one.example", NULL, one_again);
	link_close(&old);
	(void)close(l);
}

SCENE(a_key_that_others_can_read_is_refused_unless_allowed)
{
	struct addr at;
	struct pki_buf b = { 0 };
	char path[700];
	int l = ours_bound(&at, world.families[0]);

	pki_put_chain(&b, two);
	pki_put_key(&b, two);
	pki_write(world.dir, "open.pem", 0644, &b);
	(void)snprintf(path, sizeof(path), "%s/open.pem", world.dir);
	want_errno(ours_set(l, TLS_CERTIFICATE_CHAIN, path), EACCES);
	want_has(ours_error(l), "chmod");
	want_has(ours_error(l), "open.pem");
	want_eq(chmod(path, 0640), 0);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, path), 0);
	want_eq(chmod(path, 0644), 0);
	(void)close(l);

	/* Only reachable files are open: the folder above is closed to others. */
	pki_write(world.dir, "closed/open.pem", 0644, &b);
	want_eq(chmod(pki_path(world.dir, "closed"), 0700), 0);
	l = ours_bound(&at, world.families[0]);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, pki_path(world.dir, "closed/open.pem")), 0);
	(void)close(l);

	l = ours_bound(&at, world.families[0]);
	want_errno(ours_set_int(l, TLS_KEY_PERMISSIONS, 7), EINVAL);
	want_eq(ours_set_int(l, TLS_KEY_PERMISSIONS, TLS_KEY_PERMISSIONS_EVENT), 0);
	want_eq(ours_get_int(l, IPPROTO_TLS, TLS_KEY_PERMISSIONS),
	    TLS_KEY_PERMISSIONS_EVENT);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, path), 0);
	want_eq(listen(l, 8), 0);
	want_served(&at, "two.example", NULL, two);
	(void)close(l);
}

SCENE(the_private_key_is_never_read_back_and_the_chain_is)
{
	struct addr at;
	struct pki_buf pem = { 0 };
	int l = ours_listener(&at, world.families[0], world.one_file, NULL);
	char text[8192];
	socklen_t len = sizeof(text);

	want_errno(getsockopt(l, IPPROTO_TLS, TLS_PRIVATE_KEY, text, &len), ENOPROTOOPT);
	pki_put_cert(&pem, world.one);
	want_has(ours_get(l, TLS_CERTIFICATE_CHAIN), pem.data);
	want_has_not(ours_get(l, TLS_CERTIFICATE_CHAIN), "PRIVATE");
	(void)close(l);
}

SCENE(a_path_below_proc_self_fd_is_the_programs_own_descriptor)
{
	struct addr at;
	int l = strict_listener(&at), fd;
	char path[64];

	fd = open(two_file, O_RDONLY | O_CLOEXEC);
	want(fd >= 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, path), 0);
	want_served(&at, "two.example", NULL, two);
	(void)close(fd);
	(void)close(l);
}

SCENE(certificates_cannot_be_changed_once_connected)
{
	struct link k;

	link_make(&k, OURS_ACCEPTS, NULL);
	want_errno(ours_set(k.fd, TLS_CERTIFICATE_CHAIN, two_file), EOPNOTSUPP);
	want_errno(ours_set(k.fd, TLS_SNI_POLICY, "strict"), EOPNOTSUPP);
	want_eq(ours_set(k.listener, TLS_CERTIFICATE_CHAIN, two_file), 0);
	link_close(&k);
	link_make(&k, OURS_CONNECTS, NULL);
	want_errno(ours_set(k.fd, TLS_REMOTE_HOSTNAME, "two.example"), EOPNOTSUPP);
	link_close(&k);
}

/* Where the relay may write to the cache, the second finds the index of the first. */
SCENE(sockets_on_a_large_directory_see_each_renewal_whoever_reads_it)
{
	char dir[700], name[32];
	struct pki_cert *again;
	struct addr at[2];
	int l[2];

	again = pki_issue(world.ca, &(struct pki_spec){ .cn = "two", .san = "two.example" });
	(void)snprintf(dir, sizeof(dir), "%s/large", world.dir);
	want_eq(mkdir(dir, 0755), 0);
	for (int i = 0; i < 80; i++) {
		(void)snprintf(name, sizeof(name), "large/z%d", i);
		want_eq(mkdir(pki_path(world.dir, name), 0755), 0);
	}
	pki_write_pair(dir, "two.pem", two);
	for (int i = 0; i < 2; i++) {
		l[i] = ours_bound(&at[i], world.families[0]);
		want_eq(ours_set(l[i], TLS_SNI_POLICY, "strict"), 0);
		want_eq(ours_set(l[i], TLS_CERTIFICATE_CHAIN, dir), 0);
		want_eq(listen(l[i], 8), 0);
		ours_want_soon_shown(l[i], &at[i], "two.example", two);
		want_unserved(&at[i], "three.example", "unrecognized name");
	}
	pki_write_pair(dir, "two.pem", again);
	ours_want_soon_shown(l[0], &at[0], "two.example", again);
	ours_want_soon_shown(l[1], &at[1], "two.example", again);
	/* the one that read it goes: the other does */
	want_eq(close(l[0]), 0);
	pki_write_pair(dir, "two.pem", two);
	ours_want_soon_shown(l[1], &at[1], "two.example", two);
	/* something besides is its own alone */
	want_eq(ours_set(l[1], TLS_CERTIFICATE_CHAIN, world.one_file), 0);
	want_served(&at[1], "one.example", NULL, world.one);
	ours_want_soon_shown(l[1], &at[1], "two.example", two);
	(void)close(l[1]);
	pki_free(again);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pair_in_two_files_enters_with_its_key),
		cmocka_unit_test(a_key_of_another_chain_is_refused),
		cmocka_unit_test(a_listener_without_any_certificate_is_refused),
		cmocka_unit_test(a_directory_that_is_empty_now_may_listen),
		cmocka_unit_test(certificates_are_added_replaced_and_removed_on_a_live_listener),
		cmocka_unit_test(a_pair_is_removed_by_its_digest_and_all_by_a_star),
		cmocka_unit_test(certificates_are_set_as_bytes_too),
		cmocka_unit_test(what_no_client_would_take_does_not_displace_what_serves),
		cmocka_unit_test(certificates_are_set_as_DER),
		cmocka_unit_test(what_does_not_parse_is_refused_and_changes_nothing),
		cmocka_unit_test(links_in_a_loop_are_the_kernels_error),
		cmocka_unit_test(a_directory_brings_its_keys_and_survives_a_broken_entry),
		cmocka_unit_test(certbots_layout_is_a_directory_of_pairs),
		cmocka_unit_test(a_renewed_file_is_served_to_the_next_client),
		cmocka_unit_test(sockets_on_a_large_directory_see_each_renewal_whoever_reads_it),
		cmocka_unit_test(a_key_that_others_can_read_is_refused_unless_allowed),
		cmocka_unit_test(the_private_key_is_never_read_back_and_the_chain_is),
		cmocka_unit_test(a_path_below_proc_self_fd_is_the_programs_own_descriptor),
		cmocka_unit_test(certificates_cannot_be_changed_once_connected),
	};

	world_begin();
	make_files();
	return world_end(tests);
}
