#!/bin/bash
# Tests scripts/races.py with reports written by hand; TAP on stdout, exit status 1 if anything fails.
#
#	tests/scripts/races-test.sh
# shellcheck disable=SC2317 # the helpers are called through ok
# shellcheck source=tests/scripts/tap.sh
. "$(dirname "$0")/tap.sh"

printf '%s\n' ours_a ours_b >"$dir/ours"
printf '%s\n' rb_insert_color memcpy >"$dir/library"
printf '# Why\n%s\t%s\n' 'known / ours_a' 'the other one is wrong' >"$dir/why"

# report FUNCTION... [-- FUNCTION...]: what KCSAN prints about accesses with these stacks, or about one.
report() {
	local f
	echo '[    1.000001] =================================================================='
	echo "[    1.000002] BUG: KCSAN: data-race in $1 / whatever"
	echo '[    1.000003] '
	if [[ $* == *' -- '* ]]; then
		echo '[    1.000004] write (marked) to 0xffff888003a1c0de of 8 bytes by task 7 on cpu 0:'
	else
		echo '[    1.000004] race at unknown origin, with read to 0xffff888003a1c0de of 8 bytes by task 7 on cpu 0:'
	fi
	for f; do
		if [ "$f" = -- ]; then
			echo '[    1.000005] '
			echo '[    1.000005] read to 0xffff888003a1c0de of 8 bytes by interrupt on cpu 1:'
		else
			echo "[    1.000006]  $f+0x1d/0x30"
		fi
	done
	echo '[    1.000007] '
	echo '[    1.000008] value changed: 0x0000000000000001 -> 0x0000000000000002'
	echo '[    1.000009] '
	echo '[    1.000010] Reported by Kernel Concurrency Sanitizer on:'
	echo '[    1.000011] =================================================================='
}

# sorts TEXT: the reports in $dir/log are these lines, "WHOSE|FUNCTIONS|TIMES|REASON".
sorts() {
	diff <(printf '%s' "${1:+$1$'\n'}") <("$top/scripts/races.py" "$dir"/{log,ours,library,why} | tr '\t' '|')
}

echo '[    1.0] all is well' >"$dir/log"
ok "no report" sorts ''

report ours_a main -- other main >"$dir/log"
ok "one access is ours" sorts 'ours|other / ours_a|1|'

report other main -- another ours_a main >"$dir/log"
ok "no access is ours, but a caller" sorts 'base|another / other|1|'

report memcpy rb_insert_color ours_b main -- other main >"$dir/log"
ok "a library did it for us" sorts 'ours|other / ours_b|1|'

{ report ours_a -- known && report known -- ours_a && report ours_a -- ours_b; } >"$dir/log"
ok "one that is known, twice, and one that is not" sorts \
	'known|known / ours_a|2|the other one is wrong
ours|ours_a / ours_b|1|'

report ours_b main >"$dir/log"
ok "nobody knows who wrote" sorts 'ours|? / ours_b|1|'

report ours_a main | head -n4 >"$dir/log"
ok "the log ends in the middle of it" sorts 'ours|? / ?|1|'

end
