#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# sstool_metrics - sstool metrics: text that a collector takes, whatever programs say.
# shellcheck source=tests/unit/tools/tool.sh disable=SC1091
. "$SST_SOURCE/tests/unit/tools/tool.sh"

# The text is read by the rules of OpenMetrics; `s` is a list of (name, labels, value)
# of the programs of this test, `types` has the families, `text` is all.
cat >read.py <<'P'
import json, re, sys
text = open("out").read()
assert text.endswith("\n# EOF\n") and text.count("\n# EOF") == 1, "end"
types, units, s, seen, family, order = {}, {}, [], set(), None, []
for line in text.split("\n")[:-2]:
    m = re.fullmatch(r"# (TYPE|UNIT|HELP) ([a-z_][a-z0-9_]*) (.+)", line)
    if m:
        if m[1] == "TYPE":
            assert m[2] not in types, "two parts of " + m[2]
            types[m[2]] = m[3]
            family = m[2]
            assert m[3] in ("gauge", "counter", "info"), line
        assert m[2] == family, line
        if m[1] == "UNIT":
            assert m[2].endswith("_" + m[3]), line
            units[m[2]] = m[3]
        continue
    m = re.fullmatch(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (-?\d+)', line)
    assert m, line
    want = {"counter": "_total", "info": "_info", "gauge": ""}[types[family]]
    assert m[1] == family + want, line
    labels = dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', m[2] or ""))
    assert (m[1], m[2]) not in seen, "twice: " + line
    seen.add((m[1], m[2]))
    if m[2] is None or labels["program"].startswith("test"):
        s.append((m[1][len("securesockets_"):], labels, int(m[3])))
def one(name, **labels):
    found = [v for n, l, v in s if n == name and all(l.get(k) == x for k, x in labels.items())]
    assert len(found) == 1, (name, labels, found, s)
    return found[0]
def units_of(name):
    return units.get("securesockets_" + name)
assert eval("(" + sys.argv[1] + ")"), s
P
is() { check "$1" python3 read.py "$1"; }

cat >good.py <<'P'
import json, sys
listener = {"address": "[::]:443", "backlog": 128, "generation": 7,
    "identities": {"usable": 3, "degraded": 1, "refused": 2, "pending": 0},
    "earliest_expiry": 1800000000, "last_renewal": None,
    "store": {"names": 12, "expired": 1, "cache_bytes": 4096,
        "cache_hits": 70, "cache_misses": 3, "index": "file",
        "index_bytes": 1258291, "index_writer": True, "warm": False, "scan": None},
    "handshakes": {"ok": 10, "acme": 3, "under_way": 1, "failed": {"alert": 4, "slow": 5}},
    "last_error": "secret.example: alert", "waiting": 2}
status = {"schema": 1, "program": "test", "pid": 17, "uid": 5, "version": "0.1.0",
    "openssl": "OpenSSL 3.0", "started": 1700000000, "draining": False,
    "restart_needed": True, "sockets": 9, "connections": {"open": 2, "total": 40},
    "workers": [2], "listeners": [listener], "events": {"renewed": 6, "kept": 0}}
exec(sys.stdin.read())
json.dump({"status": status, "watches": {"schema": 1, "watches": [
    {"path": "/a.example", "rule": "both", "watched": 3, "swept": 4, "every_ms": 10000},
    {"path": "/b", "rule": "static", "watched": 0, "swept": 0, "why": "moved"}]}}, open(sys.argv[1] + ".json", "w"))
P
# document NAME <<<PYTHON: the good one with these changes
document() { python3 good.py "$1"; }

without_a_program_it_is_a_text_all_the_same()
{
	local code=0
	# there may be programs of root, which only root may ask
	(($(id -u) != 0)) && compgen -G '/run/securesockets/*.sock' >/dev/null && code=2
	exits $code metrics
	is 'one("programs") >= 0 and types["securesockets_handshakes"] == "counter"'
	exits 64 metrics now
	exits 64 metrics --frob
	complains "no option '--frob'"
}

every_figure_has_its_sample()
{
	document 17 <<<''
	door 17
	exits 0 metrics
	is 'one("start_time_seconds", pid="17") == 1700000000'
	is 'one("restart_needed", pid="17") == 1 and one("draining", pid="17") == 0'
	is 'one("connections_total", pid="17") == 40 and
	    one("open_connections", pid="17") == 2 and one("sockets", pid="17") == 9'
	is 'one("events_total", kind="renewed") == 6 and one("events_total", kind="kept") == 0'
	is 'one("handshakes_total", address="[::]:443") == 10'
	is 'one("handshake_failures_total", reason="alert", address="[::]:443") == 4 and
	    one("handshake_failures_total", reason="slow") == 5'
	is 'one("handshakes_under_way") == 1 and one("waiting_connections") == 2 and
	    one("backlog") == 128'
	is 'one("certificates", state="usable") == 3 and one("certificates", state="refused") == 2'
	is 'one("certificate_generation") == 7 and
	    one("certificate_earliest_expiry_timestamp_seconds") == 1800000000'
	is 'one("acme_validations_total") == 3 and one("store_names") == 12 and
	    one("store_cache_bytes") == 4096 and
	    one("store_cache_hits_total") == 70 and one("store_cache_misses_total") == 3 and
	    one("store_index_bytes") == 1258291'
	is 'one("store_index_writer") == 1 and one("store_warm") == 0 and
	    units_of("store_cache_bytes") == "bytes"'
	is 'one("watched_directories") == 3 and one("swept_names") == 4 and
	    one("static_sources") == 1'
	is 'not [1 for n, l, v in s if n.startswith("store_scan")]'
	# what is not known has no sample
	is 'not [1 for n, l, v in s if n == "certificate_last_renewal_timestamp_seconds"]'
	is 'one("build_info", version="0.1.0", openssl="OpenSSL 3.0", program="test") == 1'
	is 'one("programs") >= 1 and "secret" not in text'
}

a_directory_that_is_read_has_its_samples()
{
	document 23 <<'P'
status["pid"] = 23
listener["store"]["scan"] = {"names": 100000, "read": 41200, "since": 1700000000,
    "left": 7}
P
	door 23
	exits 0 metrics
	is 'one("store_scan_names", pid="23") == 100000 and
	    one("store_scan_read_names", pid="23") == 41200 and
	    one("store_scan_start_time_seconds", pid="23") == 1700000000'
	is 'not [1 for n, l, v in s if n.startswith("store_scan") and l["pid"] != "23"]'
	exits 0 status
	says '^    reading: 41200 of 100000 names since 2023-11-14T22:13:20Z, about 7 s left$'
	document 23 <<'P'
status["pid"] = 23
listener["store"]["scan"] = {"names": 100000, "read": 0, "since": 1700000000,
    "left": None}
P
	exits 0 status
	says '^    reading: 0 of 100000 names since 2023-11-14T22:13:20Z$'
	document 23 <<'P'
status["pid"] = 23
P
	exits 0 status
	never 'reading:'
	exits 0 metrics
	is 'not [1 for n, l, v in s if n.startswith("store_scan")]'
}

listeners_and_programs_are_told_apart()
{
	document 18 <<'P'
status["program"], status["pid"] = "test2", 18
other = dict(listener, address="192.0.2.1:8443", generation=9)
status["listeners"] = [listener, other, dict(listener, generation=8)]
P
	door 18
	exits 0 metrics
	is 'one("certificate_generation", pid="18", address="192.0.2.1:8443") == 9'
	is 'one("certificate_generation", pid="18", copy="1") == 8'
	is 'one("certificate_generation", pid="17") == 7'
}

what_a_program_says_cannot_forge_a_line()
{
	document 19 <<'P'
status["program"], status["pid"] = 'test"} 1\n# EOF\nx\\ \x1b[31m', 19
status["listeners"] = [dict(listener, address='a.example"} 1\n'),
    dict(listener, address="SNI.example"), dict(listener, address="[::1]:1",
    handshakes={"ok": "many", "failed": {"sni.example": 1, "A": 2, "alert": 3, "": 4}})]
status["events"] = {'x"} 1\n': 1, "k" * 40: 2, "kept": 2**70 if 0 else 3}
status["sockets"] = "9"
P
	door 19
	exits 0 metrics
	is 'one("events_total", pid="19", kind="kept") == 3'
	is 'len([1 for n, l, v in s if n == "events_total" and l["pid"] == "19"]) == 1'
	is 'one("handshake_failures_total", pid="19") == 3'
	is 'not [1 for n, l, v in s if n == "handshakes_total" and l["pid"] == "19"]'
	is '"example" not in text and "\x1b" not in text'
	# twice the same program is once
	document 20 <<<'status["pid"] = 17'
	door 20
	exits 0 metrics
	is 'one("sockets", pid="17") == 9'
}

a_program_that_says_nothing_is_said_so()
{
	printf '{"status": "junk"}' >21.json
	door 21
	exits 75 metrics
	complains '1 did not answer within 2 s|[0-9]+ did not answer'
	is 'one("programs_silent") >= 1 and one("sockets", pid="17") == 9'
	exits 0 status
	says 'test\[17\]'
	says '^    names 12  cache 4\.0 KiB \(hits 70, misses 3\)  index file 1\.2 MiB, written here$'
	grep -q 'did not answer' said || wrong "status does not say so"
}

how_names_without_a_watch_are_seen_is_said()
{
	document 22 <<<'status["pid"] = 22'
	python3 - <<'P'
import json
d = json.load(open("22.json"))
both = {"rule": "both", "watched": 3, "swept": 4, "why": "no inotify watch is left"}
d["watches"]["watches"] = [dict(both, path="/held", mark="held", every_ms=60000),
    dict(both, path="/busy", mark="busy", every_ms=10000),
    dict(both, path="/none", mark=None, every_ms=10000)]
json.dump(d, open("22.json", "w"))
P
	door 22
	exits 0 status
	says '/held  both: 3 .* 4 names are looked at every 60 s, their file system is marked'
	says '/busy  both: 3 .* 4 names are looked at every 10 s \('
	"$SSTOOL" doctor >out 2>said
	says '/held: a change is seen at once; 3 .* for 4 names their file system is marked'
	says '/busy: .*; 4 are looked at every 10 s, since too much is written on'
	says '/none: .*; 4 are looked at every 10 s; type'
}

without_a_program_it_is_a_text_all_the_same
every_figure_has_its_sample
a_directory_that_is_read_has_its_samples
listeners_and_programs_are_told_apart
what_a_program_says_cannot_forge_a_line
a_program_that_says_nothing_is_said_so
how_names_without_a_watch_are_seen_is_said
finish
