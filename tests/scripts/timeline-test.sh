#!/bin/bash
# Tests scripts/timeline.py with traces written by hand; TAP on stdout, exit status 1 if anything fails.
#
#	tests/scripts/timeline-test.sh
# shellcheck disable=SC2317 # the helpers are called through ok
# shellcheck source=tests/scripts/tap.sh
. "$(dirname "$0")/tap.sh"

run=$dir/run

timeline() { "$top/scripts/timeline.py" "$@"; }

# bars KIND TEXT [ARGS...]: the picture has exactly these of that kind, as lines "LEFT WIDTH TITLE", where
# 100 is the whole width.
bars() {
	local kind=$1 text=$2
	shift 2
	timeline "$run" --out "$dir/svg" "$@" >/dev/null || return
	diff <(printf '%s' "${text:+$text$'\n'}") <(python3 - "$dir/svg" "$kind" <<-'END'
		import sys
		from xml.etree import ElementTree

		for rect in ElementTree.parse(sys.argv[1]).iter("{http://www.w3.org/2000/svg}rect"):
		    if rect.get("class") == sys.argv[2]:
		        x, width = ((float(rect.get(name)) - zero) / 14.5 for name, zero in (("x", 130), ("width", 0)))
		        print(f"{x:.0f} {width:.0f} {rect[0].text}")
	END
	)
}

# totals LINE: the last row of the table.
totals() {
	timeline "$run" --out "$dir/svg" >/dev/null || return
	diff <(echo "$1") <(sed -nE 's/.*<text class="(plain|cell)"[^>]*>(.*)<\/text>/\2/p' "$dir/svg" | tail -n 12 | paste -sd'|')
}

# readable: no text covers another, or leaves the picture.
readable() {
	timeline "$run" --out "$dir/svg" "$@" >/dev/null || return
	python3 - "$dir/svg" <<-'END'
		import itertools, sys
		from xml.etree import ElementTree

		boxes = []
		root = ElementTree.parse(sys.argv[1]).getroot()
		for text in root.iter("{http://www.w3.org/2000/svg}text"):
		    x, y, kind = float(text.get("x")), float(text.get("y")), text.get("class")
		    width = len(text.text) * (8 if kind == "title" else 6)
		    x -= {"name": width, "cell": width, "time": width / 2}.get(kind, 0)
		    boxes.append((x, y - 10, x + width, y, text.text))
		for x, y, right, bottom, text in boxes:
		    assert x >= 0 and right <= float(root.get("width")) and bottom <= float(root.get("height")), text
		for a, b in itertools.combinations(boxes, 2):
		    assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3], (a, b)
		assert len(boxes) > 20
	END
}

prepare() {
	mkdir -p "$run"
	cat >"$run/gpu0.trace" <<-'END'
		0.000000 - trace start clock=1000.500000
		0.500000 - vfu client_came
		1.000000 gt0 guc h2g SCHED_CONTEXT n=1 0x3 0x0 0x0 0x0
		1.000000 gt0 sched in engine=bcs0 ctx=3 head=0x0 tail=0x40 asid=7
		1.100000 gt0 sched in engine=rcs0 ctx=4 head=0x0 tail=0x40 asid=8
		1.150000 gt0 cs USER_INTERRUPT engine=rcs0 ctx=4
		1.200000 gt0 sched out engine=rcs0 ctx=4 head=0x40 state=1
		1.200000 gt0 sched out engine=bcs0 ctx=3 head=0x20 state=4
		1.200000 gt0 fault report engine=bcs0 ctx=3 asid=7 va=0x7000 access=1 type=0 level=0 tag=17
		what is not of the trace
		1.250000 gt0 fault report engine=rcs0 ctx=4 asid=8 va=0x9000 access=0 type=0 level=1 tag=18
		1.300000 gt0 guc flush seqno=30 asid=7 va=0x7000 size=0x1000
		1.300000 gt0 guc h2g TLB_INVALIDATION_ALL n=2 0x1f 0x80000000 0x0 0x0
		1.300000 gt0 guc flush seqno=31 asid=-1 va=0x0 size=0xffffffffffffffff
		1.350000 gt0 guc g2h TLB_INVALIDATION_DONE 0x1e 0x0
		1.400000 gt0 fault response tag=18 failed=1
		1.400000 gt0 guc g2h TLB_INVALIDATION_DONE 0x1f 0x0
		1.500000 gt0 fault response tag=17 failed=0
		1.600000 gt0 fault response tag=99 failed=0
		1.700000 gt0 sched in engine=bcs0 ctx=3 head=0x20 tail=0x40 asid=7
		1.800000 gt0 reset gdrst domains=0x2
		1.900000 gt0 sched in engine=bcs0 ctx=5 head=0x20 tail=0x40 asid=7
		2.000000 gt0 guc h2g CLIENT_SOFT_RESET n=0 0x0 0x0 0x0 0x0
		2.000000 gt0 sched out engi
	END
	truncate -s -1 "$run/gpu0.trace"
}

test_bars() {
	ok "a context is a bar from 'in' to 'out', a reset, or the end; engines in their order" bars run "\
10 10 rcs0: context 4, address space 8, then idle: 100 ms, from 1.100000 s
0 20 bcs0: context 3, address space 7, then page fault: 200 ms, from 1.000000 s
70 10 bcs0: context 3, address space 7, ended by a reset: 100 ms, from 1.700000 s
90 10 bcs0: context 5, address space 7, not over when the trace ends: 100 ms, from 1.900000 s"
	ok "a TLB flush is a bar until GuC answers" bars flush "\
30 5 TLB flush 30 of address space 7, 0x1000 from 0x7000: 50 ms, from 1.300000 s
30 10 TLB flush 31, all: 100 ms, from 1.300000 s"
	ok "a page fault is a bar until the driver answers" bars fault "\
20 30 page fault: write of 0x7000 by context 3 on bcs0, address space 7, level 0: 300 ms, from 1.200000 s
25 15 page fault: read of 0x9000 by context 4 on rcs0, address space 8, level 1, not served: 150 ms, from 1.250000 s"
	ok "messages that fall together are one tick" bars message "\
0 0 SCHED_CONTEXT, at 1.000000 s
30 0 TLB_INVALIDATION_ALL, at 1.300000 s
100 0 CLIENT_SOFT_RESET, at 2.000000 s
35 0 TLB_INVALIDATION_DONE, at 1.350000 s
40 0 TLB_INVALIDATION_DONE, at 1.400000 s"
	ok "FROM and TO cut" bars fault "\
0 67 page fault: write of 0x7000 by context 3 on bcs0, address space 7, level 0: 300 ms, from 1.200000 s" --from 1.45 --to 1.525
	ok "the totals are right" totals "gpu0 gt0|1|5|4|125 ms|200 ms|2|75 ms|100 ms|2|225 ms|300 ms"
	ok "no text covers another" readable
	ok "nor when looked at closely" readable --from 1.399999 --to 1.4000015
}

test_gpus() {
	sed 's/clock=1000.500000/clock=1000.400000/; s/gt0 guc flush seqno=30/gt1 guc flush seqno=30/' "$run/gpu0.trace" >"$run/gpu1.trace"
	ok "GPUs are put side by side by their clocks, each GT has its lanes" bars flush "\
36 5 TLB flush 30 of address space 7, 0x1000 from 0x7000: 50 ms, from 1.400000 s
36 9 TLB flush 31, all: 100 ms, from 1.400000 s
27 9 TLB flush 31, all: 100 ms, from 1.300000 s
27 64 TLB flush 30 of address space 7, 0x1000 from 0x7000, not over when the trace ends: 700 ms, from 1.300000 s" \
		--from 1 --to 2.1
	ok "no text of theirs covers another" readable
	rm "$run/gpu1.trace"
}

# many: 100000 runs of 10 us, and as many messages, in two seconds.
test_many() {
	mkdir -p "$dir/many"
	awk 'BEGIN {
		for (i = 0; i < 100000; i++) {
			t = 1 + i * 0.00002
			printf "%.6f gt0 guc h2g SCHED_CONTEXT n=1 0x3 0x0 0x0 0x0\n", t
			printf "%.6f gt0 sched in engine=bcs0 ctx=3 head=0x0 tail=0x40 asid=7\n", t
			printf "%.6f gt0 sched out engine=bcs0 ctx=3 head=0x0 state=1\n", t + 0.00001
		}
	}' >"$dir/many/gpu0.trace"
	ok "a long trace makes a picture" timeline "$dir/many"
	# shellcheck disable=SC2016 # of that shell
	ok "of a size that can be looked at" sh -c '[ "$(wc -c <"$1")" -lt 1000000 ]' sh "$dir/many/timeline.svg"
	ok "that counts what falls together" grep -qE '<title>[67][0-9] together, zoom in .*bcs0: context 3' "$dir/many/timeline.svg"
}

test_errors() {
	ok "no name of a run is refused" refuses 'as in RUN=' timeline ''
	ok "a folder without a trace is refused" refuses "there is no gpu*.trace in $dir; run it with TRACE=1" timeline "$dir"
	mkdir -p "$dir/empty" && : >"$dir/empty/gpu0.trace"
	ok "an empty trace is refused" refuses 'gpu0.trace has no event' timeline "$dir/empty"
	echo '0.000000 - vfu client_came' >"$dir/empty/gpu0.trace"
	ok "a trace without anything to draw is refused" refuses 'has neither jobs nor messages' timeline "$dir/empty"
	ok "what is no number is refused" refuses "'1s' is not a number of seconds" timeline "$run" --from 1s
	ok "an interval without events is refused" refuses 'nothing happens from 5 to 6 s' timeline "$run" --from 5 --to 6
	ok "an interval that ends before it begins is refused" refuses 'nothing happens' timeline "$run" --from 1.5 --to 1.2
	ok "a file that cannot be written is refused" refuses 'cannot write /nowhere/x' timeline "$run" --out /nowhere/x
	ok "empty options are none" timeline "$run" --from '' --to '' --out ''
	ok "the picture is beside the traces" [ -s "$run/timeline.svg" ]
}

prepare
test_bars
test_gpus
test_many
test_errors
end
