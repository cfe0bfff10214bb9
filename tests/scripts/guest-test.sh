#!/bin/bash
# Tests scripts/guest with real boots (about 2 s each); TAP on stdout, exit status 1 if
# anything fails.
#
#	[VARIANT=lean|debug] [KERNEL=ours|base|peer] tests/scripts/guest-test.sh [leak]
#
# 'leak': only whether the debug kernel notices a leak.  The kernel and QEMU must be there already.
# shellcheck disable=SC2016,SC2317 # what the guest's shell expands; the helpers are called through check
# shellcheck source=tests/scripts/tap.sh
. "$(dirname "$0")/tap.sh"

VARIANT=${VARIANT:-lean} KERNEL=${KERNEL:-ours}
BOOT=0

# check NAME CONDITION...: one result; with what the guest's run has said, if it is none.
check() { ok "$1" explained "${@:2}"; }
explained() {
	"$@" && return
	echo "failed: $*" | head -n1
	head -n20 "$RUN/stderr"
	return 1
}

# guest ARGS...: sets STATUS and RUN, with stdout, stderr and the logs in it.
guest() {
	BOOT=$((BOOT + 1))
	RUN=$dir/$BOOT
	mkdir "$RUN"
	STATUS=0
	"$top/scripts/guest" --kernel "$KERNEL" --variant "$VARIANT" --dir "$RUN" --no-leak-check "$@" \
		>"$RUN/stdout" 2>"$RUN/stderr" </dev/null || STATUS=$?
}

status() { [ "$STATUS" = "$1" ]; }
prints() { diff "$RUN/stdout" - >/dev/null <<<"$1"; }
says() { grep -qE -e "$1" "$RUN/stderr"; }
# Its error is a single line and nothing was booted.
refuses() { says "^error: $1" && [ "$(wc -l <"$RUN/stderr")" = 1 ] && [ ! -e "$RUN/kernel.log" ]; }
# No process has the folder of this run among its arguments.
all_gone() { ! pgrep -f -- "$RUN" >/dev/null; }
has() { for f; do [ -e "$RUN/$f" ] || return; done; }
same() { cmp -s "$1" "$2"; }
at_most() { [ "$1" -le "$2" ] || { echo "$1 s" && false; }; }

test_status_and_output() {
	guest -- sh -c 'echo out; echo err >&2; printf "<%s>\n" "$@"; exit 3' sh 'a  b' "it's" '' '$HOME' $'two\nlines' '*'
	check "the exit status is the program's" status 3
	check "output and arguments arrive as they are" prints "out
err
<a  b>
<it's>
<>
<\$HOME>
<two
lines>
<*>"
	check "the output is saved" same "$RUN/stdout" "$RUN/output.log"
	check "the kernel log is saved" grep -q 'Run /init as init process' "$RUN/kernel.log"
	check "KUnit is off unless asked for" grep -q 'Command line:.*kunit.enable=0' "$RUN/kernel.log"
}

test_much_output() {
	local i
	for ((i = 0; i < 2000; i++)); do
		printf '%d %s\t|\r\n' "$i" "$(printf '%*s' $((i % 80)) '' | tr ' ' x)"
	done >"$dir/lines"
	printf '#!/bin/sh\ncat /lines "$1"; cat /proc/modules\n' >"$dir/script"
	chmod +x "$dir/script"
	echo end >"$dir/a file"
	guest --file "$dir/lines" --file "$dir/a file:/some/where/b" --module ttm --append 'one two=2' -- \
		"$dir/script" /some/where/b
	head -n2001 "$RUN/stdout" | cmp -s - <(cat "$dir/lines" "$dir/a file")
	check "2000 lines of a script and its files arrive complete" [ $? = 0 ]
	check "a module and what it needs are loaded" grep -q '^ttm ' "$RUN/stdout"
	check "kernel arguments are passed on" grep -q 'Command line:.* one two=2' "$RUN/kernel.log"
}

test_time_limit() {
	local start=$SECONDS limit=10
	[ "$KERNEL $VARIANT" = "ours lean" ] || limit=40
	guest --timeout "$limit" -- sh -c 'echo before; sleep 1000'
	check "a guest that does not finish is ended" status 124
	check "it says so" says "^error: guest did not finish in $limit s; kernel log in "
	check "what it had printed is there" prints before
	check "the limit is kept" at_most $((SECONDS - start)) $((limit + 6))
	check "no QEMU is left" all_gone
}

# Each line of the first table is a complaint, none of the second is.
COMPLAINTS='WARNING: CPU: 1 PID: 77 at mm/memory.c:1 test
BUG: KASAN: slab-use-after-free in test
BUG: sleeping function called from invalid context
kernel BUG at mm/memory.c:1!
Oops: general protection fault, probably for non-canonical address
general protection fault: 0000 [#1]
UBSAN: array-index-out-of-bounds in test
WARNING: possible circular locking dependency detected
WARNING: inconsistent lock state
WARNING: bad unlock balance detected!
WARNING: suspicious RCU usage
INFO: trying to register non-static key.
INFO: possible recursive locking detected
rcu: INFO: rcu_preempt self-detected stall on CPU
rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
INFO: task test:77 blocked for more than 120 seconds.
watchdog: soft lockup - CPU#0 stuck
kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
unreferenced object 0xffff888004182000 (size 32):
guest: lockdep: off'
HARMLESS='traps: test[77] general protection fault ip:401000 sp:7ffc0 error:0
test[77]: segfault at 0 ip 401000 sp 7ffc0 error 4
warning: process test used a deprecated feature
[drm] debug output of an INFO: kind
rcu: Hierarchical RCU implementation.'

test_complaints() {
	local n
	n=$(wc -l <<<"$COMPLAINTS")
	printf '%s\n%s\n' "$COMPLAINTS" "$HARMLESS" >"$dir/texts"
	guest --file "$dir/texts" -- sh -c 'while read -r l; do echo "$l" >/dev/kmsg; done </texts; echo fine'
	check "a kernel that complains is a failure" status 70
	check "each of the $n kinds of complaint counts, nothing else" says "^error: the kernel complained \($n lines\), see $RUN/kernel.log"
	check "the first is shown" says 'WARNING: CPU: 1 PID: 77'
	check "the program's output still arrives" prints fine
}

test_expect_log() {
	guest --expect-log 'WARNING: expected [0-9]' --expect-log '^.* guest says hi' -- \
		sh -c 'echo "WARNING: expected 1" >/dev/kmsg; echo "guest says hi" >/dev/kmsg
			echo 512 >/proc/sys/kernel/tainted; exit 5'
	check "a complaint that is expected is none" status 5
	guest -- sh -c 'echo 512 >/proc/sys/kernel/tainted'
	check "a kernel that is tainted is a failure" status 70
	guest --expect-log 'WARNING: expected' --expect-log never -- \
		sh -c 'echo "WARNING: expected 1" >/dev/kmsg'
	check "what was expected must be logged" status 70
	check "it says what is missing" says "^error: the kernel did not log 'never'"
	guest --expect-log 'WARNING: expected' -- \
		sh -c 'echo "WARNING: expected" >/dev/kmsg; echo "BUG: other" >/dev/kmsg'
	check "other complaints still count" says '^error: the kernel complained \(1 lines\)'
}

test_death() {
	local start=$SECONDS
	guest -- sh -c 'echo before; sleep 0.5; echo c >/proc/sysrq-trigger; sleep 1000'
	check "a panic is a status of its own" status 125
	check "its last lines are shown" says 'Kernel panic - not syncing: sysrq triggered crash'
	check "it says so" says '^error: the guest died; kernel log in '
	check "a panic ends the run at once" at_most $((SECONDS - start)) 30
	guest -- sh -c 'poweroff -f; sleep 1000'
	check "a guest without a result is one that died" status 125
	guest --qemu '-device no-such-device' -- sh -c true
	check "a QEMU that does not start is told" says "^error: QEMU does not start: .*no-such-device"
}

test_refusals() {
	guest --kernel foo -- sh
	check "unknown kernel" refuses 'unknown KERNEL=foo; use ours, base or peer'
	guest --variant foo -- sh
	check "unknown variant" refuses 'unknown VARIANT=foo; use lean'
	guest --kernel peer --variant pvc -- sh
	check "variant that is of ours alone" refuses 'KERNEL=peer does not bind to Ponte Vecchio; use KERNEL=ours'
	guest -- "$dir/missing"
	check "missing program" refuses "there is no program $dir/missing; "
	guest -- "$(command -v env)"
	check "program that needs libraries" refuses '.* is dynamically linked.*; link it with -static'
	guest --file "$dir/missing:/x" -- sh
	check "missing file" refuses "there is no file $dir/missing; "
	guest --module nothing -- sh
	check "unknown module" refuses "kernel $KERNEL $VARIANT has no module nothing; "
	guest --nothing 1 -- sh
	check "unknown option" refuses 'unknown option --nothing; '
	guest --timeout soon -- sh
	check "limit that is no number" refuses '--timeout soon is not a number of seconds; '
	guest --smp 1
	check "no program" refuses 'no program is given; '
}

# As Ctrl-C does it: SIGINT to the script's process group.
test_interrupt() {
	local XESIM=$top/tests/scripts/fake-xesim/xesim pid scratch i
	export XESIM
	RUN=$dir/interrupt
	mkdir "$RUN"
	set -m
	"$top/scripts/guest" --kernel "$KERNEL" --variant "$VARIANT" --dir "$RUN" --timeout 60 --gpus 1 -- \
		sh -c 'echo started; sleep 1000' >"$RUN/stdout" 2>"$RUN/stderr" &
	pid=$!
	set +m
	for ((i = 0; i < 300; i++)); do
		! grep -q started "$RUN/stdout" || break
		sleep 0.1
	done
	scratch=$(pgrep -af -- "$RUN" | sed -n 's/.* -initrd \([^ ]*\)\/initramfs .*/\1/p' | tail -n1)
	kill -INT -- "-$pid"
	STATUS=0
	wait "$pid" || STATUS=$?
	check "SIGINT ends the run" status 130
	check "no QEMU and no simulator outlive it" all_gone
	check "no temporary folder outlives it" [ -n "$scratch" -a ! -e "$scratch" ]
	guest --dir "$RUN" -- sh -c 'exit 7'
	check "its folder can be used again" status 7
}

test_allow_log() {
	guest --allow-log 'WARNING: allowed' --allow-log never -- sh -c 'echo "WARNING: allowed" >/dev/kmsg'
	check "a complaint that is allowed is none, and need not come" status 0
	guest --allow-log 'WARNING: allowed' -- sh -c 'echo "WARNING: other" >/dev/kmsg'
	check "others still count" status 70
}

test_results() {
	mkdir "$dir/archive"
	echo 'out of an archive' >"$dir/archive/in-archive"
	echo 'too much' >"$dir/archive/init"
	(cd "$dir/archive" && printf '%s\n' in-archive init | cpio -o -H newc --quiet) >"$dir/archive.cpio"
	guest --initramfs "$dir/archive.cpio" --initramfs "$dir/archive.cpio" --results "$dir/a,b/results" \
		--module 'ttm page_pool_size=77' --with-module xe --with-module nothing -- \
		sh -c 'cat /in-archive; cat /sys/module/ttm/parameters/page_pool_size; modprobe -D xe | tail -n1 | cut -d/ -f2-4
			ls /sys/module/xe; echo kept >/results/file; echo c >/proc/sysrq-trigger; sleep 1000'
	check "what the guest wrote into --results survives a panic" grep -qx kept "$dir/a,b/results/file"
	check "archives are unpacked, below the guest's own" grep -qx 'out of an archive' "$RUN/stdout"
	check "modules get their parameters" grep -qx 77 "$RUN/stdout"
	check "a module can be there without being loaded" grep -qx 'lib/modules/.*' "$RUN/stdout"
	check "it is not loaded" grep -q 'ls: /sys/module/xe: No such file' "$RUN/stdout"
}

# With a simulator that misbehaves as it is told.
test_gpus() {
	local XESIM=$top/tests/scripts/fake-xesim/xesim start
	export XESIM
	guest --gpus 2 --profile foo --trace -- \
		sh -c 'cd /sys/bus/pci/devices; grep -lx 0x5678 */device | wc -l
			for gpu in $(grep -lx 0x5678 */device); do cat "$(readlink -f ${gpu%/*})/../../device"; done
			ls /lib/firmware/xe; exit 5'
	check "a guest has simulated GPUs, behind a switch, and their firmware" prints '2
0x8232
0x8232
bmg_guc_70.bin'
	check "it gives the program's status" status 5
	check "each leaves its counters, trace and messages" has gpu{0,1}.{stats.json,trace,log}
	guest --gpus 1 --profile pvc -- sh -c true
	check "a kernel that does not bind to the GPU" refuses "kernel $KERNEL $VARIANT does not bind to a GPU of profile pvc; use"
	guest --gpus 2 --sim '--fake bad' -- sh -c 'echo fine'
	check "a counter of what must not happen is a failure" status 71
	check "it is shown" says '^gpu1: unknown_registers = 3$'
	check "no trace unless asked for" [ ! -e "$RUN/gpu0.trace" ]
	guest --gpus 1 --sim '--fake silent' -- sh -c true
	check "so are counters that are missing" status 71
	guest --gpus 2 --sim '--fake bad' -- sh -c 'echo "BUG: x" >/dev/kmsg'
	check "a complaint of the kernel goes first" status 70
	guest --gpus 1 --sim '--fake refuse' -- sh -c true
	check "a simulator that does not start is told" says '^error: gpu0 does not start: xesim: no such thing; see .*gpu0.log'
	check "its status is the one of a dead guest" status 125
	start=$SECONDS
	guest --gpus 2 --sim '--fake die' -- sh -c 'echo before; sleep 1000'
	check "a simulator that dies ends the run" status 125
	check "at once" at_most $((SECONDS - start)) 30
	check "its last words are shown" says '^error: gpu[01] died \(status 3\): xesim: killed by a bug; see .*gpu[01].log'
	check "neither QEMU nor the other one is left" all_gone
	guest --gpus 1 --sim '--fake leave' -- sh -c 'sleep 1000'
	check "so does one that only leaves" says '^error: gpu0 died \(status 0\)'
	guest --gpus 1 --sim '--fake linger' -- sh -c true
	check "a simulator that outlives QEMU is told" says '^error: gpu0 did not end when QEMU did'
	check "and ended" all_gone
	XESIM=$dir/missing guest --gpus 1 -- sh
	check "missing simulator" refuses "there is no simulator $dir/missing; run 'scripts/sim build'"
	guest --gpus many -- sh
	check "number of GPUs that is none" refuses '--gpus many is not a number'
}

# The debug kernel has a module that leaks on purpose.
test_leak() {
	RUN=$dir/leak
	mkdir "$RUN"
	STATUS=0
	"$top/scripts/guest" --kernel "$KERNEL" --variant debug --dir "$RUN" --module kmemleak-test -- \
		sh -c 'rmmod kmemleak-test' >"$RUN/stdout" 2>"$RUN/stderr" || STATUS=$?
	check "a leak of kernel memory is found" status 70
	check "it is shown" says 'unreferenced object'
}

if [ "${1:-}" = leak ]; then
	test_leak
else
	test_refusals
	test_status_and_output
	test_much_output
	test_time_limit
	test_complaints
	test_expect_log
	test_death
	test_interrupt
	test_allow_log
	test_results
	test_gpus
fi
end
