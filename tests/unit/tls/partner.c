/* SPDX-License-Identifier: ISC */
#include "partner.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

char *partner_dir;
const struct sst_openssl_check partner_strict = {
	.policy.mode = SST_REVOCATION_STAPLE };

int
partner_setup(void **state)
{
	partner_dir = pki_dir_new();
	pki_write_chain(partner_dir, "chain.pem", w.www);
	pki_write_key(partner_dir, "key.pem", w.www);
	return duo_setup(state);
}

int
partner_teardown(void **state)
{
	pki_dir_free(partner_dir);
	return duo_teardown(state);
}

const char *
partner_response(const char *name, struct pki_buf der)
{
	pki_write(partner_dir, name, 0600, &der);
	pki_buf_free(&der);
	return pki_path(partner_dir, name);
}

void
partner_start(struct partner *p, const char *const argv[])
{
	int out[2];

	assert_int_equal(pipe(out), 0);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);	/* a test that fails leaves it */
		(void)dup2(out[1], 1);
		(void)dup2(out[1], 2);
		(void)close(out[0]);
		(void)execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	(void)close(out[1]);
	p->out = fdopen(out[0], "r");
	assert_non_null(p->out);
}

void
partner_stop(struct partner *p)
{
	(void)kill(p->pid, SIGKILL);
	(void)waitpid(p->pid, NULL, 0);
	(void)fclose(p->out);
}

void
partner_wait(struct partner *p, const char *word, char *line, size_t size)
{
	char all[2000] = "";

	while (fgets(line, (int)size, p->out) != NULL) {
		(void)strncat(all, line, sizeof(all) - strlen(all) - 1);
		if (strstr(line, word) != NULL)
			return;
	}
	fail_msg("it did not start: %s", all);
}
