// SPDX-License-Identifier: GPL-2.0-only
/*
 * sync_bind: each operation, on each queue and kind of VM. Everything is mapped over
 * something that the GPU has already read, so that whoever is early reads that.
 */
#include "sync_bind.h"

#define OLD 0x01000000u
#define NEW 0x02000000u
#define USER 0x03000000u
#define MOVED 0x04000000u

/**
 * struct trial - one operation at one address
 * @old, @new: buffers; @old is mapped before
 * @user: memory of malloc()
 * @addr, @want: what the GPU is to read afterwards
 * @refused: where it is not to read any more, or 0
 */
struct trial {
	struct space *s;
	__u64 base;
	struct buffer old, new;
	__u32 *user;
	__u64 addr[MAX_PROBES], refused;
	__u32 want[MAX_PROBES];
	unsigned int probes;
};

static void want(struct trial *t, __u64 offset, __u32 value)
{
	t->addr[t->probes] = t->base + offset;
	t->want[t->probes++] = value;
}

static void op_map(struct trial *t, struct request *r)
{
	add_map(r, t->base, &t->new);
	want(t, 0, NEW);
	want(t, 2 * CHUNK, NEW + 2);
}

/* What is left on both sides keeps its mapping */
static void op_map_middle(struct trial *t, struct request *r)
{
	add_map(r, t->base + CHUNK, &t->new);
	r->op[r->ops - 1].range = CHUNK;
	want(t, 0, OLD);
	want(t, CHUNK, NEW);
	want(t, 2 * CHUNK, OLD + 2);
}

static void op_unmap(struct trial *t, struct request *r)
{
	add_unmap(r, t->base, t->old.size);
	t->refused = t->base;
}

static void op_unmap_all(struct trial *t, struct request *r)
{
	add_op(r, DRM_XE_VM_BIND_OP_UNMAP_ALL, 0, 0)->obj = t->old.handle;
	t->refused = t->base + CHUNK;
}

static void add_userptr(struct trial *t, struct request *r, __u64 offset)
{
	struct drm_xe_vm_bind_op *op;

	op = add_op(r, DRM_XE_VM_BIND_OP_MAP_USERPTR, t->base + offset, CHUNK);
	op->userptr = (uintptr_t)t->user;
	op->flags = DRM_XE_VM_BIND_FLAG_IMMEDIATE;
	want(t, offset, USER);
}

static void op_userptr(struct trial *t, struct request *r)
{
	add_userptr(t, r, 0);
}

static void add_null(struct trial *t, struct request *r, __u64 offset)
{
	add_op(r, DRM_XE_VM_BIND_OP_MAP, t->base + offset, CHUNK)->flags =
		DRM_XE_VM_BIND_FLAG_NULL | DRM_XE_VM_BIND_FLAG_IMMEDIATE;
	want(t, offset, 0);
}

static void op_null(struct trial *t, struct request *r)
{
	add_null(t, r, 0);
}

static void op_prefetch(struct trial *t, struct request *r)
{
	struct drm_xe_vm_bind_op *op;

	op = add_op(r, DRM_XE_VM_BIND_OP_PREFETCH, t->base, t->old.size);
	op->prefetch_mem_region_instance = gpu.vram;
	want(t, 0, MOVED);
	want(t, 2 * CHUNK, MOVED + 2);
}

/* All at once, and the unmap has to come before the map in its place */
static void op_array(struct trial *t, struct request *r)
{
	add_unmap(r, t->base, t->old.size);
	add_map(r, t->base, &t->new);
	r->op[r->ops - 1].range = CHUNK;
	want(t, 0, NEW);
	add_userptr(t, r, CHUNK);
	add_null(t, r, 2 * CHUNK);
}

static void op_map_lazily(struct trial *t, struct request *r)
{
	op_map(t, r);
	r->op[0].flags = 0;
}

/**
 * struct operation - what is tried
 * @moves: it moves the buffer to VRAM, of which there must be some
 * @faults: it leaves the page table to faults
 */
static const struct operation {
	const char *name;
	void (*fill)(struct trial *t, struct request *r);
	bool moves, faults;
} operations[] = {
	{ .name = "map", .fill = op_map },
	{ .name = "map into the middle", .fill = op_map_middle },
	{ .name = "unmap", .fill = op_unmap },
	{ .name = "unmap all", .fill = op_unmap_all },
	{ .name = "userptr", .fill = op_userptr },
	{ .name = "null", .fill = op_null },
	{ .name = "prefetch", .fill = op_prefetch, .moves = true },
	{ .name = "array", .fill = op_array },
	{ .name = "map at the first fault",
	  .fill = op_map_lazily,
	  .faults = true },
};

static struct trial new_trial(struct space *s, const struct operation *o)
{
	__u32 in_old = 1u << gpu.ram | (o->moves ? 1u << gpu.vram : 0);
	struct trial t = { .s = s, .base = reserve(s) };
	unsigned int i;

	t.old = new_buffer(in_old, 3 * CHUNK, OLD);
	t.new = new_buffer(1u << gpu.ram, 3 * CHUNK, NEW);
	t.user = aligned_alloc(CHUNK, CHUNK);
	t.user[0] = USER;
	map_now(s, 0, t.base, &t.old);
	/* From here on the GPU remembers where that is */
	for (i = 0; i < 3; i++)
		if (probe_one(s, t.base + i * CHUNK) != OLD + i)
			fail("the GPU does not read what was mapped first");
	return t;
}

static void free_trial(struct trial *t)
{
	struct request r = new_request(t->s, 0);

	add_unmap(&r, t->base, 4ull << 20);
	bind_and_wait(&r);
	free_buffer(&t->old);
	free_buffer(&t->new);
	free(t->user);
}

/* The page tables are in effect */
static void check(struct trial *t, const struct operation *o, const char *how)
{
	__u32 got[MAX_PROBES];
	unsigned int i;

	/* To where it is by now */
	if (o->moves)
		fill(&t->old, MOVED);
	if (t->probes && expect(probe(t->s, t->addr, got, t->probes),
				"%s: the GPU does not read", how))
		for (i = 0; i < t->probes; i++)
			expect(got[i] == t->want[i],
			       "%s: the GPU reads 0x%08x, not 0x%08x, at "
			       "+0x%llx",
			       how, got[i], t->want[i], t->addr[i] - t->base);
	if (t->refused)
		expect(probe_is_refused(t->s, t->refused),
		       "%s: the GPU still reads what was unmapped", how);
}

static void try_async(struct space *s, __u32 queue, const struct operation *o)
{
	struct request r = new_request(s, queue);
	struct trial t = new_trial(s, o);
	struct done d;

	block(s, queue, &gates[0]);
	o->fill(&t, &r);
	d = add_out(&r);
	must_submit(&r);
	expect(!is_done(&d), "async: it is done when the ioctl returns");
	open_gate(&gates[0]);
	expect(wait_done(&d), "async: it is never done");
	check(&t, o, "async");
	free_done(&d);
	free_trial(&t);
}

/* What jobs of an ordinary VM wait for anyway does not show in what they read */
static void check_idle(struct space *s, __u32 queue)
{
	struct request r = new_request(s, queue);
	struct done d;

	if (s->kind != ORDINARY)
		return;
	d = add_out(&r);
	must_submit(&r);
	expect(is_done(&d), "sync: the queue still has something to do");
	free_done(&d);
}

static void try_sync(struct space *s, __u32 queue, const struct operation *o)
{
	struct request r = new_request(s, queue);
	struct trial t = new_trial(s, o);
	int err;

	o->fill(&t, &r);
	r.flags = WAIT;
	err = submit(&r);
	check_idle(s, queue);
	if (expect(!err, "sync: %s", strerror(err)))
		check(&t, o, "sync");
	free_trial(&t);
}

static void try_sync_behind(struct space *s, __u32 queue,
			    const struct operation *o)
{
	struct request r = new_request(s, queue);
	struct trial t = new_trial(s, o);
	int err;

	block(s, queue, &gates[0]);
	o->fill(&t, &r);
	r.flags = WAIT;
	open_gate_later(&gates[0], 20);
	err = submit(&r);
	expect(gate_was_opened(), "sync: it overtakes what is in the queue");
	if (expect(!err, "sync, behind another: %s", strerror(err)))
		check(&t, o, "sync, behind another");
	join_opener();
	open_gate(&gates[0]);
	free_trial(&t);
}

static void test_operation(struct space *s, unsigned int queue,
			   const struct operation *o)
{
	begin("%s, %s: %s is asynchronous", kind_name[s->kind],
	      queue_name[queue], o->name);
	try_async(s, s->queue[queue], o);
	end();

	begin("%s, %s: %s is synchronous", kind_name[s->kind],
	      queue_name[queue], o->name);
	if (!gpu.has_sync) {
		skip_without_sync();
		return;
	}
	try_sync(s, s->queue[queue], o);
	try_sync_behind(s, s->queue[queue], o);
	end();
}

/* Else the tests above show nothing: who does not wait reads what was there before */
static void test_early(void)
{
	struct operation map = { .name = "map", .fill = op_map };
	struct space s = new_space(ORDINARY);
	unsigned int i, early = 0;

	begin("a GPU that does not wait for a bind reads what was there "
	      "before");
	for (i = 0; i < 10; i++) {
		struct request r = new_request(&s, 0);
		struct trial t = new_trial(&s, &map);
		struct done d;

		map.fill(&t, &r);
		d = add_out(&r);
		must_submit(&r);
		early += probe_one(&s, t.base) == OLD;
		expect(wait_done(&d), "the bind is never done");
		free_done(&d);
		free_trial(&t);
	}
	remark("%u of %u times", early, i);
	expect(early, "it never does: let TLB flushes take longer");
	end();
	free_space(&s);
}

void test_operations(void)
{
	unsigned int kind, queue, o;

	test_early();
	for (kind = 0; kind < KINDS; kind++) {
		struct space s = new_space(kind);

		for (queue = 0; queue < ARRAY_SIZE(s.queue); queue++)
			for (o = 0; o < ARRAY_SIZE(operations); o++)
				if ((!operations[o].moves || gpu.vram) &&
				    (!operations[o].faults || kind == FAULT))
					test_operation(&s, queue,
						       &operations[o]);
		free_space(&s);
	}
}
