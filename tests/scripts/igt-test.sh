#!/bin/bash
# Tests scripts/igt, scripts/sim and tests/igt/igt.py without a kernel, a GPU or IGT; TAP on stdout,
# exit status 1 if anything fails.
#
#	tests/scripts/igt-test.sh
#
# The checkout is a copy with a cache of its own, where IGT is a list of names, and scripts/guest a stub
# that leaves the results of canned ones.
# shellcheck disable=SC2016,SC2317 # make's variables; the helpers are called through ok
# shellcheck source=tests/scripts/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=scripts/pins
. "$top/scripts/pins"

co=$dir/checkout
lists=$co/tests/igt

silent() { local out && out=$("$@" 2>&1) && [ -z "$out" ]; }

# prints TEXT COMMAND...: exactly this.
prints() {
	local text=$1
	shift
	diff <(printf '%s\n' "$text") <("$@" 2>&1)
}

# ends STATUS LINE COMMAND...: and LINE is the last.
ends() {
	local want=$1 line=$2 out status=0
	shift 2
	out=$("$@" 2>&1) || status=$?
	echo "status $status"
	echo "$out"
	[ "$status" = "$want" ] && [ "$(tail -n1 <<<"$out")" = "$line" ]
}

igt() { (cd "$co" && scripts/igt "$@"); }
# list LINES: tests/igt/t.testlist; expect LINES: t.expected.
list() { printf '%s\n' "$1" >"$lists/t.testlist"; }
expect() { printf '%s\n' "$1" >"$lists/t.expected"; }
run() { KERNEL=${KERNEL:-base} LIST=t igt run; }

# results NAME=RESULT...: what the runs on KERNEL (base) will give; DMESG is the kernel's log of each.
results() {
	local file=$dir/results-${KERNEL:-base}.json test
	{
		echo '{"tests": {'
		for test; do
			printf '"igt@%s": {"result": "%s", "out": "Starting subtest: x\\n  #0 [frame]\\nout of %s\\n", "dmesg": "%s",
				"err": "(x:1) CRITICAL: that of %s\\n", "time": {"start": 0.0, "end": 1.5}},\n' \
				"${test%=*}" "${test#*=}" "${test%=*}" "${DMESG:-}" "${test%=*}"
		done
		echo '"igt@other@thing": {"result": "fail"}}}'
	} >"$file"
}

# The guest: STUB_STATUS is its exit status; its arguments are kept.
stub_guest() {
	cat >"$co/scripts/guest" <<-'END'
		#!/bin/bash
		printf '%s\n' "$@" >"$STUB/args"
		while [ "$1" != -- ]; do
			case $1 in
			--kernel) kernel=$2 ;;
			--results) mkdir -p "$2/igt/1" && cp "$STUB/results-$kernel.json" "$2/igt/1/results.json" ;;
			esac
			shift
		done
		cat "$STUB/output" 2>/dev/null
		[ -z "${STUB_SLEEP:-}" ] || { echo "$$" >"$STUB/pid" && sleep "$STUB_SLEEP"; }
		exit "${STUB_STATUS:-0}"
	END
}

prepare() {
	local igt=$dir/cache/gpusvm/igt-$IGT_VERSION
	unset KERNEL VARIANT LIST GPUS PROFILE SIM CCS TRACE EVENTS TIMEOUT TEST_TIMEOUT MEM A B REUSE XESIM
	export HOME=$dir/home XDG_CACHE_HOME=$dir/cache STUB=$dir
	mkdir -p "$HOME" "$co" "$lists"
	cp -r "$top/scripts" "$co/"
	mkdir -p "$co/tests/guest"
	cp "$top/tests/guest/igt" "$co/tests/guest/"
	cp "$top/tests/igt/igt.py" "$lists/"
	stub_guest
	mkdir -p "$igt"
	echo 2.5-1 >"$igt/version"
	printf 'igt@%s\n' core@a core@b vm@bind vm@bind-many vm@free vm@free-many vmx@one simple >"$igt/tests"
}

names() { printf 'igt@%s\n' "$@"; }

test_lists() {
	ok "a test stands for all its subtests" prints "$(names vm@bind vm@bind-many vm@free vm@free-many)" igt list vm
	ok "wildcards of tests and of subtests" prints "$(names vm@bind-many vm@free-many vmx@one core@b)" \
		igt list 'vm@*many' 'vmx' 'c*@b'
	ok "a test without subtests" prints igt@simple igt list simple
	ok "all tests" prints 8 bash -c "cd $co && scripts/igt list | wc -l"
	ok "a pattern without a test" refuses "'vm@nothing' is no list and matches no test" igt list 'vm@bind' 'vm@nothing'
	list $'# comment\nigt@core@a  # why\n\nvm@*\n  !vm@*many # too long\ninclude more.testlist'
	printf 'core\nsimple\n' >"$lists/more.testlist"
	results core@a=pass
	run >/dev/null 2>&1
	ok "a list: comments, exclusions, other lists, no test twice" \
		prints "$(names core@a vm@bind vm@free core@b simple)" cat "$co/out/igt/base-t/tests"
	list $'core\nvm@nothing'
	ok "a line without a test is named" refuses "tests/igt/t.testlist:2: 'vm@nothing' matches no test" run
	list $'core\n!core@a'
	ok "an exclusion needs a reason" refuses "t.testlist:2: '!core@a' gives no reason" run
	list $'core\n!vm # x'
	ok "an exclusion must exclude" refuses "t.testlist:2: '!vm' matches no test" run
	list 'include t.testlist'
	ok "a list that includes itself" refuses "includes itself" run
	list 'include gone.testlist'
	ok "a list that is not there" refuses "gone.testlist (No such file" run
	list '# nothing'
	ok "a list without tests" refuses "has no tests" run
	list $'set GPUS 3\nset SIM --tlb strict --vram 256M\ncore'
	run >/dev/null 2>&1
	ok "a list sets what it is run with" prints $'3\n--tlb strict --vram 256M ' \
		sed -n '/^--gpus/{n;p};/^--sim/{n;p}' "$dir/args"
	GPUS=2 SIM='--vram 1G' run >/dev/null 2>&1
	ok "and the environment counts more" prints $'2\n--tlb strict --vram 256M --vram 1G' \
		sed -n '/^--gpus/{n;p};/^--sim/{n;p}' "$dir/args"
	list $'core\nset KERNEL base'
	ok "a list sets nothing else" refuses "t.testlist:2: 'set KERNEL base' is not 'set NAME VALUE'; NAME is one of GPUS" run
	LIST=gone.testlist ok "the list that is asked for must be there" refuses "there is no list gone.testlist" igt run
}

test_judging() {
	list $'core\nvm'
	expect ''
	results {core@a,vm@bind}=pass {core@b,vm@bind-many}=skip vm@free=warn vm@free-many=pass
	ok "passed and skipped tests are fine, and so are their warnings" ends 0 '4 passed, 0 failed, 2 skipped' run
	ok "each test has a row" grep -qxE 'vm +3 +\. +1 +\. +6\.0' "$co/out/igt/base-t/results.txt"
	results core@a=pass core@b=fail vm@{bind,bind-many}=pass vm@free=timeout
	ok "failed ones, and those that did not run, are not" ends 1 '3 passed, 3 failed, 0 skipped' run
	ok "they are named" shows 1 'timeout: igt@vm@free' run
	ok "with their output" shows 1 '    | out of core@b' run
	ok "with their assertions" shows 1 '    | (x:1) CRITICAL: that of core@b' run
	ok "without frames" not grep -q frame "$co/out/igt/base-t/results.txt"
	ok "the one that did not run, too" shows 1 'notrun: igt@vm@free-many' run
	expect $'base fail core@b # broken\n* timeout,fail vm@free # slow\nbase,ours notrun vm@free-many # why'
	ok "unless that is expected" ends 0 '3 passed, 0 failed, 0 skipped' run
	ok "which is counted" shows 0 '3 did not pass, as expected (tests/igt/t.expected)' run
	KERNEL=peer results core@a=pass core@b=fail vm@{bind,bind-many,free-many}=pass vm@free=timeout
	KERNEL=peer ok "on this kernel" ends 1 '4 passed, 1 failed, 0 skipped' run
	expect $'* fail vm@* # all\n* pass,skip vm@*bind* # but not these\n* pass vm@bind-many # must not skip'
	results core@{a,b}=pass vm@bind=skip vm@bind-many=skip vm@free=pass vm@free-many=fail
	ok "the last exception counts, and may ask for more" \
		shows 1 'skip: igt@vm@bind-many (pass expected, must not skip; tests/igt/t.expected:3)' run
	ok "an unexpected pass is a failure" \
		shows 1 'unexpected pass: igt@vm@free (fail expected, all; tests/igt/t.expected:1)' run
	ok "both are counted" ends 1 '2 passed, 2 failed, 1 skipped' run
	rm "$dir/results-base.json"
	ok "no results at all" ends 1 '0 passed, 6 failed, 0 skipped' run
	results
	ok "many tests that did not run are not all named" shows 1 'notrun: 1 more' run
}

test_logs() {
	local splat='<4> [1.0] ------------[ cut here ]------------\n<4> [1.0] WARNING: CPU: 1 at f+0x1\n<4> [1.0] RIP: f\n<4> [1.0] ---[ end trace 0 ]---\n<6> [1.0] fine'
	list core@a
	expect ''
	DMESG=$splat results core@a=dmesg-warn
	ok "a warning of the kernel is a failure" shows 1 'dmesg-warn: igt@core@a' run
	ok "it is shown" shows 1 '    | <4> [1.0] WARNING: CPU: 1 at f+0x1' run
	expect $'log base,peer WARNING: .* at f  # known\nlog ours never  # x'
	ok "unless the kernel may log it" ends 0 '1 passed, 0 failed, 0 skipped' run
	ok "the guest is told" grep -qxF 'WARNING: .* at f' "$dir/args"
	ok "of no other kernel's" not grep -qx never "$dir/args"
	DMESG="$splat\n<3> [2.0] other" results core@a=dmesg-fail
	ok "other warnings count" shows 1 'dmesg-fail: igt@core@a' run
	DMESG=$splat results core@a=dmesg-fail
	ok "a test that fails stays one" shows 1 'fail: igt@core@a' run
	DMESG='<4> [1.0] hrtimer: interrupt took 12889467 ns' results core@a=dmesg-warn
	ok "a busy host is no fault" ends 0 '1 passed, 0 failed, 0 skipped' run
	DMESG=
}

test_grammar() {
	list core
	results core@{a,b}=pass
	expect 'base fail core@a'
	ok "an exception needs a reason" refuses "t.expected:1: 'base fail core@a' gives no reason" run
	expect $'# x\nbase fail vm@bind # x'
	ok "an exception must match" refuses "t.expected:2: 'vm@bind' matches no test of the list" run
	expect $'\nbase  core@a # x'
	ok "an exception has three words" refuses "t.expected:2: 'base  core@a' is not" run
	expect 'bse fail core@a # x'
	ok "unknown kernel" refuses 'there is no kernel bse' run
	expect 'base fails core@a # x'
	ok "unknown result" refuses 'there is no result fails' run
	expect 'log base a( # x'
	ok "wrong expression" refuses "'a(' is no regular expression" run
	expect $'log base a#b  # x\ninclude u.expected'
	echo 'base fail core@a # from u' >"$lists/u.expected"
	ok "other files are included" shows 1 'unexpected pass: igt@core@a (fail expected, from u; tests/igt/u.expected:1)' run
	ok "a comment begins after a blank" grep -qxF 'a#b' "$dir/args"
	echo $'base fail core@a # y\nbase fail vm@bind # z' >"$lists/full.expected"
	LIST='core@a' KERNEL=base ok "patterns take what matches of the full list's exceptions" \
		shows 1 'unexpected pass: igt@core@a (fail expected, y; tests/igt/full.expected:1)' igt run
}

# order ARG...: the guest had these arguments, one after the other.
order() { [[ $'\n'$(cat "$dir/args")$'\n' == *$'\n'"$(printf '%s\n' "$@")"$'\n'* ]]; }

test_run() {
	list core
	expect ''
	results core@{a,b}=pass
	ok "a guest that fails is a failure" ends 1 '2 passed, 0 failed, 0 skipped' env STUB_STATUS=71 KERNEL=base LIST=t "$co/scripts/igt" run
	ok "which is told" shows 1 'the guest failed (status 71): see above, and out/igt/base-t/kernel.log' \
		env STUB_STATUS=71 KERNEL=base LIST=t "$co/scripts/igt" run
	GPUS=2 PROFILE=pvc SIM='--tlb strict' MEM=8G TIMEOUT=100 run >/dev/null 2>&1
	ok "the guest gets the GPUs" order --gpus 2 --profile pvc
	ok "and the kernel that drives them" order --variant pvc
	ok "the results are that kind's" test -s "$co/out/igt/base-pvc-t/results.json"
	ok "their options" order --sim '--tlb strict'
	ok "its memory" order --mem 8G
	ok "the module" order --module xe
	ok "the time" order -- "$co/tests/guest/igt" 2 100 120
	GPUS=0 run >/dev/null 2>&1
	ok "no module without GPUs" not grep -qx -e --module "$dir/args"
	GPUS=two ok "a number of GPUs that is none" refuses "GPUS=two is not a number from 0 to 9" run
	{
		echo '[1.0] [1/2] (9s left) core (a, b)'
		echo '[1.1] Starting subtest: a'
		echo '[1.2] Subtest a: SUCCESS (0.1s)'
		echo '[1.3] Starting subtest: b'
		echo '[1.4] Subtest b: FAIL (0.1s)'
		echo '[2.0] [2/2] (8s left) vm (bind)'
		echo '[2.1] Starting subtest: bind'
		echo '[2.2] Per-test timeout exceeded. Killing the current test with SIGQUIT.'
		echo '[2.3] Closing watchdogs'
	} >"$dir/output"
	ok "tests are told as they fail" shows 0 '  FAIL core@b' run
	ok "as they are killed" shows 0 '  TIMEOUT vm@bind' run
	ok "and programs as they end" shows 0 '  [1/2] core: 1 ok, 0 skipped, 1 not ok' run
	rm "$dir/output"
}

# Nothing of a run is left when it is ended from outside.
test_interrupt() {
	local pid i status=0
	rm -f "$dir/pid"
	STUB_SLEEP=1000 KERNEL=base LIST=t "$co/scripts/igt" run >/dev/null 2>&1 &
	pid=$!
	for ((i = 0; i < 100; i++)); do
		[ ! -s "$dir/pid" ] || break
		sleep 0.1
	done
	STUB_SLEEP='' ok "two runs in the same folder" refuses 'another run uses' run
	kill -TERM "$pid"
	wait "$pid" || status=$?
	ok "SIGTERM ends a run" [ "$status" = 143 ]
	ok "and its guest" not kill -0 "$(cat "$dir/pid")"
	ok "its folder can be used again" ends 0 '2 passed, 0 failed, 0 skipped' run
}

compare() { A=base B=peer LIST=t igt compare; }

test_compare() {
	list core
	expect ''
	results core@{a,b}=pass
	KERNEL=peer results core@{a,b}=pass
	ok "two kernels with the same results" ends 0 '2 the same, 0 different' compare
	KERNEL=peer results core@a=pass core@b=fail
	ok "two that differ" ends 1 '1 the same, 1 different' compare
	expect 'log peer WARNING  # x'
	DMESG='<4> [1.0] WARNING' results core@a=pass core@b=dmesg-warn
	DMESG='<4> [1.0] WARNING' KERNEL=peer results core@a=pass core@b=dmesg-warn
	ok "what a kernel may log is no difference" shows 1 'igt@core@b  dmesg-warn  pass' compare
	expect ''
	results core@{a,b}=pass
	KERNEL=peer results core@a=pass core@b=fail
	ok "tests are shown side by side" shows 1 'igt@core@b  pass  fail' compare
	KERNEL=peer results core@{a,b}=pass
	REUSE=1 ok "results of earlier runs are taken" ends 1 '1 the same, 1 different' compare
	A=base B=base LIST=t ok "one kernel" refuses 'A and B are both base' igt compare
}

test_sim() {
	mkdir -p "$co/sim"
	printf 'all:\n\t@echo made $(O) >&2; touch $(O)/xesim\n' >"$co/sim/Makefile"
	ok "the simulator is built, in silence" silent "$co/scripts/sim" build
	ok "in the cache" [ -e "$dir/cache/gpusvm/build/sim/xesim" ]
	ok "its path" prints "$dir/cache/gpusvm/build/sim/xesim" "$co/scripts/sim" path
	ok "or another one's" prints /x env XESIM=/x "$co/scripts/sim" path
	printf 'all:\n\t@echo "x.c:1: error: no" >&2; false\n' >"$co/sim/Makefile"
	ok "errors of the compiler are shown" shows 1 'x.c:1: error: no' "$co/scripts/sim" build
	ok "and where the rest is" shows 1 "error: the simulator does not build; the whole log is $dir/cache/gpusvm/build/sim/build.log" \
		"$co/scripts/sim" build
}

# The lists of this checkout, where IGT is there.
test_real_lists() {
	local tests=$1/gpusvm/igt-$IGT_VERSION/tests list kernel
	for list in "$top"/tests/igt/*.testlist; do
		for kernel in ours base peer; do
			if [ -f "$tests" ]; then
				python3 "$top/tests/igt/igt.py" expand "$tests" "$list" >"$dir/tests" 2>"$dir/err"
				ok "${list##*/} and its exceptions for $kernel are well-formed" \
					python3 "$top/tests/igt/igt.py" allowed "$list" "$kernel" "$dir/tests"
			else
				skip "${list##*/} and its exceptions for $kernel are well-formed" "no IGT in the cache"
			fi
		done
	done
}

cache=${XDG_CACHE_HOME:-$HOME/.cache}
prepare
test_lists
test_judging
test_logs
test_grammar
test_run
test_interrupt
test_compare
test_sim
test_real_lists "$cache"
end
