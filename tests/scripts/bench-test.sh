#!/bin/bash
# Tests scripts/bench without a kernel or a GPU; TAP on stdout, exit status 1 if anything fails.
#
#	tests/scripts/bench-test.sh
#
# The checkout is a copy, in which the compiler, scripts/tree and scripts/guest are stubs.
# shellcheck disable=SC2016,SC2317 # the stubs' variables; the helpers are called through ok
# shellcheck source=tests/scripts/tap.sh
. "$(dirname "$0")/tap.sh"

co=$dir/checkout

bench() { (cd "$co" && scripts/bench "$@"); }

prepare() {
	unset KERNEL VARIANT FLUSH TRACE
	export HOME=$dir/home XDG_CACHE_HOME=$dir/cache STUB=$dir PATH=$dir/bin:$PATH
	mkdir -p "$co" "$dir/bin" "$dir/tree/include/uapi/drm"
	cp -r "$top/scripts" "$co/"
	: >"$dir/tree/include/uapi/drm/xe_drm.h"
	cat >"$dir/bin/gcc" <<-'END'
		#!/bin/sh
		echo "$@" >"$STUB/gcc-args"
	END
	printf '#!/bin/sh\necho "$STUB/tree"\n' >"$co/scripts/tree"
	# What it prints is in the file PART; its arguments are kept.
	cat >"$co/scripts/guest" <<-'END'
		#!/bin/bash
		echo "$@" >>"$STUB/args"
		while [ "$1" != -- ]; do
			[ "$1" != --dir ] || out=$2
			shift
		done
		mkdir -p "$out"
		sed "s/GPUS/$4/" "$STUB/$3" | tee "$out/output.log"
		exit "${STUB_STATUS:-0}"
	END
	chmod +x "$dir/bin/gcc" "$co"/scripts/{tree,guest}
	printf 'faults, 1 queue\tsvm\tnot supported\t1/s\nfaults, 1 queue\tuserptr\tGPUS00.50\t1/s\nall is well\n' >"$dir/faults"
	printf 'munmap\tuserptr\tGPUS.25\tms\nmunmap\tsvm\tnot supported\tms\n' >"$dir/munmap"
}

prepare
ok "a row for each thing, a column for each number of GPUs" \
	shows 0 'faults, 1 queue    userptr    1/s        100.50        200.50        400.50' bench
ok "what is not supported says so" \
	shows 0 'munmap             svm         ms not supported not supported not supported' bench
ok "all of it is in bench.tsv" diff - "$co/out/bench/ours/bench.tsv" <<'END'
gpus	what	memory	value	unit
1	faults, 1 queue	svm	not supported	1/s
1	faults, 1 queue	userptr	100.50	1/s
1	munmap	userptr	1.25	ms
1	munmap	svm	not supported	ms
2	faults, 1 queue	svm	not supported	1/s
2	faults, 1 queue	userptr	200.50	1/s
2	munmap	userptr	2.25	ms
2	munmap	svm	not supported	ms
4	faults, 1 queue	svm	not supported	1/s
4	faults, 1 queue	userptr	400.50	1/s
4	munmap	userptr	4.25	ms
4	munmap	svm	not supported	ms
END
ok "the picture has what was measured" grep -q 'munmap, userptr' "$co/out/bench/ours/bench.svg"
ok "and nothing else" not grep -q 'svm' "$co/out/bench/ours/bench.svg"
rm "$dir/args"
KERNEL=peer FLUSH=2ms bench 2 >"$dir/log" 2>&1
ok "KERNEL and the number of GPUs reach the guest" \
	grep -qE -- "--kernel peer .*--gpus 2 .* faults 2$" "$dir/args"
ok "FLUSH is for munmap() alone" \
	sh -c 'grep -c flush=2ms "$1" | grep -qx 1 && grep -q "flush=2ms -- .* munmap 2$" "$1"' sh "$dir/args"
ok "a guest that fails ends it" refuses 'faults with 1 GPUs failed' env STUB_STATUS=71 "$co/scripts/bench"
ok "and leaves no numbers" [ ! -e "$co/out/bench/ours/bench.tsv" ]
ok "a number of GPUs that is none is refused" refuses "'x' is not a number of GPUs" bench x
ok "a time that is none is refused" refuses 'FLUSH=5 is not a time' env FLUSH=5 "$co/scripts/bench"
end
