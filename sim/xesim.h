/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A functional model of an Intel Xe GPU and its GuC firmware, one process per
 * GPU, that QEMU attaches as a vfio-user-pci device.
 *
 * One thread does everything: it serves the socket, plays the GuC and steps the
 * engines in bounded slices between two messages.  Nothing here blocks, and there
 * is no locking.  A register write is answered when all that it sets off at once
 * is done; what takes time is a timer.
 *
 * "sheet N" in a comment names the fact sheet of the device the driver expects
 * (section N); "driver: f()" a function of drivers/gpu/drm/xe in Linux 6.12 that
 * shows the fact.
 */
#ifndef XESIM_H
#define XESIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1u << (n))
#define BIT64(n) (1ull << (n))
/* Bits lo..hi of v, at bit 0 */
#define FIELD(v, hi, lo) (((v) >> (lo)) & ((1ull << ((hi) - (lo) + 1)) - 1))

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

#define MAX_TILES 2
#define MAX_ENGINES 16
#define MAX_WIDTH 8 /* LRCs of a parallel queue */
#define NR_PRIORITIES 4

#define TILE_WINDOW MIB(16) /* of BAR0, one after the other */
#define REGS_SIZE MIB(4)
#define GSM_OFFSET MIB(8)
#define GSM_SIZE MIB(8)

struct sim;
struct tile;
struct engine;
struct ctx;
struct lrc;

/* Hardware engine classes, as interrupts and faults name them: sheet 3.6 */
enum hw_class {
	CLASS_RENDER = 0,
	CLASS_VIDEO = 1,
	CLASS_VIDEO_ENHANCE = 2,
	CLASS_COPY = 3,
	CLASS_OTHER = 4,
	CLASS_COMPUTE = 5,
	NR_CLASSES
};

/* --- profile.c: platforms as tables ------------------------------------- */

struct engine_desc {
	const char *name;
	enum hw_class class;
	unsigned int instance; /* physical; the n-th of a class is logical n */
	uint32_t base;	       /* of its registers */
	unsigned int irq_bit;  /* in bank 0 */
};

struct reg_init {
	uint32_t offset;
	uint32_t value;
};

struct profile {
	const char *name;
	const char *text;
	uint16_t device;
	uint8_t revision;
	uint32_t class; /* PCI class code, 24 bits */
	unsigned int tiles;
	unsigned int va_bits;
	unsigned int dma_bits;
	/* An entry without AE faults atomic operations; else only where page faults
	 * are served
	 */
	bool strict_atomics;
	uint64_t vram_default;
	bool wide_timestamp; /* CTX_TIMESTAMP has 64 bits */
	uint32_t fw_gt_ack;  /* forcewake acknowledgement of domain GT */
	const char *guc_file;
	const struct engine_desc *engines;
	unsigned int nr_engines;
	const struct reg_init *regs; /* what they read after power-on */
	unsigned int nr_regs;
};

const struct profile *profile_find(const char *name);
void profile_list(void *file);

/* --- options, given on the command line ---------------------------------- */

struct latency {
	/* From the request of a TLB flush to its completion */
	uint64_t flush_ns;
	/* The same of tile 1, where it differs; 0: as @flush_ns */
	uint64_t flush1_ns;
	/* From the miss to the report */
	uint64_t fault_ns;
	/* Before a context's first command after it was idle */
	uint64_t job_ns;
	/* From the event to the MSI */
	uint64_t irq_ns;
	/* Bytes a second of one engine's copies, 0: no limit */
	uint64_t copy_bps;
};

struct options {
	const struct profile *profile;
	const char *socket;
	const char *trace_file;
	const char *stats_file;
	const char *inject_file;
	const char *chaos; /* RATE[,time=TIME] */
	const char *peers_dir;
	uint64_t vram; /* bytes of one tile */
	uint64_t seed;
	bool tlb_strict;
	/* How long after a use of a changed translation its flush may come */
	uint64_t stale_ns;
	struct latency latency;
};

/* --- number.c: numbers with a unit behind; 0, or -1: it is none, or too large --- */

int parse_number(const char *text, uint64_t *value); /* no unit */
int parse_size(const char *text, uint64_t *bytes);
int parse_time(const char *text, uint64_t *ns); /* 3600s at most */

/* --- trace.c: what happened ----------------------------------------------- */

/* trace(): one event into the trace, where there is one:
 * "SECONDS gtN SOURCE EVENT name=value...".  Costs nothing without --trace.
 */
extern bool trace_on;
int trace_open(const char *path); /* 0, or -1 with errno */
void trace_close(void);
void trace_flush(void);
void trace_event(const struct tile *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
#define trace(...)                                                             \
	do {                                                                   \
		if (trace_on)                                                  \
			trace_event(__VA_ARGS__);                              \
	} while (0)

/* note(): one line on stderr (and in the trace) about what an operator may want to
 * know.  The first 20 of each fmt are printed, then every power of two.
 */
void note(const struct tile *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* --- stats.c: counters ------------------------------------------------------ */

/* Each is a member of struct stats and of the JSON; "bad" ones make a run fail */
#define STATS(X)                                                               \
	X(jobs, "ring programs that raised their user interrupt")              \
	X(batches, "batch buffers entered")                                    \
	X(commands, "commands executed")                                       \
	X(bytes_copied, "bytes that copy commands moved")                      \
	X(bytes_set, "bytes that fill commands wrote")                         \
	X(bytes_peer, "bytes of other GPUs' VRAM that commands accessed")      \
	X(context_switches, "contexts put on an engine")                       \
	X(preemptions, "contexts taken off an engine for another one")         \
	X(engine_resets, "engines reset as a context did not yield")           \
	X(gt_resets, "GT resets")                                              \
	X(guc_loads, "firmware loads")                                         \
	X(h2g, "messages from the driver to GuC")                              \
	X(g2h, "messages from GuC to the driver")                              \
	X(interrupts, "MSIs")                                                  \
	X(mmio_reads, "trapped reads")                                         \
	X(mmio_writes, "trapped writes")                                       \
	X(tlb_hits, "translations out of a TLB")                               \
	X(tlb_misses, "translations by a page walk")                           \
	X(tlb_evictions, "entries replaced for want of room")                  \
	X(tlb_flushes, "invalidation requests of the driver")                  \
	X(tlb_ring_flushes, "invalidations by a command in a ring")            \
	X(stale_pending, "uses of a changed translation, flush yet to come")   \
	X(faults, "page faults reported")                                      \
	X(fault_responses, "answers to page faults")                           \
	X(fault_failures, "of these, negative ones")                           \
	X(fault_late, "answers that nobody waited for any more")               \
	X(fault_replay_limit, "contexts ended as faults were not served")      \
	X(cat_errors, "contexts ended by an error of memory access")           \
	X(access_counters, "access counters told to the driver")               \
	X(hangs, "contexts that hang at a command")                            \
	X(injected, "faults injected")

#define STATS_BAD(X)                                                           \
	X(stale_after_flush, "uses of a translation after its flush was done") \
	X(stale_unflushed,                                                     \
	  "uses of a changed translation that no flush followed")              \
	X(unknown_registers, "accesses to registers that no table knows")      \
	X(unknown_accesses, "other accesses outside of what the device has")   \
	X(unknown_actions, "messages to GuC that it does not know")            \
	X(bad_messages, "messages to GuC that make no sense")                  \
	X(lost_messages, "messages from GuC dropped, their ring being full")

struct stats {
#define X(name, text) uint64_t name;
	STATS(X)
	STATS_BAD(X)
#undef X
};

extern struct stats stats;
/* stats_count(): one more of something that is counted by its name ("command",
 * "h2g", "g2h", "register").  The names are copied.
 */
void stats_count(const char *kind, const char *name);
/* stats_set(): the same for something that is counted elsewhere: there were n of it */
void stats_set(const char *kind, const char *name, uint64_t n);
/* stats_write(): the counters as JSON, to a file or (NULL) to stderr */
void stats_write(const char *path, const struct options *opt);

/* --- timer.c ------------------------------------------------------------------ */

struct timer {
	TAILQ_ENTRY(timer) link;
	uint64_t when;
	void (*fn)(void *arg);
	void *arg;
	bool armed;
};

uint64_t now_ns(void);
void timer_arm(struct timer *t, uint64_t delay_ns, void (*fn)(void *),
	       void *arg);
void timer_cancel(struct timer *t);
/* timers_run(): runs those that are due; returns ns until the next, or -1 */
int64_t timers_run(void);
/* timers_next(): the same, but runs none */
int64_t timers_next(void);

/* --- inject.c: faults on purpose ------------------------------------------------- */

enum injection {
	INJECT_FLUSH_SKIP, /* report a TLB flush as done without doing it */
	INJECT_FLUSH_LOST, /* neither do nor report it */
	INJECT_FLUSH_LATE, /* report it, and do it later */
	INJECT_FLUSH_SLOW, /* do and report it later */
	INJECT_G2H_DROP,   /* lose a message to the driver */
	INJECT_G2H_DELAY,  /* send it later */
	INJECT_IRQ_DROP,   /* lose an MSI */
	INJECT_IRQ_DELAY,  /* send it later */
	INJECT_COPY_CORRUPT, /* flip a bit of what a copy or fill command writes */
	INJECT_COPY_CUT, /* stop it at an odd place, for others to have a turn */
	INJECT_VRAM_POISON, /* overwrite a page of VRAM that it wrote */
	INJECT_STORE_DROP,  /* lose what a store command of a batch writes */
	INJECT_ENGINE_HANG, /* hang at a command of a batch */
	INJECT_GT_RESET,    /* the same, and only a reset of the GT can help */
	INJECT_FAULT_DROP,  /* lose a page fault */
	INJECT_FAULT_TWICE, /* report it twice */
	INJECT_FAULT_SPURIOUS, /* report one before it that nothing accessed */
	INJECT_CAT_ERROR,      /* end a context with a CAT error */
	INJECT_ATOMIC_TWICE,   /* do an atomic operation twice */
	INJECT_PREEMPT,	       /* take a context off its engine */
	INJECT_TLB_EVICT,      /* drop a translation that is still right */
	/* tell the driver of an access to system memory */
	INJECT_ACCESS_COUNTER,
	NR_INJECTIONS
};

/* inject(): whether this fault is to happen now, for an event called name (or NULL) */
bool inject(enum injection what, const char *name);
/* inject_time(): the same for those that take a time: how long in ns, 0: not now */
uint64_t inject_time(enum injection what, const char *name);
/* inject_init(): no faults */
void inject_init(uint64_t seed);
/* These add some; 0, or -1 with a message on stderr */
int inject_load(const char *path);
int inject_chaos(const char *text);

/* --- vfu.c: the vfio-user server -------------------------------------------------- */

#define VFU_MAX_FDS 16
#define VFU_MAX_DATA MIB(1)		  /* of one read or write */
#define VFU_MAX_MSG (VFU_MAX_DATA + 4096) /* with what stands around it */

/**
 * struct vfu - the server and its only client
 * @listen_fd, @client_fd, @signal_fd: -1 where there is none
 * @msi_fd: eventfd of the interrupt
 * @heard: the client has sent something
 * @path: of the socket, NULL once it is gone; @dev, @ino: of the file that we made
 * @in, @in_len, @fds, @nr_fds: the message that is being received
 * @out, @out_len, @out_fd: the reply to the last message, and the file that goes with
 *	it (not to be closed) or -1
 * @out_sent: how much of it is sent
 */
struct vfu {
	int listen_fd, client_fd, signal_fd;
	int msi_fd;
	bool heard;
	const char *path;
	uint64_t dev, ino;
	uint8_t in[VFU_MAX_MSG];
	size_t in_len;
	int fds[VFU_MAX_FDS];
	unsigned int nr_fds;
	uint8_t out[VFU_MAX_MSG];
	size_t out_len, out_sent;
	int out_fd;
};

/* vfu_new(): sim->vfu, without a socket; vfu_free(): ends it, and with it all DMA */
void vfu_new(struct sim *sim);
void vfu_free(struct sim *sim);
/**
 * vfu_message() - executes one message
 * @sim: the device
 * @vfu: takes the reply
 * @msg: the message, from its header on
 * @len: of @msg
 * @fds: files that came with it; those that are kept or closed become -1
 * @nr_fds: how many, any number
 *
 * Return: 0 and the reply in @vfu (@vfu->out_len is 0 where none is due), or -1: what
 * came is no message, and what follows it cannot be understood either.
 */
int vfu_message(struct sim *sim, struct vfu *vfu, const uint8_t *msg,
		size_t len, int *fds, unsigned int nr_fds);
/* vfu_listen(): 0, or -1 with a message on stderr */
int vfu_listen(struct sim *sim, const char *path);
/* vfu_run(): serves until QEMU leaves, and frees the server; returns the exit status */
int vfu_run(struct sim *sim);
/* vfu_msi(): signals the device's only vector */
void vfu_msi(struct sim *sim);

/* --- pci.c: configuration space ------------------------------------------------------ */

struct pci {
	uint8_t config[4096];
	uint8_t writable[4096]; /* bits the host can change */
};

void pci_init(struct sim *sim);
/* pci_reset(): reset_power_on(), and configuration space as after power-on */
void pci_reset(struct sim *sim);
/* pci_bar_size(): a power of two; 0: there is no such BAR */
uint64_t pci_bar_size(const struct sim *sim, unsigned int bar);
void pci_read(struct sim *sim, uint32_t offset, void *data, uint32_t len);
void pci_write(struct sim *sim, uint32_t offset, const void *data,
	       uint32_t len);

/* --- peer.c: other GPUs' VRAM ----------------------------------------------------------- */

struct mem;
struct peer;

/**
 * struct peers - those that are given the same folder
 * @joined: there is one, @dir_fd
 * @name: of our link in it
 * @lock_fd: of the file that is locked as long as we live
 * @peer, @nr: those found
 */
struct peers {
	bool joined;
	int dir_fd, lock_fd;
	char name[32];
	struct peer *peer;
	unsigned int nr;
};

/* peers_join(): 0, or -1 with a message on stderr */
int peers_join(struct mem *m, const char *dir);
void peers_leave(struct peers *p);
/* peers_publish(): where on the bus our VRAM is now; 0: nowhere */
void peers_publish(struct mem *m, uint64_t base);
/* peers_find(): looks who is there */
void peers_find(struct peers *p);
/* peers_ptr(): host address of a bus address in the VRAM of one that is alive, *len cut to
 * what follows it there, or NULL.  It stays an address until peers_leave().
 */
void *peers_ptr(const struct peers *p, uint64_t addr, uint64_t *len);
/* peers_have(): whether a host address is in their VRAM */
bool peers_have(const struct peers *p, const void *ptr);

/* --- mem.c: memory as the device sees it ---------------------------------------------- */

struct dma_region {
	uint64_t iova;
	uint64_t size;
	uint8_t *ptr; /* NULL: known to QEMU, but no memory, or another GPU's */
	bool writable;
};

struct mem {
	uint8_t *vram; /* of all tiles, and a page of peer.c */
	uint64_t vram_size;
	uint64_t tile_size; /* a power of two of GiB */
	int vram_fd;
	struct dma_region *dma; /* sorted by iova */
	unsigned int nr_dma;
	uint64_t generation; /* counts changes of dma: a pointer may be gone */
	struct peers peers;
};

enum access {
	ACC_READ,
	ACC_WRITE,
	ACC_ATOMIC
};

enum fault_type {
	FAULT_NOT_PRESENT = 0,
	FAULT_WRITE = 1,
	FAULT_ATOMIC = 2
};

/**
 * struct fault - why an address could not be accessed
 * @va: the address, aligned to 4 KiB
 * @access: what was tried
 * @type: what is wrong with the entry
 * @level: of the page table where the walk ended, 0 for the last
 * @fatal: the translation is there, but leads to no memory: no page fault, but the
 *	end of the context
 */
struct fault {
	uint64_t va;
	enum access access;
	enum fault_type type;
	uint8_t level;
	bool fatal;
};

#define MAX_LEVELS 5

/**
 * struct xlate - a translation
 * @va: of the first byte of the page
 * @pa: physical address of it
 * @size: of the page
 * @vram: @pa is a device physical address, else a bus address
 * @null: reads are 0, writes are lost
 * @writable: as it says
 * @atomic: atomic operations are allowed
 * @levels: how many page-table entries were read
 * @slot: where they are, by address in VRAM, root first
 * @entry: what they were
 */
struct xlate {
	uint64_t va, pa, size;
	bool vram, null, writable, atomic;
	unsigned int levels;
	uint64_t slot[MAX_LEVELS];
	uint64_t entry[MAX_LEVELS];
};

#define MEM_TAIL 4096 /* behind VRAM in its file, for peer.c */

int mem_init(struct sim *sim);
void mem_free(struct sim *sim);
int mem_dma_map(struct mem *m, uint64_t iova, uint64_t size, int fd,
		uint64_t offset, bool writable);
int mem_dma_unmap(struct mem *m, uint64_t iova, uint64_t size);
void mem_dma_unmap_all(struct mem *m);
/* mem_phys(): host address of device memory, *len cut to what follows it there; NULL
 * where there is nothing, or nothing writable
 */
void *mem_phys(struct mem *m, uint64_t pa, bool vram, bool write,
	       uint64_t *len);

/* The global GTT of a tile.  0, or -1 where an entry is missing or leads nowhere */
int ggtt_read(struct tile *t, uint64_t addr, void *data, uint64_t len);
int ggtt_write(struct tile *t, uint64_t addr, const void *data, uint64_t len);
void *ggtt_ptr(struct tile *t, uint64_t addr, bool write, uint64_t *len);
/* 0 where there is nothing */
uint32_t ggtt_read32(struct tile *t, uint64_t addr);
void ggtt_write32(struct tile *t, uint64_t addr, uint32_t value);

/* ppgtt_walk(): 0, or -1 with fault->type and ->level */
int ppgtt_walk(struct sim *sim, uint64_t root, uint64_t va, struct xlate *x,
	       struct fault *fault);

/**
 * as_ptr() - host address of what a context accesses, through the engine's TLB
 * @e: the engine
 * @l: the context on it
 * @ppgtt: the address is one of the context's own address space, else of the GGTT
 * @va: virtual address
 * @acc: what is going to be done there
 * @len: bytes wanted; cut to those that follow at the address returned
 *
 * Return: the address, good until the next call that can flush or unmap; or NULL and
 * @l->fault is set: the command is to be tried again after the fault.  Where a page is
 * a null page, an address that reads 0 or takes writes nobody sees.
 */
void *as_ptr(struct engine *e, struct lrc *l, bool ppgtt, uint64_t va,
	     enum access acc, uint64_t *len);
/* as_read(), as_write(): any length; 0, or -1 with l->fault set */
int as_read(struct engine *e, struct lrc *l, bool ppgtt, uint64_t va,
	    void *data, uint64_t len);
int as_write(struct engine *e, struct lrc *l, bool ppgtt, uint64_t va,
	     const void *data, uint64_t len);

/* --- tlb.c ------------------------------------------------------------------------------ */

struct tlb_entry;
struct tlb_region;
TAILQ_HEAD(tlb_entries, tlb_entry);
TAILQ_HEAD(tlb_regions, tlb_region);

#define TLB_SPACES 64

/**
 * struct tlb - translations that an engine keeps
 * @bucket: regions of 2 MiB, by address space and address
 * @nr_buckets, @nr_regions: of these
 * @space: all regions, by the low bits of their address space
 * @entries: oldest first
 * @used: how many
 * @limit: of them, 0 for none (strict)
 * @generation: counts flushes: a remembered pointer may be stale
 */
struct tlb {
	struct tlb_regions *bucket;
	unsigned int nr_buckets, nr_regions;
	struct tlb_regions space[TLB_SPACES];
	struct tlb_entries entries;
	unsigned int used, limit;
	uint64_t generation;
};

void tlb_init(struct tlb *tlb, bool strict);
void tlb_free(struct tlb *tlb);
/* tlb_find(): the translation that the engine has kept, be it right or not; or NULL */
const struct xlate *tlb_find(struct engine *e, uint32_t asid, uint64_t va);
void tlb_insert(struct engine *e, uint32_t asid, const struct xlate *x);
#define TLB_ALL_ASIDS UINT32_MAX

enum tlb_flush_how {
	TLB_DROP, /* what an invalidation does */
	TLB_PRETEND, /* keeps what it should drop, to tell its use (INJECT_FLUSH_SKIP, _LATE) */
	TLB_SETTLE, /* nothing runs in the address space: its stale uses were legal */
};

/* tlb_flush(): of [va, va + size) in one address space, or of them all; size UINT64_MAX: of
 * all addresses
 */
void tlb_flush(struct engine *e, uint32_t asid, uint64_t va, uint64_t size,
	       enum tlb_flush_how how);

/* --- acc.c: access counters --------------------------------------------------------------- */

#define NR_ACC_COUNTERS 16

/**
 * struct acc_counter - of an engine
 * @asid, @granularity, @granule: what it counts
 * @count: accesses, 0: it is free
 * @parts: of the granule that were accessed, a bit each
 */
struct acc_counter {
	uint32_t asid;
	unsigned int granularity;
	uint64_t granule;
	uint32_t count, parts;
};

/* acc_access(): a context accesses system memory; missed: its translation was not in the TLB */
void acc_access(struct engine *e, const struct lrc *l, uint64_t va,
		bool missed);
/* acc_reset(): what the driver flushes is counted anew; the range is as tlb_flush() has it */
void acc_reset(struct engine *e, uint32_t asid, uint64_t va, uint64_t size);

/* --- irq.c ---------------------------------------------------------------------------------- */

#define IRQ_SOURCES 64
#define IRQ_GUC 25
#define IRQ_USER_INTERRUPT BIT(0)
#define IRQ_GUC2HOST BIT(15)

struct irq {
	uint16_t pending[IRQ_SOURCES];
	uint32_t identity[2];
};

/* irq_raise(): source is its bit in GT_INTR_DW, bank 1 from 32 on */
void irq_raise(struct tile *t, unsigned int source, uint16_t bits);
void irq_reset(struct tile *t);
/* Of the registers of the tree, by offset */
uint32_t irq_read(struct tile *t, uint32_t offset);
void irq_write(struct tile *t, uint32_t offset, uint32_t value);

/* --- regs.c ----------------------------------------------------------------------------------- */

/* BAR0, trapped; every length and alignment is handled */
void regs_bar_read(struct sim *sim, uint64_t offset, void *data, uint32_t len);
void regs_bar_write(struct sim *sim, uint64_t offset, const void *data,
		    uint32_t len);
uint32_t regs_read(struct tile *t, uint32_t offset);
void regs_write(struct tile *t, uint32_t offset, uint32_t value);
/* Power-on values */
void regs_reset(struct tile *t);

/* --- guc.c, ctb.c, fw.c, slpc.c: the firmware ------------------------------------------------------ */

struct ctb {
	uint64_t desc, buf; /* GGTT */
	uint32_t size;	    /* dwords */
};

struct ctb_message;
struct late_message;
struct flush;

/**
 * struct guc - the firmware of a tile
 * @running: it was loaded
 * @mailbox_full: a request is in the mailbox
 * @ctb_enabled: the rings are in use
 * @ctb_broken: what was in them made no sense: they are ignored until they are enabled again
 * @h2g, @g2h: the rings, by the driver's direction
 * @h2g_head, @g2h_tail: this side's positions, in dwords
 * @backlog: messages that await room in @g2h
 * @backlog_len: how many
 * @backlog_timer: looks for room
 * @late: messages that are held back (INJECT_G2H_DELAY)
 * @flushes: TLB invalidations that are not reported as done, oldest first
 * @late_flushes: those that are, but are not done (INJECT_FLUSH_LATE)
 * @slpc: GGTT address of the data shared with power control
 * @min_mhz, @max_mhz: what the driver asked for
 */
struct guc {
	bool running, mailbox_full, ctb_enabled, ctb_broken;
	struct ctb h2g, g2h;
	uint32_t h2g_head, g2h_tail;
	STAILQ_HEAD(, ctb_message) backlog;
	unsigned int backlog_len;
	struct timer backlog_timer;
	TAILQ_HEAD(, late_message) late;
	TAILQ_HEAD(flush_list, flush) flushes, late_flushes;
	uint64_t slpc;
	uint32_t min_mhz, max_mhz;
};

void guc_init(struct tile *t);
/* guc_reset(): no firmware any more, and no contexts */
void guc_reset(struct tile *t);
void guc_doorbell(struct tile *t);
/* guc_event(): an unsolicited message to the driver: action and n dwords of payload */
void guc_event(struct tile *t, uint16_t action, unsigned int n,
	       const uint32_t *payload);
/* guc_receive(): a message out of the ring: fence, and n dwords from the HXG header on */
void guc_receive(struct tile *t, uint16_t fence, const uint32_t *dw,
		 unsigned int n);

void ctb_enable(struct tile *t, bool enable);
/* ctb_drain(): receives all that is in the ring */
void ctb_drain(struct tile *t);
void ctb_send(struct tile *t, uint16_t fence, const uint32_t *dw,
	      unsigned int n);
/* ctb_send_late(): an event, in delay_ns; others overtake it */
void ctb_send_late(struct tile *t, uint64_t delay_ns, const uint32_t *dw,
		   unsigned int n);

/* fw.c: the upload of the firmware.  Of its registers, by offset */
void fw_write(struct tile *t, uint32_t offset, uint32_t value);

/* slpc.c: power control; 0, or -1 where the request makes no sense */
int slpc_request(struct tile *t, const uint32_t *dw, unsigned int n);
void slpc_reset(struct tile *t);
uint32_t slpc_frequency(struct tile *t);

/* --- sched.c: contexts on engines ---------------------------------------------------------------------- */

enum lrc_state {
	LRC_OFF,     /* disabled */
	LRC_IDLE,    /* enabled, the ring is empty */
	LRC_READY,   /* waits for an engine */
	LRC_RUNNING, /* is on an engine */
	LRC_FAULTED, /* waits for an answer to a page fault */
	LRC_DEAD,    /* ended by an error: ignored until disabled */
};

#define CS_DEPTH 3 /* batch, second level, and one more */
#define NR_GPRS 16

/**
 * struct lrc - a logical ring context: what an engine runs
 * @link: on the tile's list of those that are ready
 * @ctx: its context, as GuC knows it
 * @index: in a parallel context, else 0
 * @state: see there
 * @hung: stuck at a command, until it is taken off by an engine reset
 * @engine: where it runs or ran last
 * @pphwsp: GGTT address of its memory
 * @ppgtt: it has an address space
 * @root, @asid: of the address space, as of the last switch-in
 * @acc_threshold, @acc_granularity: of its access counters, 0: it has none
 * @ring_start, @ring_size, @head, @tail: of the ring, GGTT and bytes; @head is the one
 *	in memory as of the last switch-in or -out
 * @bb: where in each batch it is; @bb[@depth - 1] is the one executed
 * @depth: 0: in the ring
 * @progress: of a command that a fault or the end of a slice cut, in bytes
 * @arbitration: it may be preempted (MI_ARB_ON_OFF)
 * @gpr: general purpose registers
 * @ticks: run time as of the last switch-in, in ticks of the reference clock
 * @since: when that was
 * @fault: of the access that failed last
 * @fault_tag: of the fault that was reported; @fault_pending: it is not answered
 * @fault_timer: the report is due (--latency fault=)
 * @served: a fault was: its address space is one in fault mode
 * @replay: the access that was reported last
 * @replays, @replay_since: how often in a row, and since when
 * @spins: it looped and found nothing changed; the engine need not hurry
 * @fetch_va, @fetch_end, @fetch_ptr, @fetch_gen: the last page that commands were
 *	fetched from, good while the generations agree
 */
struct lrc {
	TAILQ_ENTRY(lrc) link;
	struct ctx *ctx;
	unsigned int index;
	enum lrc_state state;
	bool hung;
	struct engine *engine;
	uint64_t pphwsp;
	bool ppgtt;
	uint64_t root;
	uint32_t asid;
	uint32_t acc_threshold, acc_granularity;
	uint32_t ring_start, ring_size, head, tail;
	struct {
		uint64_t addr;
		bool ppgtt;
	} bb[CS_DEPTH];
	unsigned int depth;
	uint64_t progress;
	bool arbitration;
	uint64_t gpr[NR_GPRS];
	uint64_t ticks, since;
	struct fault fault;
	uint16_t fault_tag;
	bool fault_pending;
	struct timer fault_timer;
	bool served;
	struct fault replay;
	unsigned int replays;
	uint64_t replay_since;
	bool spins;
	uint64_t fetch_va, fetch_end, fetch_gen, fetch_dma_gen;
	uint8_t *fetch_ptr;
};

/**
 * struct ctx - a context registered with GuC
 * @id: guc_id
 * @class, @mask: engine class and logical instances it may run on
 * @width: number of @lrc
 * @enabled: as the driver asked last
 * @disabling: requests to disable it that wait for it to be off its engines
 * @dead: an error was reported
 * @priority: 0 is the highest
 * @quantum_ns, @preempt_ns: time slice, and how long it may take to yield; 0: no limit
 * @wq_desc, @wq_base, @wq_size: work queue of a parallel context, GGTT and bytes
 */
struct ctx {
	struct tile *tile;
	uint32_t id;
	enum hw_class class;
	uint32_t mask;
	unsigned int width;
	bool enabled, dead;
	unsigned int disabling, priority;
	uint64_t quantum_ns, preempt_ns;
	uint64_t wq_desc, wq_base;
	uint32_t wq_size;
	struct lrc lrc[];
};

TAILQ_HEAD(lrc_list, lrc);

struct engine {
	const struct engine_desc *desc;
	struct tile *tile;
	unsigned int logical;
	struct lrc *current;
	struct tlb tlb;
	bool preempt; /* current is to yield at its next arbitration point */
	uint64_t slice_start; /* when current came on */
	uint64_t busy_until;  /* of a copy that takes time (--latency copy=) */
	unsigned int preempt_slices; /* that it had since */
	struct timer preempt_timer;
	struct acc_counter acc[NR_ACC_COUNTERS];
	unsigned int next_acc;
};

#define MAX_CTX 65536
#define MAX_TAGS 65536

struct sched {
	struct ctx **ctx; /* by guc_id */
	struct lrc_list ready[NR_CLASSES][NR_PRIORITIES];
	/* By the tag of the fault.  That of one that nobody waits for any more stays
	 * taken until its answer has come.
	 */
	struct lrc **faulted;
	uint16_t next_tag;
};

void sched_init(struct tile *t);
void sched_free(struct tile *t);
/* sched_reset(): forgets every context, at once and without a message */
void sched_reset(struct tile *t);
/* sched_register(): lrcs holds width descriptors; 0 or -1 (bad arguments, noted) */
int sched_register(struct tile *t, uint32_t id, uint32_t guc_class,
		   uint32_t mask, unsigned int width, const uint64_t *lrcs,
		   uint64_t wq_desc, uint64_t wq_base, uint32_t wq_size);
int sched_policy(struct tile *t, uint32_t id, uint32_t key, uint32_t value);
int sched_mode_set(struct tile *t, uint32_t id, bool enable);
int sched_submit(struct tile *t, uint32_t id);
int sched_deregister(struct tile *t, uint32_t id);
/* sched_broken(): tells the driver that an engine cannot be reset */
void sched_broken(struct engine *e);
int sched_fault_response(struct tile *t, const uint32_t *desc);
/* sched_run(): one slice on each engine that has something to do.  Returns how long
 * there is nothing to do, in ns: 0 go on at once, -1 until something happens
 */
int64_t sched_run(struct sim *sim);
/* lrc_timestamp(): run time of a context in ticks of the reference clock */
uint64_t lrc_timestamp(const struct lrc *l);
/* ticks of the reference clock since power-on (RING_TIMESTAMP) */
uint64_t clock_ticks(void);

/* --- cs.c, blt.c: the command streamer ---------------------------------------------------------------------- */

enum cs_stop {
	CS_BUDGET, /* the slice is used up */
	CS_EMPTY,  /* the ring is empty */
	CS_YIELD,  /* e->preempt is set, and this is an arbitration point */
	CS_WAIT,   /* a semaphore is not met: give others a turn */
	CS_FAULT,  /* l->fault */
	CS_HANG,   /* unknown or wrong command, l->hung */
	CS_STALL,  /* e->busy_until is in the future */
};

/**
 * cs_run() - executes commands of a context
 * @e: the engine; @l is on it
 * @l: the context; its head, batch position and registers move on
 * @budget: for how much: a command costs 1, and 1 for every 64 bytes it moves
 *
 * Return: why it stopped.  Every command that a fault stopped is executed again from
 * where it had come.
 */
enum cs_stop cs_run(struct engine *e, struct lrc *l, unsigned int budget);
/* Registers as a command, or MMIO, sees them: those of an engine, else regs_read().
 * l may be NULL: no context is on the engine.
 */
uint32_t cs_reg_read(struct engine *e, struct lrc *l, uint32_t offset);
void cs_reg_write(struct engine *e, struct lrc *l, uint32_t offset,
		  uint32_t value);

/* cs_report(): hands the number of each command to stats_set() */
void cs_report(void);

/* blt_execute(): a command of the blitter.  1 done, 0 the budget is used up (l->progress
 * says how far it is), -1 fault (l->fault), -2 no such command, or it makes no sense
 */
int blt_execute(struct engine *e, struct lrc *l, const uint32_t *dw,
		unsigned int n, unsigned int *budget);

/* --- reset.c --------------------------------------------------------------------------------------------------- */

/* FLR, the driver's FLR, reset of the machine */
void reset_power_on(struct sim *sim);
void reset_gdrst(struct tile *t, uint32_t domains);

/* --- the device --------------------------------------------------------------------------------------------------- */

struct tile {
	struct sim *sim;
	unsigned int id;
	uint32_t *regs; /* REGS_SIZE */
	uint64_t *gsm;	/* GSM_SIZE, shared with the guest */
	int gsm_fd;
	struct irq irq;
	struct guc guc;
	struct sched sched;
	struct engine engine[MAX_ENGINES];
	unsigned int nr_engines;
};

struct vfu;

struct sim {
	struct options opt;
	const struct profile *prof;
	struct vfu *vfu;
	struct pci pci;
	struct mem mem;
	bool irq_master; /* interrupts are on (0x190008) */
	bool irq_sent;	 /* an MSI is on its way since they were turned on */
	struct timer irq_timer;
	struct tile tile[MAX_TILES];
	unsigned int nr_tiles;
};

/* device.c; sim_init(): options are set; 0, or -1 with a message on stderr */
int sim_init(struct sim *sim);
void sim_free(struct sim *sim);

#endif
