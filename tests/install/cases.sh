#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# cases - every numbered case of the specification is a test, or says why not.
#
# tests/cases.tsv has lines "number<TAB>test" or "number<TAB>later: why".
# Several tests of one case are separated by spaces; it need not name them all.
# shellcheck source=tests/install/common.sh disable=SC1091
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# $1: the table, $2: the folder of tests
judge()
{
	# The functions that tests define and run: sentences with a number in front.
	grep -rhoE --include='*.c' --include='*.sh' --include='*.py' \
		--exclude=cases.sh '\b(cs|sk|rv)_[0-9]+[a-z]?_[A-Za-z0-9_]+' "$2" |
		sort | uniq -c | awk '$1 >= 2 { print $2 }' >"$SST_TMP/present"
	awk -F '\t' '
	# Marks in covered what a test is about: cs_03_..., cs_03_cs_05_...,
	# cs_09_to_13_...
	function numbers(test,    page, i, last) {
		split("", covered)
		while (match(test, /^(cs|sk|rv)_[0-9]+[a-z]?_/)) {
			page = substr(test, 1, 2)
			i = last = substr(test, 4) + 0
			test = substr(test, RLENGTH + 1)
			if (match(test, /^to_[0-9]+_/)) {
				last = substr(test, 4) + 0
				test = substr(test, RLENGTH + 1)
			}
			for (; i <= last; i++)
				covered[page "_" (i < 10 ? "0" : "") i] = 1
		}
	}
	FILENAME == ARGV[1] { present[$1] = 1; next }
	/^#/ || NF == 0 { next }
	NF != 2 { print $0 ": not two columns"; bad = 1; next }
	$1 in seen { print $1 ": twice"; bad = 1 }
	{
		seen[$1] = 1
		if ($2 ~ /^later: .../) {
			waits[$1] = 1
			next
		}
		n = split($2, tests, " ")
		if (n == 0) { print $1 ": neither a test nor a reason"; bad = 1 }
		for (i = 1; i <= n; i++) {
			numbers(tests[i])
			if (!(tests[i] in present)) {
				print $1 ": no such test: " tests[i]
				bad = 1
			}
			if (!($1 in covered)) {
				print $1 ": test of another number: " tests[i]
				bad = 1
			}
		}
	}
	function want(page, last,    i, id) {
		for (i = 1; i <= last; i++) {
			id = page "_" (i < 10 ? "0" : "") i
			if (!(id in seen)) {
				print id ": not in the table"
				bad = 1
			}
			known[id] = 1
		}
	}
	END {
		want("cs", 70); want("sk", 105); want("rv", 114)
		for (id in seen)
			if (!(id in known)) { print id ": no such case"; bad = 1 }
		for (t in present) {
			numbers(t)
			for (id in covered)
				if (id in waits) {
					print id ": it waits no longer: " t
					bad = 1
				}
		}
		exit bad
	}' "$SST_TMP/present" "$1" >"$SST_TMP/said"
}

TABLE=$SST_SOURCE/tests/cases.tsv
judge "$TABLE" "$SST_SOURCE/tests" || {
	wrong "tests/cases.tsv"
	cat "$SST_TMP/said" >&2
}

# And this test itself sees what it is for.
mkdir "$SST_TMP/tests"
for name in cs_01_a_b cs_02_cs_03_to_04_c cs_02_d; do
	printf 'static void %s(void **s) {}\ncmocka_unit_test(%s)\n' $name $name
done >"$SST_TMP/tests/x.c"
{
	printf 'cs_01\tcs_01_a_b\n'
	printf 'cs_02\tcs_02_cs_03_to_04_c cs_02_d\n'
	printf 'cs_03\tcs_02_cs_03_to_04_c\ncs_04\tcs_02_cs_03_to_04_c\n'
	for n in $(seq -w 5 70); do printf 'cs_%s\tlater: it waits\n' "$n"; done
	for n in $(seq 1 105); do printf 'sk_%02d\tlater: it waits\n' "$n"; done
	for n in $(seq 1 114); do printf 'rv_%02d\tlater: it waits\n' "$n"; done
} >"$SST_TMP/good"
refused()
{
	judge "$SST_TMP/bad" "$SST_TMP/tests" && wrong "$1 was accepted"
}
judge "$SST_TMP/good" "$SST_TMP/tests" || {
	wrong "a complete table was refused"
	cat "$SST_TMP/said" >&2
}
sed '/^cs_70/d' "$SST_TMP/good" >"$SST_TMP/bad"
refused "a number that is missing"
sed 's/^cs_01\t.*/cs_01\tcs_01_another/' "$SST_TMP/good" >"$SST_TMP/bad"
refused "a test that does not exist"
sed 's/^cs_05\t.*/cs_05\tcs_01_a_b/' "$SST_TMP/good" >"$SST_TMP/bad"
refused "a test of another number"
sed 's/^cs_04\t.*/cs_04\tlater: it waits/' "$SST_TMP/good" >"$SST_TMP/bad"
refused "a number that waits although it has a test"
sed 's/^cs_02\t.*/cs_02\t/' "$SST_TMP/good" >"$SST_TMP/bad"
refused "a number without test and reason"
sed 's/^cs_02\t.*/cs_02\tlater:/' "$SST_TMP/good" >"$SST_TMP/bad"
refused "a number that waits for no reason"
finish
