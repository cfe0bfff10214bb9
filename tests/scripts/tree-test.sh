#!/bin/bash
# Tests scripts/tree, scripts/series render and fetch_deb of scripts/lib.sh, in a copy
# of the checkout with a cache of its own.
#
#   tests/scripts/tree-test.sh
#
# Prints "ok N - name" or "not ok N - name" for each case; exits 1 after any "not ok".
# The base is a .deb of a few files under the name that the scripts look for in the
# cache; where a download is tested, stubs of apt-get and apt-cache on PATH hand it out
# (STUB_DEB) as the versions of STUB_VERSIONS.  Nothing is fetched.
# shellcheck disable=SC2317	# the helpers are called through ok
# shellcheck source=tests/scripts/tap.sh
. "$(dirname "$0")/tap.sh"

co=$dir/checkout
version='6.12.100-1'
cache=$dir/cache/gpusvm
linux=$cache/linux

# ---- helpers ----

# says TEXT COMMAND...: the command succeeds and its output contains TEXT.
says() {
	local text=$1 out
	shift
	out=$("$@" 2>&1) || { echo "failed: $out" && return 1; }
	echo "$out"
	grep -qF -- "$text" <<<"$out"
}

g() { git -C "$linux" "$@"; }
tree() { "$co/scripts/tree" "${1:-tree}"; }
state() { [ ! -d "$linux" ] || { g rev-parse HEAD && g for-each-ref && g status --porcelain && g diff HEAD; }; }
same() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'" && return 1; }; }
times() { (cd "$linux" && find . -path ./.git -prune -o -type f -printf '%T@ %p\n' | sort -k2); }
touched() { diff "$dir/times" <(times) | sed -n 's/^> [^ ]* //p' | paste -sd' '; }
save() { (cd "$co" && git add -A && git commit -qm saved); }
unsaved() { git -C "$co" status --porcelain; }
signed='Signed-off-by: A B <a@b.example>'
commit() { g add -A && g commit -q --allow-empty -m "$1" -m "${2-Because.}" -m "${3-$signed}"; }
drop() { g reset -q --hard refs/gpusvm/applied; }
# undo: the checkout as it was when saved.
undo() { git -C "$co" reset -q --hard && git -C "$co" clean -qfdx; }
# undo_all: the tree too.
undo_all() { undo && drop && tree >/dev/null; }

# ---- the world of this test ----

# small_deb FILE: a linux-source package.
small_deb() {
	local src=$dir/deb/linux-source-6.12 pkg=$dir/deb/pkg
	rm -rf "$dir/deb"
	mkdir -p "$src/mm" "$src/include/linux" "$src/drivers/x" "$pkg/DEBIAN" "$pkg/usr/src"
	seq 1 60 >"$src/mm/a.c"
	seq 100 160 >"$src/mm/b.c"
	echo 'int a;' >"$src/include/linux/a.h"
	echo 'all:' >"$src/Makefile"
	echo '*.c diff=cpp' >"$src/.gitattributes"
	printf '*.o\n\n#\n# Debian packaging: ignore everything at the top\n#\n/*\n!/debian/\n' >"$src/.gitignore"
	tar -C "$dir/deb" -cJf "$pkg/usr/src/linux-source-6.12.tar.xz" linux-source-6.12
	printf 'Package: linux-source-6.12\nVersion: 1\nArchitecture: all\nMaintainer: x <x@y>\nDescription: x\n' \
		>"$pkg/DEBIAN/control"
	dpkg-deb --root-owner-group -Znone -b "$pkg" "$1" >/dev/null
}

stub() {
	cat >"$dir/bin/$1"
	chmod +x "$dir/bin/$1"
}

# pins VERSION SHA256
pins() {
	sed -i "s/^BASE_VERSION=.*/BASE_VERSION='$1'/; s/^BASE_SHA256=.*/BASE_SHA256=$2/" "$co/scripts/pins"
}

unset "${!GIT_@}" FORCE CCACHE_DIR
export HOME=$dir/home XDG_CACHE_HOME=$dir/cache PATH=$dir/bin:$PATH
mkdir -p "$dir/bin" "$HOME" "$cache/dl" "$co"
# What a user may have set must not matter.
git config --global user.name 'A B'
git config --global user.email a@b.example
git config --global diff.noprefix true
git config --global diff.context 9
git config --global diff.algorithm patience
git config --global color.ui always
git config --global apply.whitespace error
git config --global format.signature mine
git config --global advice.detachedHead false
stub apt-cache <<'EOF'
#!/bin/sh
for v in $STUB_VERSIONS; do echo " $2 | $v | http://mirror.invalid x/main amd64 Packages"; done
EOF
stub apt-get <<'EOF'
#!/bin/sh
for arg; do :; done
[ "$2" = download ] && cp "$STUB_DEB" "./${arg%%=*}_${arg#*=}_all.deb"
EOF
stub df <<'EOF'
#!/bin/sh
printf 'head\ndisk 1 1 %s 1%% /\n' "${STUB_FREE:-99999}"
EOF
cp -r "$top/scripts" "$co"
mkdir "$co/patches"
printf 'mm: A subject\n\nA text.\n' >"$co/patches/cover-letter"
small_deb "$dir/base.deb"
sha=$(sha256sum "$dir/base.deb" | cut -d' ' -f1)
pins "$version" "$sha"
cp "$dir/base.deb" "$cache/dl/linux-source-6.12-$version.deb"
git -C "$co" init -q
save

# ---- a tree, and from commits to patches and back ----

ok 'refresh without a tree is refused' refuses "there is no tree yet" tree refresh
ok 'a full disk is said before anything is done' refuses 'MiB are needed' env STUB_FREE=10 "$co/scripts/tree" tree
ok 'fresh tree' says '0 patches on Linux 6.12.100' tree
ok 'fresh tree: tag and branch are the base' same "$(g rev-parse base)" "$(g rev-parse series)"
ok 'nothing is left in the temporary folder' same '' "$(ls "$cache/tmp")"
ok 'up to date' says 'tree: up to date, 0 patches on Linux 6.12.100' tree
ok 'render without patches is refused' grep -q 'no patches' <("$co/scripts/series" render 2>&1)

sed -i 's/^10$/1000/' "$linux/mm/a.c"
echo 'new' >"$linux/mm/new.c"
commit 'mm: Ten'
sed -i 's/^50$/fifty/' "$linux/mm/a.c"
commit 'mm: Fifty, überall'
mkdir -p "$linux/lib"
echo '#!/bin/sh' >"$linux/lib/only.sh"
chmod +x "$linux/lib/only.sh"
git -C "$linux" rm -q include/linux/a.h
printf 'no newline' >"$linux/lib/end.txt"
commit 'lib: Files only, and one less'
ok 'unrefreshed commits are refused' refuses '3 commits that are not in patches/ yet' tree
ok 'refresh writes three patches' says '3 patches' tree refresh
ok 'refresh: patches/series' diff - "$co/patches/series" <<EOF
# The patches in their order.  Under each, the new files that it brings whole:
# lines of a tab and "+ path".  Written by "make refresh"; these first lines are kept.
mm-ten.patch
	+ mm/new.c
mm-fifty-berall.patch
lib-files-only-and-one-less.patch
	+ lib/end.txt
	+ lib/only.sh
EOF
ok 'refresh: a patch' diff - <(sed 's/^Date: .*/Date:/' "$co/patches/mm-ten.patch") <<EOF
From: A B <a@b.example>
Date:
Subject: mm: Ten

Because.

$signed
---
diff --git a/mm/a.c b/mm/a.c
--- a/mm/a.c
+++ b/mm/a.c
@@ -7,7 +7,7 @@
 7
 8
 9
-10
+1000
 11
 12
 13
EOF
ok 'refresh: new files with their modes' test -x "$co/lib/only.sh" -a ! -x "$co/lib/end.txt"
ok 'tree after refresh is up to date' says 'up to date, 3 patches' tree
save
made=$(g rev-parse HEAD)
ok 'refresh of an unchanged tree is byte-stable' says '3 patches' tree refresh
ok 'refresh of an unchanged tree: no edits' same '' "$(unsaved)"
rm -rf "$linux"
ok 'from patches to commits again' says '3 patches' tree
ok 'the commits are the same' same "$made" "$(g rev-parse HEAD)"
echo 'a comment' | sed 's/^/# /' >>"$co/scripts/pins"
times >"$dir/times"
ok 'another comment in pins' says 'tree: 3 patches' tree
ok 'another comment in pins: the same commits' same "$made" "$(g rev-parse HEAD)"
ok 'another comment in pins: no file is written' same '' "$(touched)"
undo_all

times >"$dir/times"
echo 'newer' >"$co/mm/new.c"
ok 'a changed new file' says '3 patches' tree
ok 'a changed new file: only it is written' same './mm/new.c' "$(touched)"
times >"$dir/times"
sed -i 's/^+fifty/+FIFTY/' "$co/patches/mm-fifty-berall.patch"
ok 'a changed patch' says '3 patches' tree
ok 'a changed patch: only its file is written' same './mm/a.c' "$(touched)"
chmod +x "$co/lib/end.txt"
tree >/dev/null
ok 'a changed mode' test -x "$linux/lib/end.txt"
undo_all

sed -i 's/^20$/twenty/' "$linux/mm/a.c"
commit 'mm: Twenty'
tree refresh >/dev/null
ok 'a commit adds a patch' same ' M patches/series ?? patches/mm-twenty.patch' "$(unsaved | paste -sd' ')"
save
sed -i 's/1000/1111/' "$linux/mm/a.c"
echo 'fixed' >"$linux/mm/new.c"
g commit -qa --fixup="$(g log --format=%h --grep='^mm: Ten' base..HEAD)"
ok 'an edit of an earlier new file is refused until squashed' refuses 'squash' tree refresh
GIT_EDITOR=: GIT_SEQUENCE_EDITOR=: g rebase -q -i --autosquash base 2>/dev/null
ok 'fixup of an earlier patch' says '4 patches' tree refresh
ok 'fixup of an earlier patch: only its files change' same ' M mm/new.c  M patches/mm-ten.patch' "$(unsaved | paste -sd' ')"
save
g reset -q --hard HEAD~1
ok 'a dropped commit is not brought back unasked' refuses 'lacks commits' tree
ok 'a dropped commit' says 'removed patches/mm-twenty.patch' tree refresh
ok 'a dropped commit: the rest is up to date' says 'up to date, 3 patches' tree
save
GIT_SEQUENCE_EDITOR='sed -i 3d' g rebase -q -i base
ok 'a dropped new file' says 'removed lib/only.sh' tree refresh
ok 'a dropped new file: its empty folder is gone too' not test -e "$co/lib"
undo_all

# ---- refused ----

echo edit >>"$linux/mm/a.c"
ok 'tree refuses uncommitted edits' refuses 'uncommitted edits (mm/a.c)' tree
ok 'refresh refuses uncommitted edits' refuses 'uncommitted edits (mm/a.c)' tree refresh
drop
echo edit >"$linux/mm/x.c"
ok 'refresh refuses a new file that is not added' refuses 'uncommitted edits (mm/x.c)' tree refresh
rm "$linux/mm/x.c"

# bad_commit NAME TEXT SUBJECT [BODY [SIGNED]]: an edit that refresh refuses.
bad_commit() {
	local name=$1 text=$2
	shift 2
	echo edit >>"$linux/mm/a.c"
	commit "$@"
	ok "refresh refuses $name" refuses "$text" tree refresh
	drop
}
bad_commit 'a commit without Signed-off-by' 'no Signed-off-by' 'mm: X' 'Because.' ''
bad_commit 'a commit without a body' 'no message below the subject' 'mm: X' ''
bad_commit 'fixup!' 'autosquash' 'fixup! mm: Ten'
bad_commit 'two patches of one name' 'both be patches/mm-ten.patch' 'mm: TEN'
bad_commit 'a message that a mail cannot hold' 'not the same when made from its patch' 'mm: X' "Because

---
of this."
echo edit >>"$linux/mm/new.c"
bad_commit "an edit of an earlier patch's new file" "edits mm/new.c, which commit" 'mm: X'
mkdir "$linux/arch"
echo x >"$linux/arch/x.c"
bad_commit 'a new file in a folder of no new files' 'adds arch/x.c outside' 'arch: X'
g commit -q --allow-empty -m 'mm: Empty' -m "Because." -m "$signed"
ok 'refresh refuses an empty commit' refuses 'changes nothing' tree refresh
drop
g checkout -q -b side HEAD~1
echo x >>"$linux/mm/b.c"
commit 'mm: Side'
g checkout -q series
g merge -q --no-edit side >/dev/null
ok 'refresh refuses a merge' refuses 'is a merge' tree refresh
drop
g checkout -q side
ok 'tree refuses another branch' refuses 'is on side' tree
g checkout -q series
g branch -qD side
echo newest >"$co/mm/new.c"
ok 'refresh does not overwrite what changed in the checkout' refuses "run 'make tree' first" tree refresh
undo_all

echo newest >"$co/mm/new.c"
echo x >>"$linux/mm/b.c"
commit 'mm: Both'
ok 'refresh refuses where both changed' refuses 'and so did the tree' tree refresh
ok 'refresh FORCE=1 overwrites the checkout' says 'wrote mm/new.c' env FORCE=1 "$co/scripts/tree" refresh
g reset -q --hard HEAD~1
tree refresh >/dev/null
ok 'refresh FORCE=1 and back' same '' "$(unsaved)"
g update-ref refs/gpusvm/moving HEAD
g update-ref refs/gpusvm/applied HEAD~1
ok 'killed between the move and its record: a second run recovers' says 'tree: 3 patches' tree
ok 'killed between the move and its record: then up to date' says 'up to date' tree

# bad_checkout NAME TEXT: after an edit of the checkout that tree refuses.
bad_checkout() {
	ok "tree refuses $1" refuses "$2" tree
	undo # the tree is as it was, or refuses would have failed
}
sed -i 's/^ 7$/ 7x/' "$co/patches/mm-ten.patch"
bad_checkout 'fuzz' 'patches/mm-ten.patch does not apply to Linux 6.12.100-1: mm/a.c line 7 is not'
sed -i 's|mm/a.c|mm/gone.c|' "$co/patches/mm-ten.patch"
bad_checkout 'a patch to a missing file' 'patches/mm-ten.patch does not apply to Linux 6.12.100-1: mm/gone.c does not exist'
sed -i '$d' "$co/patches/mm-ten.patch"
bad_checkout 'a torn patch' 'patches/mm-ten.patch does not apply to Linux 6.12.100-1: corrupt patch'
sed -i '/^Date/d' "$co/patches/mm-ten.patch"
bad_checkout 'a patch without a date' 'patches/mm-ten.patch has no good From: and Date:'
echo x >"$co/mm/x.c"
bad_checkout 'an unlisted new file' 'lists the new file mm/x.c'
rm "$co/mm/new.c"
bad_checkout 'a missing new file' 'mm/new.c, which is not there'
echo x >"$co/mm/b.c"
printf '\t+ mm/b.c\n' >>"$co/patches/series"
bad_checkout 'a new file that the base has' 'mm/b.c exists in Linux 6.12.100'
printf '\t+ mm/new.c\n' >>"$co/patches/series"
bad_checkout 'a file listed twice' 'lists mm/new.c twice'
echo mm-ten.patch >>"$co/patches/series"
bad_checkout 'a patch listed twice' 'lists mm-ten.patch twice'
echo x >"$co/patches/x.patch"
bad_checkout 'an unlisted patch' 'patches/x.patch is not listed'
rm "$co/patches/mm-ten.patch"
bad_checkout 'a missing patch' 'mm-ten.patch, which is not in patches/'
sed -i '1i\	+ mm/new.c' "$co/patches/series"
bad_checkout 'a new file before any patch' 'stands before any patch'
sed -i 's|^--- a/mm/a.c|--- /dev/null|; s|^diff.*|diff --git a/mm/y.c b/mm/y.c\nnew file mode 100644|; s|+++ b/mm/a.c|+++ b/mm/y.c|
	/^@@/,$d' "$co/patches/mm-fifty-berall.patch"
printf '@@ -0,0 +1 @@\n+y\n' >>"$co/patches/mm-fifty-berall.patch"
bad_checkout 'a diff that makes a new file' 'makes the new file mm/y.c in its diff'
sed '/^diff/,$d' "$co/patches/mm-ten.patch" >"$dir/head"
{ cat "$dir/head" && printf 'diff --git a/mm/new.c b/mm/new.c\n--- a/mm/new.c\n+++ b/mm/new.c\n@@ -1 +1 @@\n-%s\n+edit\n' \
	"$(cat "$co/mm/new.c")"; } >"$co/patches/mm-fifty-berall.patch"
bad_checkout 'a diff that edits a new file' 'edits the new file mm/new.c'

# ---- FORCE=1 ----

echo kept >>"$linux/mm/b.c"
commit 'mm: Kept'
echo edited >>"$linux/mm/b.c"
echo untracked >"$linux/mm/untracked.c"
ok 'tree FORCE=1 goes on' says 'is on branch lost-' env FORCE=1 "$co/scripts/tree" tree
lost=$(g for-each-ref --format='%(refname:short)' 'refs/heads/lost-*')
ok 'tree FORCE=1 keeps commits' same 'mm: Kept' "$(g log -1 --format=%s "$lost~1")"
ok 'tree FORCE=1 keeps edits' same 'edited untracked' "$(g show "$lost:mm/b.c" | tail -n1) $(g show "$lost:mm/untracked.c")"
ok 'tree FORCE=1 leaves a clean tree' says 'up to date' tree

# ---- series ----

ok 'series render' says '3 patches in out/series, git am on pristine 6.12.100-1 gives the same tree' "$co/scripts/series" render
git clone -q "$linux" "$dir/am" 2>/dev/null
git -C "$dir/am" checkout -q base
git -C "$dir/am" am -q "$co"/out/series/000[1-9]*.patch >/dev/null 2>&1
ok 'series render: git am gives the same tree' same "$(g rev-parse 'series^{tree}')" "$(git -C "$dir/am" rev-parse 'HEAD^{tree}')"
ok 'series render: cover letter' grep -q '^Subject: \[PATCH 0/3\] mm: A subject$' "$co/out/series/0000-cover-letter.patch"
cp -r "$co/out/series" "$dir/series"
"$co/scripts/series" render >/dev/null
ok 'series render is byte-stable' diff -r "$dir/series" "$co/out/series"

# ---- the base worktree ----

tree base >/dev/null
echo dirt >>"$cache/base/mm/a.c"
echo dirt >"$cache/base/mm/dirt.c"
tree base >/dev/null
ok 'base is the clean base' same "$(g rev-parse base) " "$(git -C "$cache/base" rev-parse HEAD) $(git -C "$cache/base" status --porcelain)"

# ---- another base ----

pins 6.12.101-1 "$sha"
echo own >>"$linux/mm/b.c"
commit 'mm: Own'
ok 'another base: own commits are not lost' refuses '1 commit that is not' tree
drop
export STUB_DEB=$dir/base.deb
ok 'another base' says 'tree: 3 patches on Linux 6.12.101' env STUB_VERSIONS=6.12.101-1 "$co/scripts/tree" tree
ok 'another base: tag' says 'Linux 6.12.101-1 as in Debian' g log -1 --format=%s base
ok 'another base: up to date' says 'up to date' tree
pins 6.12.102-1 "$sha"
ok 'the pinned version is gone: the newest is used and said' says 'linux-source-6.12 6.12.102-1 is gone from the mirror, using 6.12.110-1' \
	env STUB_VERSIONS='6.12.103-1 6.12.110-1 6.13.1-1 6.12.99-1' "$co/scripts/tree" tree
ok 'the pinned version is gone: said at every run' says 'using 6.12.110-1' env STUB_VERSIONS='6.12.110-1' "$co/scripts/tree" tree
ok 'the pinned version is gone: up to date' says 'up to date, 3 patches on Linux 6.12.110' \
	env STUB_VERSIONS='6.12.110-1' "$co/scripts/tree" tree
ok 'no version of the series at all' refuses 'no linux-source-6.12 6.12 is to be had' env STUB_VERSIONS='6.13.1-1' "$co/scripts/tree" tree

pins 6.12.104-1 "${sha//[0-9]/0}"
ok 'a wrong checksum' refuses "expected ${sha//[0-9]/0}" env STUB_VERSIONS=6.12.104-1 "$co/scripts/tree" tree
ok 'a wrong checksum: nothing is kept' not test -e "$cache/dl/linux-source-6.12-6.12.104-1.deb" -o -n "$(ls "$cache/tmp")"
mkdir "$dir/noapt"
IFS=: read -ra path <<<"${PATH#*:}"
for p in "${path[@]}"; do ln -s "$p"/* "$dir/noapt" 2>/dev/null; done
rm -f "$dir"/noapt/apt-*
cp "$dir/bin/df" "$dir/noapt/df.stub" && ln -sf df.stub "$dir/noapt/df"
ok 'no apt' refuses 'apt-get is not installed' env PATH="$dir/noapt" "$co/scripts/tree" tree
pins "$version" "$sha"
ok 'no apt is needed for what is in the cache' says '3 patches on Linux 6.12.100' env PATH="$dir/noapt" "$co/scripts/tree" tree
ok 'deps without apt names the packages' grep -q 'Debian machine with: .*mmdebstrap' <(PATH=$dir/noapt "$co/scripts/deps" 2>&1)

# ---- interrupted ----

stub xz <<'EOF'
#!/bin/sh
touch "$STUB_STARTED"
sleep 1
EOF
export STUB_STARTED=$dir/started
# interrupt SIGNAL: while the base is being unpacked.
interrupt() {
	local pid
	rm -rf "$linux" "$STUB_STARTED"
	setsid "$co/scripts/tree" tree >"$dir/out" 2>&1 &
	pid=$!
	until [ -e "$STUB_STARTED" ]; do sleep 0.05; done
	kill -s "$1" "$pid"
	wait "$pid" 2>/dev/null
}
interrupt TERM
ok 'interrupted: nothing half-made is left' same '' "$(ls "$cache/tmp")$(ls -d "$linux" 2>/dev/null)"
interrupt KILL
ok 'killed: what is left is temporary' not test -e "$linux"
rm "$dir/bin/xz"
ok 'killed: a second run recovers' says '3 patches on Linux 6.12.100' tree
ok 'killed: what was left is gone' same '' "$(ls "$cache/tmp")"

end
