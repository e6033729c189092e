#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# interrupt - Ctrl-C in the middle of tools/test leaves no process and no file.
#
# In a copy of the tree, which it builds: minutes, so only in tools/test --all.
# shellcheck source=tests/install/common.sh disable=SC1091,SC2317
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

TREE=$SST_TMP/tree
OWN_TMP=$SST_TMP/tmp
mkdir "$TREE" "$OWN_TMP"
chmod 711 "$SST_TMP"
tar -C "$SST_SOURCE" --exclude=./build --exclude=./.git -cf - . | tar -C "$TREE" -xf -

# $1: a pattern for what runs. Their numbers; one look, as scenes are short.
running()
{
	find /proc -mindepth 2 -maxdepth 2 -name exe -path '/proc/[0-9]*' -lname "$1" \
		-printf '%h\n' 2>/dev/null | sed 's|.*/||'
}

# $1: seconds, $2...: until this command succeeds
until_soon()
{
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.05
	done
}

has_agents() { [[ $(running "$OWN_TMP/*/securesocketsd") == *$'\n'* ]]; }
is_over() { ! kill -0 "$JOB" 2>/dev/null; }
nothing_runs() { [[ -z $(running "$SST_TMP/*") ]]; }
nothing_lies() { [[ -z $(ls -A "$OWN_TMP") ]]; }

# $1: which tests, $2: signal, $3: exit status
interrupt()
{
	local status
	# With job control it is a group of its own and takes SIGINT, as in a
	# terminal.
	set -m
	TMPDIR=$OWN_TMP "$TREE/tools/test" -- -R "$1" >"$SST_TMP/log" 2>&1 </dev/null &
	JOB=$!
	set +m
	if ! until_soon 900 has_agents; then
		wrong "tools/test runs no test with agents"
		tail -n 15 "$SST_TMP/log" >&2
	fi
	kill "-$2" -- "-$JOB"
	until_soon 60 is_over || {
		wrong "$2: tools/test goes on"
		kill -KILL -- "-$JOB" 2>/dev/null
	}
	wait "$JOB"
	status=$?
	((status == $3)) || wrong "$2: exit status $status"
	until_soon 20 nothing_runs || {
		wrong "$2: left running:"
		ps -o pid,args -p "$(running "$SST_TMP/*" | paste -sd, -)" >&2
		kill -KILL -- "-$JOB" 2>/dev/null
	}
	until_soon 5 nothing_lies || {
		wrong "$2: left in the directory for temporary files:"
		ls -A "$OWN_TMP" >&2
	}
}

interrupt '^e2e_life$' INT 130
interrupt '^e2e_(hostile|bytes)$' INT 130
interrupt '^e2e_calls$' TERM 143
finish
