#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# self - the judge sees every way in which a test can end differently, and takes
# nothing for TLS that is not.
# shellcheck source=tests/install/common.sh disable=SC1091
. "$SST_SOURCE/tests/install/common.sh"
sst_begin

HERE=$SST_SOURCE/tests/judges
export SST_JUDGE_LIMIT=3

# judge STATUS ARGUMENTS...: what it prints is in $SST_TMP/said
judge()
{
	local status=$1
	shift
	"$HERE/judge" --listed "$SST_TMP/listed" "$@" >"$SST_TMP/said" 2>&1
	[[ $? == "$status" ]] && return
	wrong "the judge did not end with $status"
	cat "$SST_TMP/said" >&2
}

# list TEST WHEN...
list()
{
	: >"$SST_TMP/listed"
	while (($# > 0)); do
		printf '%s\t%s\tsockets 6\twhy\n' "$1" "$2" >>"$SST_TMP/listed"
		shift 2
	done
}

S=sample_tests.Sample
DIFFERENT=(
	"$S.test_c_fails" "$S.test_d_sleeps" "$S.test_e_dies"
	"$S.test_f_is_skipped" "$S.test_g_fails_in_a_part"
	"$S.test_h_passes_on_tls_alone" "$S.test_l_finds_its_port_taken_on_tls"
	"sample_tests.Unready.test_a" "setUpClass (sample_tests.Unready)"
)

list
judge 1 sample
sed -n 's/^WRONG: \(.*\): [a-z]* on TCP, .*/\1/p' "$SST_TMP/said" | sort \
	>"$SST_TMP/found"
printf '%s\n' "${DIFFERENT[@]}" | sort >"$SST_TMP/expected"
grep -q "^UNSTEADY ON TCP: $S.test_j_is_unsteady_on_tcp$" "$SST_TMP/said" ||
	wrong "a test that is unsteady on TCP is not named"
same "these are the differences" "$SST_TMP/expected" "$SST_TMP/found"

ALL=()
for test in "${DIFFERENT[@]}"; do
	ALL+=("$test" always)
done
list "${ALL[@]}"
judge 0 sample
list "${ALL[@]}" "$S.test_m_passes_behind_them" may
judge 0 sample
list "${ALL[@]}" "$S.test_m_passes_behind_them" always
judge 1 sample
grep -q "^WRONG: $S.test_m_passes_behind_them" "$SST_TMP/said" ||
	wrong "a listed difference that is none is not named"
# What did not run says nothing about its rows.
list "$S.test_c_fails" always "$S.test_d_sleeps" always
judge 0 sample --only "$S.test_a_passes" "$S.test_c_fails"

list
SST_JUDGE_COMMAND='env' judge 1 core --only nothing
grep -q "not TLS: a plain client was served" "$SST_TMP/said" ||
	wrong "plain TCP was taken for TLS"
finish
