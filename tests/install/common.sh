# SPDX-License-Identifier: ISC
# shellcheck shell=bash disable=SC2034,SC2054
#
# common - what the scripts of this folder share. They run in a directory of
# their own that is gone when they end, with every process they started.
set -u
# shellcheck source=tools/setup.sh disable=SC1091
. "$SST_SOURCE/tools/setup.sh"

FAILURES=0
SANITIZE=()
case $SST_SANITIZER in
asan) SANITIZE=(-fsanitize=address,undefined) ;;
tsan) SANITIZE=(-fsanitize=thread) ;;
esac

# wrong TEXT...: one thing that is not as it should be
wrong()
{
	sst_say "WRONG: $*"
	FAILURES=$((FAILURES + 1))
}

# check TEXT COMMAND...: the command must succeed
check()
{
	local text=$1
	shift
	"$@" >"$SST_TMP/check.log" 2>&1 && return
	wrong "$text"
	tail -n 15 "$SST_TMP/check.log" >&2
}

# same TEXT FILE FILE
same()
{
	diff -u "$2" "$3" >"$SST_TMP/same.log" && return
	wrong "$1"
	cat "$SST_TMP/same.log" >&2
}

finish()
{
	((FAILURES == 0)) || {
		sst_say "$FAILURES wrong"
		exit 1
	}
	exit 0
}

# library NAME: its file in the build tree
library()
{
	find "$SST_BUILD/src" -name "lib$1.so" | head -n 1
}

# The names that the public header $1 declares as functions.
prototypes()
{
	"$CC" -E -P -I "$SST_SOURCE/include" -x c - <<<"#include <$1>" |
		grep -oE '\bsst_[a-z0-9_]+ *\(' | tr -d '( ' | sort -u
}

# What the library $1 exports.
exported()
{
	nm -D --defined-only "$1" | awk '$2 ~ /[TDBRW]/ { sub(/@.*/, "", $3); print $3 }' |
		sort -u
}

RENAMED="accept accept4 bind connect getpeername getsockname getsockopt listen
setsockopt shutdown socket"

# The program in the README.
readme_program()
{
	awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$SST_SOURCE/README.md"
}

sst_begin
