/* SPDX-License-Identifier: ISC */
/*
 * tsan - what the thread sanitizer cannot see, compiled into every program.
 *
 * Linked where the preset is `tsan`. The sanitizer's runtime calls these before
 * main(): a relay has no environment in which options could stand. A race ends the
 * process, which its programs notice: nobody reads what a relay reports.
 *
 * Always true:
 *   1. Each line says why it is no race.
 */

const char	*__tsan_default_options(void);
const char	*__tsan_default_suppressions(void);

__attribute__((visibility("default"))) const char *
__tsan_default_options(void)
{
	return "halt_on_error=1:die_after_fork=0";
}

__attribute__((visibility("default"))) const char *
__tsan_default_suppressions(void)
{
	return
	    /* A certificate is shared by libcrypto's reference count, which is not
	     * instrumented: whoever drops the last reference frees what others have
	     * read. */
	    "race:note_free\n"
	    /* Threads share a trust store, whose certificates libcrypto reads into under
	     * its lock, and looks at without it when an atomic mark says so. */
	    "race:ASN1_STRING_cmp\n"
	    /* The library opens and closes its descriptors by plain system calls, which
	     * are not seen: the next owner of a number is taken for the same one. */
	    "race:sst_wire_send\n"
	    "race:sst_wire_recv\n"
	    "race:listen_loop\n"
	    "race:^close$\n";
}
