# Shared by every script here: paths, messages, locks, downloads.
# Source it first: . "$(dirname "$0")/lib.sh"
# shellcheck shell=bash disable=SC2034
set -euo pipefail

export LC_ALL=C
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/gpusvm
OUT=$TOP/out
# shellcheck source=scripts/pins
. "$TOP/scripts/pins"

# Kernel builds are reproducible, or ccache would never hit.
export CCACHE_DIR=${CCACHE_DIR:-$CACHE/ccache} CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-10G}
export KBUILD_BUILD_TIMESTAMP=1970-01-01 KBUILD_BUILD_USER=gpusvm KBUILD_BUILD_HOST=gpusvm

say() { printf '%s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }

# die WHAT [HINT]: one line that says what is wrong and what to do.
die() {
	printf 'error: %s%s\n' "$1" "${2:+; $2}" >&2
	exit 1
}

# step TEXT: a longer step begins.
step() { printf '== %s\n' "$*"; }

need_tool() {
	local t
	for t; do
		command -v "$t" >/dev/null || die "$t is not installed" "run 'make deps'"
	done
}

make_dir() {
	mkdir -p "$1" 2>/dev/null || die "cannot create $1" "set XDG_CACHE_HOME to a writable folder"
}

# need_space DIR MIB: at least that much must be free where DIR will be.
need_space() {
	local free
	make_dir "$1"
	free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$2" ] ||
		die "$1 has $free MiB free, $2 MiB are needed" "free some space or set XDG_CACHE_HOME to a larger disk"
}

# lock NAME: one run at a time; a second one waits and says so.  Held until the script
# and every child of it (a build that outlives a killed script, for one) has ended.
lock() {
	local fd
	make_dir "$CACHE"
	exec {fd}>"$CACHE/$1.lock"
	flock -n "$fd" || {
		say "waiting for another run that holds $CACHE/$1.lock"
		flock "$fd"
	}
}

# cleanup_at_exit: whatever ends the script, nothing is left of run_group and scratch.
GROUP='' SCRATCH=''
cleanup_at_exit() {
	trap 'stop_group; [ -z "$SCRATCH" ] || rm -rf "$SCRATCH"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# scratch: a temporary folder inside the cache (same disk, so that finished things
# are moved into place at once), removed at exit.  It is locked while in use: what a
# killed run left is not, and is removed here.
scratch() {
	local all mine dir
	make_dir "$CACHE/tmp"
	exec {all}<"$CACHE/tmp"
	flock "$all"
	for dir in "$CACHE"/tmp/*; do
		[ ! -d "$dir" ] || flock -n "$dir" rm -rf "$dir" || :
	done
	SCRATCH=$(mktemp -d "$CACHE/tmp/XXXXXX")
	exec {mine}<"$SCRATCH"
	flock "$mine"
	exec {all}<&-
	cleanup_at_exit
}

# run_group COMMAND...: runs it as a process group of its own, of which nothing is left
# when it or the script has ended.  Returns its status.
run_group() {
	local rc=0
	cleanup_at_exit
	set -m
	"$@" &
	GROUP=$!
	set +m
	wait "$GROUP" || rc=$?
	stop_group
	GROUP=''
	return "$rc"
}

# stop_group: asks nicely, waits for at most 5 s, then kills.
stop_group() {
	local i
	[ -n "$GROUP" ] || return 0
	kill -TERM -- "-$GROUP" 2>/dev/null || true
	for ((i = 0; i < 50; i++)); do
		kill -0 -- "-$GROUP" 2>/dev/null || return 0
		sleep 0.1
	done
	kill -KILL -- "-$GROUP" 2>/dev/null || true
}

# plain_git: from here on git heeds neither the user's configuration nor an outer
# git's environment, so that what it makes depends on the project alone.
plain_git() {
	unset "${!GIT_@}"
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_ATTR_NOSYSTEM=1
	export GIT_CONFIG_COUNT=3 GIT_LITERAL_PATHSPECS=1
	export GIT_CONFIG_KEY_0=core.attributesFile GIT_CONFIG_VALUE_0=/dev/null
	export GIT_CONFIG_KEY_1=safe.directory GIT_CONFIG_VALUE_1='*'
	export GIT_CONFIG_KEY_2=gc.auto GIT_CONFIG_VALUE_2=0
	export GIT_AUTHOR_NAME=gpusvm GIT_AUTHOR_EMAIL=gpusvm@localhost
	export GIT_COMMITTER_NAME=gpusvm GIT_COMMITTER_EMAIL=gpusvm@localhost
}

# mirror: the Debian mirror that this machine's apt is configured for (not the
# security archive), as a URL.
mirror() {
	local m
	# shellcheck disable=SC2016	# apt's variable
	m=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null |
		grep -v security | sort -u | grep -m1 debian) || true
	[ -n "$m" ] || die "apt names no Debian mirror" "check /etc/apt/sources.list.d and run 'apt-get update'"
	printf '%s\n' "$m"
}

# apt_lists: the package lists must have been read once.
apt_lists() {
	[ -n "$(apt-cache madison "$1" 2>/dev/null)" ] && return
	if [ "$(id -u)" = 0 ]; then
		say "reading the package lists (apt-get update)"
		apt-get -qq update || die "apt-get update failed" "check the network and /etc/apt/sources.list.d"
	fi
	[ -n "$(apt-cache madison "$1" 2>/dev/null)" ] ||
		die "apt knows no package $1" "run 'apt-get update' as root; on Debian 12 it is in bookworm-security"
}

# pick_version PACKAGE VERSION SERIES: sets VERSION to that version where apt has it,
# else to the newest of SERIES, and says so.
pick_version() {
	local all
	all=$(apt-cache madison "$1" | awk -F'|' '{ gsub(/ /, "", $2); print $2 }')
	VERSION=$2
	grep -qxF -- "$2" <<<"$all" && return
	VERSION=$(grep -E "^([0-9]+:)?${3//./\\.}[.-]" <<<"$all" | sort -rV | head -n1) || true
	[ -n "$VERSION" ] || die "no $1 $3 is to be had from apt" "add a mirror that has it, or correct scripts/pins"
	warn "$1 $2 is gone from the mirror, using $VERSION"
}

# fetch_deb PACKAGE VERSION SHA256 SERIES: sets DEB (path in the cache) and
# DEB_VERSION.  The pinned version where it is to be had, checked against SHA256;
# else the newest of SERIES, and says so.
fetch_deb() {
	local pkg=$1 version=$2 sha=$3 series=$4 dl=$CACHE/dl
	mkdir -p "$dl"
	DEB=$dl/$pkg-$version.deb DEB_VERSION=$version
	[ -f "$DEB" ] && return
	need_tool apt-get apt-cache
	apt_lists "$pkg"
	pick_version "$pkg" "$version" "$series"
	if [ "$VERSION" != "$version" ]; then
		version=$VERSION sha='' DEB=$dl/$pkg-$VERSION.deb DEB_VERSION=$VERSION
		[ -f "$DEB" ] && return
	fi
	say "downloading $pkg $version"
	[ -n "${SCRATCH:-}" ] || scratch
	(cd "$SCRATCH" && apt-get -qq download "$pkg=$version" 2>apt.log) ||
		die "cannot download $pkg $version: $(tail -n1 "$SCRATCH/apt.log")" "check the network"
	set -- "$SCRATCH/$pkg"_*.deb
	if [ -n "$sha" ] && ! echo "$sha  $1" | sha256sum --status -c; then
		die "$pkg $version has sha256 $(sha256sum "$1" | cut -d' ' -f1), expected $sha" \
			"the download is broken (run again), or scripts/pins is wrong"
	fi
	mv "$1" "$DEB"
}

# unpack_packages DIR PACKAGES PREFER SUITE...: these packages (with commas) and all that
# they depend on, out of these suites of the mirror, unpacked into DIR; PREFER is what apt's
# preferences shall be. Nothing is installed, no root needed.  Leaves SCRATCH/log.
unpack_packages() {
	local dir=$1 packages=$2 prefer=$3 mode=root url suite sources=()
	shift 3
	need_tool mmdebstrap
	[ "$(id -u)" = 0 ] || mode=chrootless
	url=$(mirror)
	for suite; do
		sources+=("deb [arch=amd64] $url $suite main")
	done
	printf '%s\n' "$prefer" >"$SCRATCH/prefer"
	# shellcheck disable=SC2016 # the hook's variable
	run_group mmdebstrap --mode="$mode" --variant=extract --architectures=amd64 --include="$packages" \
		--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
		--setup-hook='mkdir -p "$1/etc/apt/preferences.d"' \
		--setup-hook="cp '$SCRATCH/prefer' \"\$1/etc/apt/preferences.d/gpusvm\"" \
		"$1" "$dir" "${sources[@]}" >"$SCRATCH/log" 2>&1
}

# unpack_failed WHAT: tells why unpack_packages failed.
unpack_failed() {
	local why suite
	suite=$(sed -nE "s/.* '[^ ]+ ([^ ]+) Release' does not have a Release file.*/\1/p" "$SCRATCH/log" | head -n1)
	[ -z "$suite" ] || die "the mirror $(mirror) has no $suite" "name a full Debian mirror in /etc/apt/sources.list.d"
	why=$(grep -m1 -E '^(E|Err): ?' "$SCRATCH/log" || tail -n1 "$SCRATCH/log")
	die "cannot get $1 ($why)" "check the network and run again"
}

# unpacked_version DIR PACKAGE: what unpack_packages got.
unpacked_version() {
	zcat -f "$1/usr/share/doc/$2"/changelog.* | sed -nE '1s/^[^(]*\(([^)]*)\).*/\1/p'
}

# build_program NAME ARGS...: tests/guest/NAME.c, into SCRATCH; ARGS are gcc's.
build_program() {
	need_tool gcc
	gcc -O2 -Wall -Wextra -Werror -static -o "$SCRATCH/$1" "$TOP/tests/guest/$1.c" "${@:2}" ||
		die "tests/guest/$1.c does not compile" "see above"
}

# build_gpu_program NAME ARGS...: one that calls the Xe driver.
build_gpu_program() {
	# This header alone, as libdrm has the others
	mkdir -p "$SCRATCH/include"
	cp "$("$TOP/scripts/tree" path)/include/uapi/drm/xe_drm.h" "$SCRATCH/include/"
	build_program "$@" -I "$SCRATCH/include" -I /usr/include/libdrm -ldrm
}

# Lines of the kernel's log that are a complaint.  A user program's general protection
# fault reads "general protection fault ip:".
COMPLAINT='WARNING:|BUG:|kernel BUG at|Oops|Kernel panic|general protection fault[,:]'
COMPLAINT+='|KASAN:|UBSAN:|KCSAN:|KFENCE:|suspicious RCU usage|bad unlock balance|lockdep: off'
COMPLAINT+='|INFO: (possible|inconsistent|trying to register|task .* blocked)|turning off the locking correctness'
COMPLAINT+='|(possible|inconsistent) (circular|recursive|irq|lock)|held lock freed|lock held when returning'
COMPLAINT+='|rcu: INFO:|kthread starved|soft lockup|hard LOCKUP|irq [0-9]+: nobody cared'
COMPLAINT+='|kmemleak: [0-9]+ new suspected|unreferenced object|sysfs: cannot create duplicate'

# kbuild_objects TREE BUILD DIR SRCARCH=...: those of DIR that are configured, by the kernel's
# own Makefile.build.
kbuild_objects() {
	# shellcheck disable=SC2016 # make's variables
	make -rR -C "$2" --no-print-directory -f "$1/scripts/Makefile.build" srctree="$1" srcroot="$1" VPATH="$1" "$4" \
		CC=gcc HOSTCC=gcc CONFIG_SHELL=sh need-builtin=1 obj="$3" \
		--eval 'print: ; @echo $(real-obj-y) $(real-obj-m)' print 2>/dev/null || :
}

# kconfig_with_driver TREE: its Kconfig, and a driver: what one would select has no prompt.
kconfig_with_driver() {
	cat "$1/Kconfig"
	printf '\nconfig SVM_DRIVER\n\ttristate "A driver"\n\tdepends on DRM && MMU\n'
	printf '\tselect DRM_GPUSVM\n\tselect DRM_PAGEMAP if DEVICE_PRIVATE\n'
}

# default_variant: of a kernel that is to have GPUs of PROFILE; see scripts/kernel.
default_variant() {
	case ${PROFILE:-} in
	pvc*) say pvc ;;
	*) say lean ;;
	esac
}

# result pass|fail|skip NAME [WHY]: of one test, for the reader and for scripts/test.
result() {
	case $1 in
	pass) say "ok - $2" ;;
	skip) say "ok - $2 # SKIP ${3:-}" ;;
	fail) say "not ok - $2${3:+ ($3)}" ;;
	esac
	[ -z "${RESULTS:-}" ] || printf '%s %s\n' "$1" "$2" >>"$RESULTS"
}
