#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# sstool_doctor - sstool doctor in sandboxes that really forbid, and on units.
# Each finding has an arm where the same thing is allowed. SST_DENY is the
# program `deny` of this folder.
# shellcheck source=tests/install/common.sh disable=SC1091
. "$SST_SOURCE/tests/install/common.sh"

SSTOOL=$SST_BUILD/tools/sstool
LD_LIBRARY_PATH=$(dirname "$(library securesockets)"):$(dirname "$(library securesockets-openssl)")
SECURESOCKETS_AGENT=$(find "$SST_BUILD/src" -name securesocketsd -type f)
export LD_LIBRARY_PATH SECURESOCKETS_AGENT
unset SSL_CERT_FILE SSL_CERT_DIR SYSTEMD_UNIT_PATH LD_PRELOAD
ROOT=0
[[ $(id -u) != 0 ]] || ROOT=1

# doctor CODE [COMMAND...] : [ARGUMENTS...]: under COMMAND, with exit status CODE
doctor()
{
	local want=$1 got
	local -a before=()
	shift
	while [[ $1 != : ]]; do
		before+=("$1")
		shift
	done
	shift
	"${before[@]}" "$SSTOOL" doctor "$@" >"$SST_TMP/out" 2>"$SST_TMP/said"
	got=$?
	((got == want)) || {
		wrong "${before[*]} doctor $*: exit $got, not $want"
		cat "$SST_TMP/out" "$SST_TMP/said" >&2
	}
}
says() { grep -qE -- "$1" "$SST_TMP/out" || {
	wrong "not said: $1"
	cat "$SST_TMP/out" >&2
}; }
says_not() { ! grep -E -- "$1" "$SST_TMP/out" >&2 || wrong "said: $1"; }

# Whether system call filters can be set here at all.
FILTERS=1
"$SST_DENY" errno mkdir -- /bin/true
[[ $? != 77 ]] || FILTERS=0

here_nothing_is_forbidden()
{
	doctor 0 :
	says '^ok +unix +AF_UNIX'
	says '^ok +descriptors '
	says "^ok +securesocketsd +$SECURESOCKETS_AGENT [0-9.]+$"
	says '^ok +pair +keeper and relay start'
	says '^ok +loopback '
	says '^ok +handshake '
	# A sanitizer's runtime must come before what is preloaded.
	[[ -n $SST_SANITIZER ]] ||
		says '^ok +preload +LD_PRELOAD=/.*libsecuresockets\.so'
	says '^(ok|warn) +clock +20[0-9][0-9]-'
	says '^ok +filter +seccomp: '
	says_not '^fail'
	doctor 0 : --json
	check "each line is JSON" python3 -c 'import json, sys
seen = set()
for line in open(sys.argv[1]):
    o = json.loads(line)
    assert o["schema"] == 1 and o["result"] in ("ok", "warn"), o
    assert isinstance(o["why"], str) and "type" in o, o
    seen.add(o["what"])
assert {"unix", "pair", "RLIMIT_NOFILE", "roots", "libssl"} <= seen, seen' "$SST_TMP/out"
	doctor 64 : two words
	doctor 64 : --unit x program
	doctor 64 : --unit ''
	doctor 64 : --no-such
}

families_that_a_filter_takes()
{
	doctor 1 "$SST_DENY" errno AF_UNIX -- :
	says '^fail +unix .*Address family not supported.*; type: RestrictAddressFamilies=AF_UNIX$'
	says '^fail +pair '
	says '^ok +filter +seccomp: a filter.*no_new_privs: yes'
	doctor 0 "$SST_DENY" errno AF_INET6 -- :
	says '^ok +unix '
	says '^warn +network +no IPv6: Address family'
	doctor 1 "$SST_DENY" errno AF_INET AF_INET6 -- :
	says '^fail +network +neither IPv4 .*; type: RestrictAddressFamilies=AF_INET AF_INET6$'
}

# What doctor_calls.c says of each call is what refusing it does. What sstool
# itself cannot do without, or waits seconds for, is left out.
calls_that_a_filter_takes()
{
	local name use want
	while read -r name use; do
		want=1
		[[ $use != MADE ]] || want=0
		[[ $use != ROOTS || $ROOT == 1 ]] || want=0
		"$SST_DENY" errno "$name" -- /bin/true 2>/dev/null
		[[ $? != 64 ]] || continue
		doctor "$want" "$SST_DENY" errno "$name" -- :
	done < <(sed -nE 's/^\t\{ "([a-z0-9_]+)", SST_CALL_([A-Z]+),.*/\1 \2/p' \
		"$SST_SOURCE/tools/doctor_calls.c" |
		grep -vE '^(wait4|ppoll|poll|accept4) ')
	doctor 1 "$SST_DENY" kill capset -- :
	says '^fail +pair .*signal 31.*; type: SystemCallFilter=@system-service$'
	doctor 1 "$SST_DENY" kill memfd_create -- :
	says '^fail +descriptors .*Bad system call; type: SystemCallFilter='
	doctor 1 "$SST_DENY" errno timer_create -- :
	says '^ok +pair '
	says '^fail +handshake +.*; type: SystemCallFilter=@system-service$'
	doctor 0 "$SST_DENY" errno inotify_init1 -- :
	says '^warn +inotify .*every 10 s'
	doctor 1 "$SST_DENY" errno clone -- :
	says '^fail +process .*cannot fork.*; type: SystemCallFilter=@process$'
	says_not '^(ok|warn|fail) +pair '
}

# The groups in doctor_calls.c are systemd's.
groups_are_those_of_systemd()
{
	command -v systemd-analyze >/dev/null || return
	check "groups of doctor_calls.c" python3 -c '
import re, subprocess, sys
groups, name = {}, None
for line in subprocess.check_output(["systemd-analyze", "syscall-filter"], text=True,
        stderr=subprocess.DEVNULL).splitlines():
    if line.startswith("@"):
        groups[name := line.strip()] = []
    elif name and line.strip() and not line.strip().startswith("#"):
        groups[name].append(line.strip())
def calls(group):
    found = set()
    for m in groups.get(group, []):
        found |= calls(m) if m[0] == "@" else {m}
    return found
held = {g: calls(g) for g in groups}
n = 0
for call, mine in re.findall("\\{ \"([a-z0-9_]+)\", SST_CALL_[A-Z]+, (.*) \\}",
        open(sys.argv[1]).read()):
    mine = set(mine.replace("SERVICE", "@system-service").replace("\"", " ").split())
    theirs = {g for g in held if call in held[g]}
    assert "@default" not in theirs, call
    # close and dup of old releases are in one group more
    assert mine <= theirs, (call, mine, theirs)
    n += 1
assert n > 50, n' "$SST_SOURCE/tools/doctor_calls.c"
}

limits_of_descriptors()
{
	doctor 1 prlimit --nofile=37:37 :
	says '^fail +RLIMIT_NOFILE +the hard limit 37 .*; type: LimitNOFILE='
	says '^fail +pair .*RLIMIT_NOFILE'
	doctor 0 prlimit --nofile=38:38 :
	says '^warn +RLIMIT_NOFILE +0 connections'
	says '^ok +pair '
	doctor 0 prlimit --nofile=108:1038 :
	says '^warn +RLIMIT_NOFILE +100 connections at once: soft 108 .*hard 1038 .*; type:'
	doctor 0 prlimit --nofile=1038:1038 :
	says '^ok +RLIMIT_NOFILE +500 connections'
}

a_helper_that_is_missing_or_another()
{
	doctor 1 env SECURESOCKETS_AGENT="$SST_TMP/none" :
	says "^fail +securesocketsd +$SST_TMP/none: No such file or directory; type:"
	says '^fail +pair .*No buffer space available: cannot start'
	cp "$SECURESOCKETS_AGENT" "$SST_TMP/plain"
	chmod 644 "$SST_TMP/plain"
	doctor 1 env SECURESOCKETS_AGENT="$SST_TMP/plain" :
	says '^fail +securesocketsd .*does not run: Permission denied'
	printf '#!/bin/sh\necho securesocketsd 0.0.1\n' >"$SST_TMP/old"
	chmod 755 "$SST_TMP/old"
	doctor 1 env SECURESOCKETS_AGENT="$SST_TMP/old" :
	says "^fail +securesocketsd .*another release: 'securesocketsd 0\.0\.1'"
}

roots_that_clients_believe()
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout /dev/null -out "$SST_TMP/root.pem" -subj /CN=root \
		-days 30 2>/dev/null
	chmod 755 "$SST_TMP"
	chmod 644 "$SST_TMP/root.pem"
	doctor 0 env SSL_CERT_FILE="$SST_TMP/root.pem" :
	says "^ok +roots +$SST_TMP/root\.pem and /"
	doctor 0 env SSL_CERT_FILE="$SST_TMP/none" :
	says "^warn +roots +clients believe nobody: $SST_TMP/none: No such file.*; type: unset SSL_CERT_FILE$"
	says '^ok +loopback '
	says '^ok +handshake '
	echo none >"$SST_TMP/no.pem"
	chmod 644 "$SST_TMP/no.pem"
	doctor 0 env SSL_CERT_FILE="$SST_TMP/no.pem" :
	says '^warn +roots .*no certificate in PEM'
	mkdir -m 755 "$SST_TMP/roots"
	if ! [[ -e $(openssl version -d | sed 's/.*"\(.*\)"/\1/')/cert.pem ]]; then
		cp "$SST_TMP/root.pem" "$SST_TMP/roots/root.pem"
		doctor 0 env SSL_CERT_DIR="$SST_TMP/roots" :
		says '^warn +roots +clients believe nobody: nothing in '
		openssl rehash "$SST_TMP/roots"
		doctor 0 env SSL_CERT_DIR="$SST_TMP/roots" :
		says "^ok +roots .* and $SST_TMP/roots$"
	fi
	[[ $ROOT == 1 ]] || return
	# root reads it, the relay does not
	chmod 600 "$SST_TMP/root.pem"
	doctor 0 env SSL_CERT_FILE="$SST_TMP/root.pem" :
	says '^warn +roots .*Permission denied .*; type: chmod o\+r'
}

namespaces()
{
	unshare -m true 2>/dev/null || return
	if [[ -z $SST_SANITIZER ]]; then	# a leak checker needs /proc
		doctor 0 unshare -m sh -c 'umount -l /proc && exec "$@"' sh :
		says '^warn +/proc .*static; type: mount -t proc proc /proc$'
	fi
	doctor 0 unshare -n :
	says '^warn +loopback .*; type: ip link set lo up$'
	doctor 0 unshare -pf --mount-proc :
	says '^ok +place +pid 1, PID 1'
	says '^ok +/proc '
	mkdir "$SST_TMP/noexec"
	doctor 1 unshare -m sh -c 'mount -t tmpfs -o noexec none "$1" &&
		cp "$SECURESOCKETS_AGENT" "$1" &&
		export SECURESOCKETS_AGENT="$1/securesocketsd" && shift && exec "$@"' \
		sh "$SST_TMP/noexec" :
	says '^fail +securesocketsd .*mounted noexec'
	doctor 1 setpriv --bounding-set -setgid --inh-caps -all :
	says '^fail +pair .*setgroups.*; type: CapabilityBoundingSet=CAP_SETUID CAP_SETGID$'
	setpriv --reuid 12345 --regid 12345 --clear-groups \
		"$SECURESOCKETS_AGENT" --version >/dev/null 2>&1 || return
	doctor 0 setpriv --reuid 12345 --regid 12345 --clear-groups :
	says '^ok +user +the relay keeps uid 12345'
	says '^warn +status +/run/user/12345/.*; type: loginctl enable-linger$'
}

programs_that_run_would_take()
{
	doctor 0 : /bin/true
	says '^ok +program +/bin/true loads the library$'
	says '^ok +run +sstool run starts a program$'
	doctor 0 : true
	doctor 1 : "$SST_TMP/none"
	says "^fail +program +$SST_TMP/none: No such file"
	cp /bin/true "$SST_TMP/raised"
	chmod 4755 "$SST_TMP/raised"
	doctor 1 : "$SST_TMP/raised"
	says "^fail +program +$SST_TMP/raised .*set-user"
	says '^ok +pair '
	doctor 1 prlimit --nofile=30:30 : /bin/true
	says '^fail +run '
	doctor 1 : --json "$SST_TMP/none"
	says '"result":"fail","what":"program"'
}

# A root without the helper: the sockets work, the pair does not start.
a_chroot_without_the_helper()
{
	local lib
	chroot / true 2>/dev/null || return
	mkdir -p "$SST_TMP/jail/bin"
	ldd "$SSTOOL" | grep -oE '/[^ ]+' | while read -r lib; do
		mkdir -p "$SST_TMP/jail$(dirname "$lib")"
		cp "$lib" "$SST_TMP/jail$lib"
	done
	cp "$SSTOOL" "$SST_TMP/jail/bin"
	chroot "$SST_TMP/jail" /bin/sstool doctor >"$SST_TMP/out" 2>&1 &&
		wrong "a chroot without the helper is fine"
	says '^ok +unix '
	says '^fail +securesocketsd .*No such file'
	says '^fail +pair .*No such file'
	says '^warn +/proc '
	says '^warn +roots +clients believe nobody: nothing in .*; type: apt-get install ca-certificates$'
	mkdir -p "$SST_TMP/jail$(dirname "$SECURESOCKETS_AGENT")"
	ldd "$SECURESOCKETS_AGENT" | grep -oE '/[^ ]+' | while read -r lib; do
		mkdir -p "$SST_TMP/jail$(dirname "$lib")"
		cp -n "$lib" "$SST_TMP/jail$lib"
	done
	cp "$SECURESOCKETS_AGENT" "$SST_TMP/jail$SECURESOCKETS_AGENT"
	chroot "$SST_TMP/jail" /bin/sstool doctor >"$SST_TMP/out" 2>&1 ||
		wrong "a chroot with the helper is not fine"
	says '^ok +pair '
	says '^ok +handshake '
}

# unit CODE SETTING...: a service with these settings
unit()
{
	local code=$1
	shift
	mkdir -p "$SST_TMP/units"
	{
		printf '[Service]\nExecStart=/usr/bin/program\n'
		printf '%s\n' "$@"
	} >"$SST_TMP/units/probe.service"
	doctor "$code" env SYSTEMD_UNIT_PATH="$SST_TMP/units" : --unit probe
}

settings_of_a_unit()
{
	unit 0
	says "^ok +unit +$SST_TMP/units/probe\.service and 0 drop-ins$"
	says '^ok +KillMode +control-group'
	says_not '^(warn|fail)'
	doctor 2 env SYSTEMD_UNIT_PATH="$SST_TMP/units" : --unit nobody
	unit 1 'RestrictAddressFamilies=AF_INET AF_INET6'
	says '^fail +RestrictAddressFamilies .*EAFNOSUPPORT; type: RestrictAddressFamilies=AF_UNIX$'
	says '^settings go under \[Service\] of: systemctl edit probe$'
	unit 1 'RestrictAddressFamilies=~AF_UNIX'
	unit 1 'RestrictAddressFamilies=none'
	unit 1 'RestrictAddressFamilies=AF_UNIX'
	says '^fail .*neither AF_INET nor AF_INET6'
	unit 0 'RestrictAddressFamilies=AF_UNIX AF_INET'
	says '^warn +RestrictAddressFamilies +no AF_INET6'
	unit 0 'RestrictAddressFamilies=AF_INET AF_INET6' 'RestrictAddressFamilies=AF_UNIX'
	says_not '^(warn|fail)'
	unit 1 'NoExecPaths=/' 'ExecPaths=/usr/bin'
	says "^fail +NoExecPaths +$SECURESOCKETS_AGENT may not.*; type: ExecPaths=$SECURESOCKETS_AGENT$"
	unit 0 'NoExecPaths=/' "ExecPaths=/usr/bin /usr/lib $(dirname "$SECURESOCKETS_AGENT")"
	unit 1 'NoExecPaths=/' "ExecPaths=/usr/bin /usr/lib ${SECURESOCKETS_AGENT}x"
	unit 1 'NoExecPaths=/' "ExecPaths=/usr/bin /usr/lib ${SECURESOCKETS_AGENT%/*/*}/s"
	unit 1 "NoExecPaths=$(dirname "$SECURESOCKETS_AGENT")" 'ExecPaths=/'
	unit 0 "NoExecPaths=/boot" 'ExecPaths=/'
	unit 1 "InaccessiblePaths=-$(dirname "$SECURESOCKETS_AGENT")"
	unit 0 'InaccessiblePaths=/boot'
	unit 1 "RootDirectory=$SST_TMP/units"
	says "^fail +RootDirectory .*; type: BindReadOnlyPaths=$SECURESOCKETS_AGENT /"
	unit 0 "RootDirectory=$SST_TMP/units" "BindReadOnlyPaths=$SECURESOCKETS_AGENT"
	mkdir -p "$SST_TMP/units$(dirname "$SECURESOCKETS_AGENT")"
	cp "$SECURESOCKETS_AGENT" "$SST_TMP/units$SECURESOCKETS_AGENT"
	unit 0 "RootDirectory=$SST_TMP/units"
	unit 1 "RootDirectory=$SST_TMP/units" 'Environment="X=1" SECURESOCKETS_AGENT=/elsewhere'
	says '^fail +RootDirectory +no .*/elsewhere'
	unit 0 'RootImage=/some.raw'
	says '^warn +RootImage '
	unit 0 'PrivateNetwork=yes'
	says '^warn +PrivateNetwork .*; type: PrivateNetwork=no$'
	unit 0 'PrivateNetwork=no'
	says_not '^warn'
}

filters_of_a_unit()
{
	unit 0 'SystemCallFilter=@system-service'
	says '^ok +SystemCallFilter '
	unit 1 'SystemCallFilter=@system-service' 'SystemCallFilter=~@privileged @resources'
	says '^fail +SystemCallFilter +the pair is killed.* capset '
	unit 1 'SystemCallFilter=@system-service' 'SystemCallFilter=~@privileged' \
		'SystemCallErrorNumber=EPERM'
	says '^fail +SystemCallFilter +the pair cannot start without: capset setgroups setresuid; type: SystemCallFilter=capset setgroups setresuid$'
	unit 1 'SystemCallFilter=@system-service' 'SystemCallFilter=~@privileged' \
		'SystemCallErrorNumber=EPERM' 'User=nobody'
	says '; type: SystemCallFilter=capset$'
	unit 0 'SystemCallFilter=@system-service' 'SystemCallFilter=~@resources' \
		'SystemCallErrorNumber=EPERM'
	says '^warn +SystemCallFilter +.*: sched_setaffinity sched_setscheduler setpriority;'
	unit 0 'SystemCallFilter=@system-service' 'SystemCallFilter=~@privileged' \
		'SystemCallFilter=capset setgroups setresuid:EPERM'
	unit 1 'SystemCallFilter=~@process'
	says '^fail +SystemCallFilter .* clone clone3 '
	unit 0 'SystemCallFilter=~@mount @reboot @swap'
	unit 1 'SystemCallFilter=~@resources'
	says '^fail +SystemCallFilter +the pair is killed .*: sched_setaffinity '
}

limits_and_the_end_of_a_unit()
{
	unit 0 'LimitNOFILE=1024'
	says '^warn +LimitNOFILE +493 connections at once: soft 1024 .*; type: LimitNOFILE='
	unit 0 'LimitNOFILE=65536:131072'
	says '^ok +LimitNOFILE +65517 connections'
	unit 1 'LimitNOFILE=32'
	unit 0 'LimitNOFILE=infinity'
	says '^ok +LimitNOFILE'
	# a program of one task, keeper, relay, loader, and a worker for each core
	local tasks
	tasks=$(getconf _NPROCESSORS_ONLN)
	tasks=$((4 + (tasks < 8 ? tasks : 8)))
	unit 1 "TasksMax=$((tasks - 1))"
	says "^fail +TasksMax +$((tasks - 1)): .* $((tasks - 1)) of the pair .*; type: TasksMax=$((2 * tasks))$"
	unit 0 "TasksMax=$tasks"
	says "^warn +TasksMax"
	unit 0 "TasksMax=$((2 * tasks))"
	says '^ok +TasksMax'
	unit 0 'TasksMax=infinity'
	says '^ok +TasksMax +infinity'
	unit 0 'KillMode=mixed'
	says '^warn +KillMode +mixed: .*not sent yet is lost; type: KillMode=control-group$'
	unit 0 'KillMode=process'
	says '^warn +KillMode +process: the pair stays'
	unit 0 'KillSignal=SIGKILL'
	says '^warn +KillSignal'
	unit 0 'MemoryDenyWriteExecute=yes' 'PrivateTmp=yes' 'ProtectProc=invisible'
	says '^ok +harmless +MemoryDenyWriteExecute, PrivateTmp, ProtectProc$'
	says_not '^(warn|fail)'
	unit 0 'MemoryDenyWriteExecute=no'
	says_not 'harmless'
}

rights_of_a_unit()
{
	unit 1 'CapabilityBoundingSet=CAP_NET_BIND_SERVICE'
	says '^fail +CapabilityBoundingSet .*; type: CapabilityBoundingSet=CAP_SETUID CAP_SETGID$'
	unit 1 'CapabilityBoundingSet='
	unit 1 'CapabilityBoundingSet=~CAP_SETGID'
	unit 1 'CapabilityBoundingSet=~CAP_SETUID'
	unit 0 'CapabilityBoundingSet=CAP_NET_BIND_SERVICE cap_setuid cap_setgid'
	unit 0 'CapabilityBoundingSet=CAP_NET_BIND_SERVICE' 'User=nobody'
	says '^warn +User +nobody has no /run/user.*; type: loginctl enable-linger nobody$'
	unit 0 'DynamicUser=yes'
	says '^warn +DynamicUser '
	unit 0 'ProtectSystem=strict'
	says '^warn +ProtectSystem .*; type: ReadWritePaths=/run$'
	unit 0 'ProtectSystem=strict' 'ReadWritePaths=/run'
	says_not '^warn'
	unit 0 'User=sst-nobody-has-this-name'
	says '^warn +User .*is not a user of this machine'
	chmod 755 "$SST_TMP"
	printf '%s\n' '-----BEGIN PRIVATE KEY-----' >"$SST_TMP/key.pem"
	chmod 600 "$SST_TMP/key.pem"
	unit 0 'User=nobody' "Environment=KEY=$SST_TMP/key.pem"
	says "^warn +User +nobody cannot read $SST_TMP/key\.pem"
	chmod 644 "$SST_TMP/key.pem"
	unit 0 'User=nobody' "Environment=KEY=$SST_TMP/key.pem"
	says "^ok +User +nobody reads $SST_TMP/key\.pem$"
	mkdir -m 700 "$SST_TMP/closed"
	cp -p "$SST_TMP/key.pem" "$SST_TMP/closed/key.pem"
	unit 0 'User=nobody' "Environment=KEY=$SST_TMP/closed/key.pem"
	says "^warn +User .*\($SST_TMP/closed\)"
	chmod 711 "$SST_TMP/closed"
	unit 0 'User=nobody' "Environment=KEY=$SST_TMP/closed/key.pem"
	says "^ok +User +nobody reads $SST_TMP/closed/key\.pem$"
	mkdir -m 711 "$SST_TMP/certs"
	unit 0 'User=nobody' "Environment=KEY=$SST_TMP/certs"
	says "^warn +User .*\($SST_TMP/certs\)"
	unit 0 'User=nobody' "Environment=KEY=$SST_TMP/units/probe.service"
	says_not 'probe\.service.*reads|reads .*probe\.service'
}

# What the manual's rows begin with is what strerror() says.
symptoms_are_the_texts_of_the_system()
{
	check "texts in securesockets(7)" python3 -c '
import os, re, sys
texts = {os.strerror(n) for n in range(1, 134)}
rows = re.findall(r"^\.It Li (?:socket|connect|listen|accept|read|write|setsockopt): (.*?)(?: [,N].*)?$",
    open(sys.argv[1]).read(), re.M)
assert len(rows) > 12, rows
for row in rows:
    assert row.replace("\\&", "") in texts, row' "$SST_SOURCE/tools/man/securesockets.7"
}

symptoms_are_the_texts_of_the_system
here_nothing_is_forbidden
if ((FILTERS)); then
	families_that_a_filter_takes
fi
# A sanitizer makes calls of its own, and needs /proc.
if ((FILTERS)) && [[ -z $SST_SANITIZER ]]; then
	calls_that_a_filter_takes
fi
groups_are_those_of_systemd
limits_of_descriptors
a_helper_that_is_missing_or_another
roots_that_clients_believe
[[ -n $SST_SANITIZER ]] || programs_that_run_would_take
if ((ROOT)); then
	namespaces
	[[ -n $SST_SANITIZER ]] || a_chroot_without_the_helper
fi
settings_of_a_unit
filters_of_a_unit
limits_and_the_end_of_a_unit
rights_of_a_unit
finish
