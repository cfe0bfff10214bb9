# Shared by every test here: a folder for it, and results as TAP on stdout.
# Source it first: . "$(dirname "$0")/tap.sh"
# shellcheck shell=bash disable=SC2034,SC2317 # for those who source it
set -uo pipefail

export LC_ALL=C
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
count=0
failed=0

# ok NAME COMMAND...: the command succeeds.
ok() {
	local name=$1
	shift
	count=$((count + 1))
	if "$@" >"$dir/out" 2>&1; then
		echo "ok $count - $name"
	else
		echo "not ok $count - $name"
		sed 's/^/# /' "$dir/out"
		failed=1
	fi
}

# skip NAME WHY: a result that could not be had.
skip() {
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

# end: what every test ends with; its status is 1 if anything failed.
end() {
	echo "1..$count"
	exit "$failed"
}

not() { ! "$@"; }

# state: a test that has what refused commands may not change prints it here.
state() { :; }

# refuses TEXT COMMAND...: the command fails with one line, an error that contains TEXT and
# says what to do, and changes nothing.
refuses() {
	local text=$1 out before
	shift
	before=$(state)
	out=$("$@" 2>&1 >/dev/null) && echo "did not fail: $out" && return 1
	echo "$out"
	[ "$(wc -l <<<"$out")" = 1 ] && [[ $out == 'error: '*'; '* ]] && [[ $out == *"$text"* ]] &&
		[ "$before" = "$(state)" ]
}

# shows STATUS LINE COMMAND...: the command ends so, and LINE is in its output.
shows() {
	local want=$1 line=$2 out status=0
	shift 2
	out=$("$@" 2>&1) || status=$?
	echo "status $status"
	echo "$out"
	[ "$status" = "$want" ] && grep -qxF -- "$line" <<<"$out"
}
