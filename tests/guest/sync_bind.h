/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of sync_bind share */
#ifndef SYNC_BIND_H
#define SYNC_BIND_H

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "util.h"
#include "xe.h"

#define CHUNK (64u << 10) /* what any GPU can map */
#define TIMEOUT_S 30	  /* of anything: the host may be busy */
#define MAX_OPS 4
#define MAX_PROBES 4

#define WAIT DRM_XE_SYNCS_FLAG_WAIT_FOR_OP

/* As there is no use in going on */
static inline void fail(const char *fmt, ...)
{
	va_list args;

	printf("Bail out! ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	exit(1);
}

enum kind {
	ORDINARY,
	LR,
	FAULT,
	KINDS
};

/* Memory for CPU and GPU */
struct buffer {
	__u32 handle;
	volatile __u32 *cpu;
	size_t size;
};

/**
 * struct space - an address space of the GPU
 * @queue: numbers of bind queues: the address space's own, and one that we created
 * @reader: queue of the copy engine
 * @control: what the reader executes, and where it writes to
 * @next: where nothing is mapped yet
 */
struct space {
	enum kind kind;
	__u32 vm, queue[2], reader;
	struct buffer control;
	__u64 next;
};

/**
 * struct gate - a job of the GPU that runs until we let it
 * @syncobj: signaled by its end
 */
struct gate {
	__u32 queue, syncobj, value;
	struct buffer control;
};

/* An out-fence: a sync object, or a user fence where there may be none */
struct done {
	__u32 syncobj;
	volatile __u64 *user;
};

/* What VM_BIND is called with */
struct request {
	struct space *space;
	__u32 queue, flags;
	__u64 *cookie;
	struct drm_xe_vm_bind_op op[MAX_OPS];
	unsigned int ops, syncs;
	struct drm_xe_sync sync[4];
};

/**
 * struct gpu - the device
 * @ram, @vram: instances of memory regions; @vram is 0 where there is none
 * @copy, @other: engines; @last_copy is of the last tile
 * @home: of the gates
 */
struct gpu {
	int fd;
	bool has_sync;
	__u16 pat;
	__u32 ram, vram;
	struct drm_xe_engine_class_instance copy, other, last_copy;
	struct space home;
};

extern struct gpu gpu;
extern const char *const kind_name[KINDS], *const queue_name[2];

/* --- results --- */

void begin(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool expect(bool good, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void remark(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void end(void);
void skip_without_sync(void);

/* --- the device --- */

void open_gpu(void);
struct buffer new_buffer(__u32 placement, size_t size, __u32 value);
void free_buffer(struct buffer *b);
void fill(const struct buffer *b, __u32 value);
struct space new_space(enum kind kind);
void free_space(struct space *s);
__u64 reserve(struct space *s);
__u32 new_bind_queue(void);
void destroy_queue(__u32 queue);
unsigned int flushes(void);

/* --- binds --- */

struct request new_request(struct space *s, __u32 queue);
struct drm_xe_vm_bind_op *add_op(struct request *r, __u32 op, __u64 addr,
				 __u64 range);
void add_map(struct request *r, __u64 addr, const struct buffer *b);
void add_unmap(struct request *r, __u64 addr, __u64 range);
void add_in(struct request *r, __u32 syncobj);
struct done add_out(struct request *r);
int submit(const struct request *r);
void must_submit(const struct request *r);
void bind_and_wait(struct request *r);
void map_now(struct space *s, __u32 queue, __u64 addr, const struct buffer *b);

__u32 new_syncobj(void);
void free_syncobj(__u32 syncobj);
bool is_signaled(__u32 syncobj);
bool is_done(const struct done *d);
bool wait_done(const struct done *d);
void free_done(struct done *d);

/* --- the GPU's work --- */

int try_exec(__u32 queue, __u64 batch, struct drm_xe_sync *syncs,
	     unsigned int n);
void exec(__u32 queue, __u64 batch, struct drm_xe_sync *syncs, unsigned int n);
bool probe(struct space *s, const __u64 *addr, __u32 *value, unsigned int n);
__u32 probe_one(struct space *s, __u64 addr);
bool probe_is_refused(struct space *s, __u64 addr);

void keep_busy(struct space *s);

void new_gates(void);
extern struct gate gates[2];
void renew_gate(struct gate *g);
void close_gate(struct gate *g);
void open_gate(struct gate *g);
void open_gate_later(struct gate *g, unsigned int ms);
bool gate_was_opened(void);
void join_opener(void);
void block(struct space *s, __u32 queue, struct gate *g);

/* --- the parts --- */

void interrupt_bind(struct space *s, __u32 queue, __u64 *cookie);

void test_operations(void);
void test_order(void);
void test_signals(void);
void test_trouble(void);
void test_arguments(void);
void measure_rates(void);

#endif
