#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# skips - tools/skips lets no skipped test pass without a reason.
# shellcheck source=tests/install/common.sh disable=SC1091
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

skips()
{
	"$SST_SOURCE/tools/skips" "$SST_TMP/log" "$SST_TMP/junit" "$SST_TMP/tsv" \
		2>"$SST_TMP/said"
}

cat >"$SST_TMP/log" <<'L'
3/4 Testing: unit_of_something
[ RUN      ] it_needs_a_kernel_of_next_year
[  SKIPPED ] it_needs_a_kernel_of_next_year
[==========] 1 test(s) run.
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] it_needs_a_kernel_of_next_year
L
cat >"$SST_TMP/junit" <<'J'
	<testcase name="quick" classname="quick" time="0.1" status="run">
	</testcase>
	<testcase name="whole_program" classname="whole_program" status="notrun">
		<skipped message="SKIP_RETURN_CODE=77"/>
J

printf '# test\twhy\n' >"$SST_TMP/tsv"
skips && wrong "two skipped tests without a reason passed"
grep -q it_needs_a_kernel_of_next_year "$SST_TMP/said" ||
	wrong "the skipped function is not named"
grep -q whole_program "$SST_TMP/said" || wrong "the skipped program is not named"
grep -q quick "$SST_TMP/said" && wrong "a test that ran is called skipped"

printf 'it_needs_a_kernel_of_next_year\tno such kernel yet\n' >>"$SST_TMP/tsv"
skips && wrong "one skipped test without a reason passed"
printf 'whole_program\t\n' >>"$SST_TMP/tsv"
skips && wrong "an empty reason passed"
printf 'whole_program\tit needs two machines\n' >>"$SST_TMP/tsv"
skips || wrong "skipped tests with reasons failed"

rm "$SST_TMP/log"
skips && wrong "a log that is not there passed"
finish
