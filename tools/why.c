/* SPDX-License-Identifier: ISC */
/*
 * why - sstool why: every source that was consulted about a certificate, what
 * came of it, and the rule that decides.
 *
 * The question and the verdict are those of `sstool verify`.
 */
#include "verb.h"
#include "verify.h"

int
sst_verb_why(int argc, char **argv)
{
	return sst_verify_run(argc, argv, "why", 1);
}
