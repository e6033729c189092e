#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# manual - the pages, the headers and the programs say the same.
# shellcheck source=tests/install/common.sh disable=SC1091
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

PAGE=$SST_SOURCE/tools/man/securesockets.7
CONF_PAGE=$SST_SOURCE/tools/man/securesockets.conf.5
TOOL_PAGE=$SST_SOURCE/tools/man/sstool.1
SSTOOL=$SST_BUILD/tools/sstool

options_are_those_of_the_library()
{
	"$SSTOOL" options --json | sed -E 's/.*"name":"([A-Z_0-9]+)","number":([0-9]+),"type":"([a-z0-9_]+)","set":"([a-z-]+)","get":"([a-z-]+)".*/\1 \2 \3 \4 \5/' \
		>"$SST_TMP/library"
	sed -nE 's/^\.It Dv (TLS_[A-Z_0-9]+) Pq ([0-9]+), ([a-z0-9_]+), set ([a-z-]+), get ([a-z-]+)$/\1 \2 \3 \4 \5/p' \
		"$PAGE" >"$SST_TMP/page"
	[[ -s $SST_TMP/library ]] || wrong "sstool options printed nothing"
	same "the table of options in securesockets(7)" \
		"$SST_TMP/library" "$SST_TMP/page"
	# and each has the number that programs are compiled with
	{
		echo '#define SECURESOCKETS_NO_RENAME'
		echo '#include <securesockets.h>'
		awk '{ print "_Static_assert(" $1 " == " $2 ", \"" $1 "\");" }' \
			"$SST_TMP/library"
	} >"$SST_TMP/numbers.c"
	check "numbers of the header" "$CC" -I "$SST_SOURCE/include" \
		-fsyntax-only "$SST_TMP/numbers.c"
}

summaries_are_those_of_the_library()
{
	"$SSTOOL" options | sed 1d | awk '{
		$1 = $3 = $4 = $5 = $6 = ""; print tolower($0) }' |
		tr -s ' ' | sed 's/^ //; s/$/./' >"$SST_TMP/library"
	awk '/^\.It Dv TLS_/ { if (text != "") print text; text = $3; on = 1; next }
		/^\./ { if (text != "") print text; text = ""; on = 0 }
		on { text = text " " $0 }' "$PAGE" | tr "[:upper:]" "[:lower:]" |
		tr -s ' ' >"$SST_TMP/page"
	same "what securesockets(7) says of the options" \
		"$SST_TMP/library" "$SST_TMP/page"
}

constants_exist()
{
	local name
	grep -ohE '\b(TLS_[A-Z0-9_]+|IPPROTO_TLS)\b' "$PAGE" "$TOOL_PAGE" "$CONF_PAGE" \
		"$SST_SOURCE/README.md" "$SST_SOURCE/SECURITY.md" |
		sort -u >"$SST_TMP/names"
	while read -r name; do
		grep -qE "^#define $name\b" "$SST_SOURCE/include/securesockets.h" ||
			wrong "$name is in the documents and in no header"
	done <"$SST_TMP/names"
}

calls_are_mentioned()
{
	local call
	for call in $RENAMED; do
		[[ $call == accept4 ]] && continue	# accept(2) is its page
		grep -qE "^\.Xr $call 2\b" "$PAGE" ||
			wrong "securesockets(7) does not mention $call(2)"
	done
	for call in $(grep -oE '#pragma redefine_extname [a-z0-9]+' \
		"$SST_SOURCE/include/securesockets.h" | awk '{ print $3 }'); do
		grep -qw "$call" <<<"$RENAMED" ||
			wrong "$call is renamed and not in the list of this test"
	done
}

verbs_and_their_options_are_those_of_the_tool()
{
	local verb option file
	"$SSTOOL" --help | sed -nE 's/^  ((cert |cache )?[a-z][a-z-]*) ?.*/\1/p' | sort \
		>"$SST_TMP/tool"
	sed -nE 's/^\.It Cm ((cert |cache )?[a-z][a-z-]*)$/\1/p' "$TOOL_PAGE" | sort \
		>"$SST_TMP/page"
	same "the verbs in sstool(1)" "$SST_TMP/tool" "$SST_TMP/page"
	while read -r verb; do
		file=$SST_SOURCE/tools/${verb//[ -]/_}.c
		grep -oE '^\s+\{ "[a-z-]+", (no|required)_argument' "$file" |
			sed -E 's/.*"(.*)".*/\1/' | sort >"$SST_TMP/tool-options"
		awk -v verb="$verb" '
			/^\.Nm/ { on = 0 } /^\.Sh DESCRIPTION/ { exit }
			$0 == ".Cm " verb { on = 1 } on' "$TOOL_PAGE" |
			grep -oE 'Fl -[a-z-]+' | sed 's/Fl -//' | sort -u \
			>"$SST_TMP/page-options"
		same "the options of sstool $verb in its synopsis" \
			"$SST_TMP/tool-options" "$SST_TMP/page-options"
		while read -r option; do
			grep -q -- "--$option\b" "$SST_SOURCE/tools/sstool.bash" ||
				wrong "sstool.bash does not complete --$option"
		done <"$SST_TMP/tool-options"
	done <"$SST_TMP/tool"
}

the_example_is_the_readmes()
{
	awk '/^\.Bd -literal -offset indent/ { on = 1; next } /^\.Ed/ { on = 0 } on' \
		"$PAGE" | sed 's/\\e/\\/g' >"$SST_TMP/page"
	readme_program >"$SST_TMP/readme"
	same "the program in securesockets(7) and in README.md" \
		"$SST_TMP/readme" "$SST_TMP/page"
}

pages_have_no_mistakes()
{
	command -v mandoc >/dev/null || return
	mandoc -Tlint -W warning "$PAGE" "$TOOL_PAGE" "$CONF_PAGE" >"$SST_TMP/lint" 2>/dev/null
	grep -v 'referenced manual not found' "$SST_TMP/lint" >&2 &&
		wrong "mandoc -Tlint"
}

version_is_one()
{
	local version
	version=$(sed -nE 's/^project\(securesockets VERSION ([0-9.]+).*/\1/p' \
		"$SST_SOURCE/CMakeLists.txt")
	[[ $("$SSTOOL" --version) == "sstool $version" ]] ||
		wrong "sstool --version is not $version"
	grep -q "^## $version$" "$SST_SOURCE/CHANGELOG.md" ||
		wrong "CHANGELOG.md has no part for $version"
}

export LD_LIBRARY_PATH
LD_LIBRARY_PATH=$(dirname "$(library securesockets)"):$(dirname "$(library securesockets-openssl)")
options_are_those_of_the_library
summaries_are_those_of_the_library
constants_exist
calls_are_mentioned
verbs_and_their_options_are_those_of_the_tool
the_example_is_the_readmes
pages_have_no_mistakes
version_is_one
finish
