# The simulated GPUs of scripts/guest, which sources this: it sets GPUS, PROFILE, TRACE and
# SIM_ARGS, RUNDIR and SCRATCH.  SIMS has the simulators' processes.
# shellcheck shell=bash disable=SC2153,SC2154,SC2317 # set there; run_group calls

check_gpus() {
	local gpu
	XESIM=$("$TOP/scripts/sim" path)
	[ -x "$XESIM" ] || die "there is no simulator $XESIM" "run 'scripts/sim build'"
	# The last byte of sun_path is a zero
	[ $((${#SCRATCH} + 5)) -le 107 ] ||
		die "$SCRATCH is too long for the path of a socket" "set XDG_CACHE_HOME to a shorter one"
	mkdir -p "$SCRATCH/peers"
	[ "$GPUS" = 1 ] || QEMU_ARGS+=(-device "pcie-root-port,id=root,chassis=0" -device "x3130-upstream,id=switch,bus=root")
	for ((gpu = 0; gpu < GPUS; gpu++)); do
		place_gpu "$gpu"
	done
	firmware_arguments
}

firmware_arguments() {
	case $PROFILE in
	pvc*)
		[ "$VARIANT" = pvc ] || die "kernel $KERNEL $VARIANT does not bind to a GPU of profile $PROFILE" \
			"use kernel ours, variant pvc"
		# No driver names a firmware of GuC for it
		CMDLINE+=' xe.guc_firmware_path=xe/pvc_guc_model.bin'
		;;
	# 6.12 insists on the firmware of a HuC for Battlemage
	*) [ "$KERNEL" = peer ] || CMDLINE+=' xe.huc_firmware_path=' ;;
	esac
}

# place_gpu GPU: several are behind one PCIe switch, as Linux has devices access each other there
# (pci_p2pdma_distance_many()), but not below this machine's host bridge.
place_gpu() {
	local bus=''
	if [ "$GPUS" != 1 ]; then
		QEMU_ARGS+=(-device "xio3130-downstream,id=port$1,bus=switch,chassis=$(($1 + 1))")
		bus=",\"bus\":\"port$1\""
	fi
	QEMU_ARGS+=(-device "{\"driver\":\"vfio-user-pci\",\"x-msg-timeout\":600000$bus,\
\"socket\":{\"type\":\"unix\",\"path\":\"$SCRATCH/gpu$1\"}}")
}

# sim_failed GPU WHAT [LINE]: for judge, which is in another process.
sim_failed() {
	printf 'gpu%s %s%s; see %s\n' "$1" "$2" "${3:+: $3}" "$RUNDIR/gpu$1.log" >>"$SCRATCH/sim-failed"
	return 125
}

sim_died() { sim_failed "$1" "died (status $2)" "$(tail -n1 "$RUNDIR/gpu$1.log")"; }

# start_sim GPU: sets SIMS[GPU] to its process, and waits until it listens.
start_sim() {
	local peers=() trace=() out=$SCRATCH/gpu$1.out log=$RUNDIR/gpu$1.log i
	[ "$TRACE" = 0 ] || trace=(--trace "$RUNDIR/gpu$1.trace")
	: >"$out"
	[ "$GPUS" = 1 ] || peers=(--peers "$SCRATCH/peers")
	"$XESIM" --socket "$SCRATCH/gpu$1" --profile "$PROFILE" --stats "$RUNDIR/gpu$1.stats.json" \
		"${peers[@]}" "${trace[@]}" "${SIM_ARGS[@]}" >"$out" 2>"$log" </dev/null &
	SIMS[$1]=$!
	for ((i = 0; i < 300; i++)); do
		! grep -q 'listening on' "$out" || return 0
		kill -0 "$!" 2>/dev/null || break
		sleep 0.1
	done
	sim_failed "$1" 'does not start' "$(head -n1 "$log")"
}

# sim_of PID: the GPU of this simulator.
sim_of() {
	local gpu
	for gpu in "${!SIMS[@]}"; do
		[ "${SIMS[gpu]}" != "$1" ] || echo "$gpu"
	done
}

# ends_within SECONDS PID
ends_within() {
	local i
	for ((i = 0; i < $1 * 10; i++)); do
		kill -0 "$2" 2>/dev/null || return 0
		sleep 0.1
	done
	return 1
}

# watch QEMU: until QEMU has ended, or a simulator that should have outlived it.  One that
# ends because QEMU does may be noticed first.
watch() {
	local ended status gpu
	while true; do
		status=0
		wait -n -p ended || status=$?
		[ "$ended" != "$1" ] || return "$status"
		gpu=$(sim_of "$ended")
		[ -n "$gpu" ] || continue
		unset "SIMS[gpu]"
		[ "$status" = 0 ] && ends_within 2 "$1" || sim_died "$gpu" "$status" || return
	done
}

# await_sims: they end when QEMU does.
await_sims() {
	local gpu status=0
	for gpu in "${!SIMS[@]}"; do
		ends_within 10 "${SIMS[gpu]}" || sim_failed "$gpu" 'did not end when QEMU did' || return
		wait "${SIMS[gpu]}" || status=$?
		[ "$status" = 0 ] || sim_died "$gpu" "$status" || return
	done
}

# bad_counters: one line for each counter of what must not happen.  A simulator that has
# failed need not have written any.
bad_counters() {
	local gpu
	for ((gpu = 0; gpu < GPUS; gpu++)); do
		[ -s "$RUNDIR/gpu$gpu.stats.json" ] || [ ! -s "$SCRATCH/sim-failed" ] || continue
		python3 - "$RUNDIR/gpu$gpu.stats.json" <<-'END' | sed "s/^/gpu$gpu: /"
			import json, sys

			try:
			    bad = json.load(open(sys.argv[1]))["bad"]
			except (OSError, ValueError, KeyError):
			    print("no counters were written")
			else:
			    for name, n in bad.items():
			        if n:
			            print(name, "=", n)
		END
	done
}
