#!/bin/bash
# Checks tests/known-bugs.md: each known bug is there once, and what is named exists. TAP on
# stdout, exit status 1 if anything fails.
#
#	tests/scripts/known-bugs-test.sh [DIR]		the kernel's new files from DIR
# shellcheck disable=SC2016,SC2317 # backticks as such; the checks are called through ok
# shellcheck source=tests/scripts/tap.sh
. "$(dirname "$0")/tap.sh"

table=$top/tests/known-bugs.md
src=${1:-$top}

ids() {
	local i
	for i in {G,P,U,M,W}{1..20} KFD; do
		case $i in
		G20 | U[89] | U1? | U20 | M1[1-9] | M20 | W1[2-9] | W20) ;;
		*) echo "$i" ;;
		esac
	done | sort
}

# column N: of all rows.
column() { sed -nE '/^\| (id|[GPUMW][0-9]+|KFD)\b/!d; /^\| id /!p' "$table" | awk -F ' *[|] *' -v n="$1" '{ print $(n + 1) }'; }

every_id_once() { diff <(ids) <(column 1 | sort); }
rows_are_complete() {
	! column 2 | grep -n '^$' && ! column 3 | grep -nv '`' && ! grep -nE '^\|' "$table" | grep -vE '\| .+ \| .+ \|$|\|---\|---\|---\|'
}

# named: what stands between backticks in the last column.
named() { column 3 | grep -oE '`[^`]+`' | tr -d '`' | sort -u; }

# cases: of the suites that have a list, and of those that have none yet but a source.
cases() {
	local list file suite
	while read -r list; do
		grep -v '^#' "$list"
	done < <(find "$top/tests/kunit" -name '*.list')
	while read -r file; do
		suite=$(sed -nE 's/^\t\.name = "([a-z_]+)",$/\1/p' "$file" | tail -n1)
		[ -n "$(find "$top/tests/kunit" -name "$suite.list")" ] ||
			sed -nE "s/^\tKUNIT_CASE(_[A-Z_]+)?\(([a-z0-9_]+).*/$suite.\2/p" "$file"
	done < <(find "$src"/{mm,drivers/gpu/drm}/tests -name '*_test.c' -o -name '*_kunit.c')
}

# Of a parameterised case the parameter may be left out
cases_exist() {
	comm -23 <(named | grep -xE '[a-z_]+\.[a-z0-9_]+') \
		<(cases | sed -E 's/^([a-z_]+\.[a-z0-9_]+).*/\1/' | sort -u) | none 'no such case'
}

# none WHAT: standard input is empty.
none() {
	local lines
	lines=$(cat)
	[ -z "$lines" ] || { printf '%s\n' "$lines" | sed "s/^/$1: /" && return 1; }
}

hmm_tests_exist() {
	comm -23 <(named | sed -n 's/^hmm-tests: //p') \
		<(sed -nE 's/^\+TEST_F\(([a-z0-9_]+), ([a-z0-9_]+)\).*/\1.\2/p' "$top"/patches/*.patch | sort -u) |
		none 'no such test'
}

# source_of FILE: a new file, or what the series changes of an old one.
source_of() {
	find "$src"/{include,drivers/gpu/drm,mm,lib} "$top/scripts" -name "$1" -exec cat {} +
	awk -v file="/$1" '/^diff /{ on = substr($0, length($0) - length(file) + 1) == file } on' "$top"/patches/*.patch
}

# As a DOC section, or as what is defined, called or set
constructions_exist() {
	local file name
	named | sed -nE 's/^by construction: (.+), (.+)$/\1\t\2/p' | while IFS=$'\t' read -r file name; do
		source_of "$file" | grep -E "DOC: $name$|\<$name( \{|[(=;])" >"$dir/found" || echo "$file, $name"
	done | none 'not found'
}

scripts_exist() {
	local script
	named | grep '^scripts/' | while read -r script; do
		[ -x "$top/$script" ] || echo "$script"
	done | none 'no such script'
}

nothing_else_is_named() {
	named | sed -E '/^([a-z_]+\.[a-z0-9_]+|hmm-tests: [a-z0-9_]+\.[a-z0-9_]+|by construction: [^,]+, .+|scripts\/[a-z]+)$/d' |
		none 'neither a test nor a construction'
}

ok 'each known bug has one row' every_id_once
ok 'each row says what breaks, and who notices' rows_are_complete
ok 'what is named is a test, a script or a construction' nothing_else_is_named
ok 'the cases exist' cases_exist
ok 'the tests of hmm-tests exist' hmm_tests_exist
ok 'the sections and functions exist' constructions_exist
ok 'the scripts exist' scripts_exist
end
