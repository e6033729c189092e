/* SPDX-License-Identifier: ISC */
/*
 * verb - what sstool can do: one function a verb, one file a function.
 *
 * sstool.c holds the table and calls; a verb prints and returns an exit code.
 * To add one: a file NAME.c, a line here, a line in the table, and its
 * part of man/sstool.1 (a test compares table and page).
 */
#ifndef SST_TOOLS_VERB_H
#define SST_TOOLS_VERB_H

/* argv[0] is the verb as typed; getopt's state is fresh. */
int	sst_verb_acme_challenge(int argc, char **argv);
int	sst_verb_cache_list(int argc, char **argv);
int	sst_verb_cache_prefetch(int argc, char **argv);
int	sst_verb_cache_purge(int argc, char **argv);
int	sst_verb_cache_serve(int argc, char **argv);
int	sst_verb_cache_show(int argc, char **argv);
int	sst_verb_cache_stats(int argc, char **argv);
int	sst_verb_cert_check(int argc, char **argv);
int	sst_verb_cert_list(int argc, char **argv);
int	sst_verb_cert_explain(int argc, char **argv);
int	sst_verb_connect(int argc, char **argv);
int	sst_verb_deploy(int argc, char **argv);
int	sst_verb_doctor(int argc, char **argv);
int	sst_verb_events(int argc, char **argv);
int	sst_verb_metrics(int argc, char **argv);
int	sst_verb_options(int argc, char **argv);
int	sst_verb_run(int argc, char **argv);
int	sst_verb_status(int argc, char **argv);
int	sst_verb_verify(int argc, char **argv);
int	sst_verb_why(int argc, char **argv);

#endif
