#!/bin/bash
# Tests that the series changes nothing of 6.12's user-space ABI, and adds what it has to; TAP on stdout,
# exit status 1 if anything fails.
#
#	tests/scripts/uapi-test.sh [TREE]
#
# TREE is the kernel tree with the series ('scripts/tree path'), tag base of which is what must not change.
# shellcheck disable=SC2317 # the helpers are called through ok
# shellcheck source=tests/scripts/tap.sh
. "$(dirname "$0")/tap.sh"

tree=${1:-$("$top/scripts/tree" path)}
header=include/uapi/drm/xe_drm.h
flags=(-Wall -Wextra -Werror -I /usr/include/libdrm)

# What both languages need
prelude='#include <stddef.h>
#ifdef __cplusplus
#define SAME(x) static_assert(x, #x)
#else
#define SAME(x) _Static_assert(x, #x)
#endif'

prepare() {
	git -C "$tree" show "base:$header" >"$dir/base.h" || exit 1
	cp "$tree/$header" "$dir/series.h" || exit 1
	"$top/tests/scripts/uapi-header.py" "$dir/base.h" >"$dir/print.c" &&
		gcc "${flags[@]}" -o "$dir/print" "$dir/print.c" && "$dir/print" >"$dir/same.h" || exit 1
}

# compiles LANGUAGE HEADER FILE [OPTION]...: what is in FILE, with that header; c, or c++ where there is one.
compiles() {
	printf '%s\n#include "%s"\n' "$prelude" "$2" | cat - "$3" >"$dir/test.$1"
	gcc "${flags[@]}" -x "$1" -fsyntax-only "${@:4}" "$dir/test.$1"
}

# has N PATTERN: so many assertions are about that, at least.
has() {
	local n
	n=$(grep -cE "$2" "$dir/same.h")
	echo "$n"
	[ "$n" -ge "$1" ]
}

# mutate NAME SED: a header that differs from the series' like this is noticed.
mutate() {
	sed -E "$2" "$dir/series.h" >"$dir/mutant.h"
	if cmp -s "$dir/series.h" "$dir/mutant.h"; then
		ok "noticed: $1" echo "the header has no such line any more"
		return
	fi
	ok "noticed: $1" not compiles c "$dir/mutant.h" "$dir/same.h"
}

test_base() {
	ok "structs are compared" has 30 'SAME\(sizeof\(struct drm_xe_[a-z_]+\) =='
	ok "members are compared" has 150 'SAME\(offsetof'
	ok "members in unions are compared" has 1 'struct drm_xe_vm_bind_op, userptr\) == '
	ok "macros are compared" has 95 'SAME\(\(long long\)'
	ok "ioctl numbers are compared" has 12 'DRM_IOCTL_XE_'
	ok "enumerators are compared" has 5 'SAME\(DRM_XE_[A-Z_]+ =='
	ok "nothing of 6.12 has changed, in C" compiles c "$dir/series.h" "$dir/same.h"
}

test_mutants() {
	mutate "a member is longer" 's/^	__u32 num_binds;/	__u64 num_binds;/'
	mutate "a member is gone" '/^	__u64 ext_type;|^	__u64 next_extension;/d'
	mutate "two members are swapped" 's/__u16 num_batch_buffer;/__u16 swap;/; s/__u16 pad\[3\];/__u16 num_batch_buffer, pad[2];/'
	mutate "the new union is longer" 's/^		struct drm_xe_syncs op_syncs;/&\n		__u64 more[5];/'
	mutate "a flag has another value" 's/(define DRM_XE_VM_BIND_FLAG_NULL	)\(1 << 2\)/\1(1 << 3)/'
	mutate "an ioctl has another number" 's/(define DRM_XE_EXEC	+)0x09/\10x0c/'
	mutate "an ioctl has another direction" 's/(DRM_IOCTL_XE_EXEC	+)DRM_IOW\(/\1DRM_IOWR(/'
}

test_old_sources() {
	cat >"$dir/old.h" <<-'END'
		struct drm_xe_vm_bind bind(struct drm_xe_sync *sync);
		struct drm_xe_vm_bind bind(struct drm_xe_sync *sync)
		{
			struct drm_xe_vm_bind b = { .vm_id = 1, .num_binds = 1, .pad2 = 0, .num_syncs = 1,
						    .syncs = (size_t)sync, .reserved = { 0, 0 } };
			struct drm_xe_exec e = { .num_batch_buffer = 1, .pad = { 0, 0, 0 }, .reserved = { 0 } };

			b.pad2 = b.reserved[0] = b.reserved[1] = e.pad[0] = e.pad[2] = 0;
			return b;
		}
	END
	ok "sources with the old names compile" compiles c "$dir/series.h" "$dir/old.h" -Wno-missing-field-initializers
}

# The table "Ours alone" of the ABI
test_new() {
	cat >"$dir/new.h" <<-'END'
		SAME(sizeof(struct drm_xe_syncs) == 32);
		SAME(offsetof(struct drm_xe_syncs, flags) == 0);
		SAME(offsetof(struct drm_xe_syncs, num_syncs) == 4);
		SAME(offsetof(struct drm_xe_syncs, syncs) == 8);
		SAME(offsetof(struct drm_xe_syncs, cookie) == 16);
		SAME(offsetof(struct drm_xe_syncs, reserved) == 24);
		SAME(sizeof(((struct drm_xe_syncs *)0)->flags) == 4);
		SAME(sizeof(((struct drm_xe_syncs *)0)->cookie) == 8);
		SAME(sizeof(struct drm_xe_vm_bind) == 104 + 32);
		SAME(offsetof(struct drm_xe_vm_bind, op_syncs) == 104);
		SAME(offsetof(struct drm_xe_vm_bind, op_syncs.flags) == offsetof(struct drm_xe_vm_bind, pad2));
		SAME(offsetof(struct drm_xe_vm_bind, op_syncs.num_syncs) == offsetof(struct drm_xe_vm_bind, num_syncs));
		SAME(offsetof(struct drm_xe_vm_bind, op_syncs.syncs) == offsetof(struct drm_xe_vm_bind, syncs));
		SAME(offsetof(struct drm_xe_vm_bind, op_syncs.cookie) == offsetof(struct drm_xe_vm_bind, reserved));
		SAME(DRM_XE_SYNCS_FLAG_WAIT_FOR_OP == 1);
		SAME(offsetof(struct drm_xe_exec, flags) == 34);
		SAME(offsetof(struct drm_xe_exec, flags) == offsetof(struct drm_xe_exec, pad));
		SAME(sizeof(((struct drm_xe_exec *)0)->flags) == 2);
		SAME(DRM_XE_QUERY_CONFIG_FLAG_HAS_SYNC_BIND == 0x80000000u);
		SAME((__u64)DRM_XE_QUERY_CONFIG_FLAG_HAS_SYNC_BIND >> 32 == 0);
	END
	ok "the numbers of synchronous binds are those of the ABI, in C" compiles c "$dir/series.h" "$dir/new.h"
}

test_cplusplus() {
	local name
	cat "$dir/same.h" "$dir/new.h" >"$dir/all.h"
	name="all of these numbers are the same in C++"
	if command -v g++ >/dev/null; then
		ok "$name" compiles c++ "$dir/series.h" "$dir/all.h" -Wno-invalid-offsetof
	else
		skip "$name" "there is no g++"
	fi
}

prepare
test_base
test_mutants
test_old_sources
test_new
test_cplusplus
end
