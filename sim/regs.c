// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers: the trapped part of BAR0.
 *
 * A register is storage that reads as it was written, unless the table below says
 * otherwise.  What the tables do not have is storage as well, but told and counted when the
 * driver accesses it.  (A batch of user space may read what it likes.)
 */
#include <stdio.h>
#include <string.h>

#include "xesim.h"

typedef uint32_t (*reg_read)(struct tile *t, uint32_t offset);
typedef void (*reg_write)(struct tile *t, uint32_t offset, uint32_t value);

struct reg_range {
	uint32_t first, last;
	const char *name;
	reg_read read;	 /* NULL: what was written */
	reg_write write; /* NULL: store */
};

static void store(struct tile *t, uint32_t offset, uint32_t value)
{
	t->regs[offset / 4] = value;
}

static void ignore(struct tile *t, uint32_t offset, uint32_t value)
{
	(void)t;
	(void)offset;
	(void)value;
}

/* --- forcewake: sheet 3.3; the acknowledgement follows the request at once --- */

static void wake(struct tile *t, uint32_t offset, uint32_t value, uint32_t ack)
{
	uint32_t mask = value >> 16, now = t->regs[offset / 4] & 0xffff;

	now = (now & ~mask) | (value & mask);
	store(t, offset, now);
	store(t, ack, now);
}

static void wake_gt(struct tile *t, uint32_t offset, uint32_t value)
{
	wake(t, offset, value, t->sim->prof->fw_gt_ack);
}

static void wake_render(struct tile *t, uint32_t offset, uint32_t value)
{
	wake(t, offset, value, 0xd84);
}

static void wake_media(struct tile *t, uint32_t offset, uint32_t value)
{
	wake(t, offset, value, offset - 0xa540 + 0xd50);
}

static void wake_gsc(struct tile *t, uint32_t offset, uint32_t value)
{
	wake(t, offset, value, 0xdf8);
}

/* --- the power-control unit's mailbox: driver: pcode_mailbox_rw() --- */

#define PCODE_READY BIT(31)
#define PCODE_STATUS 0x7e

static void pcode_mailbox(struct tile *t, uint32_t offset, uint32_t value)
{
	uint32_t command = FIELD(value, 7, 0);

	store(t, offset, value);
	if (!(value & PCODE_READY))
		return;
	trace(t, "pcode command=0x%x p1=%u p2=%u", command,
	      (unsigned int)FIELD(value, 15, 8),
	      (unsigned int)FIELD(value, 27, 16));
	store(t, offset, 0); /* done, without an error */
	store(t, offset + 4, command == PCODE_STATUS ? 1 : 0);
	store(t, offset + 8, 0);
}

/* --- resets --- */

#define GU_CNTL 0x101010
#define GU_DEBUG 0x101018
#define DRIVERFLR BIT(31)

static void gdrst(struct tile *t, uint32_t offset, uint32_t value)
{
	(void)offset;
	reset_gdrst(t, value);
}

static void gu_cntl(struct tile *t, uint32_t offset, uint32_t value)
{
	if (!(value & DRIVERFLR)) {
		store(t, offset, value | 0x80); /* LMEM stays initialised */
		return;
	}
	reset_power_on(t->sim);
	t->sim->tile[0].regs[GU_DEBUG / 4] = DRIVERFLR;
}

static void clear_written(struct tile *t, uint32_t offset, uint32_t value)
{
	t->regs[offset / 4] &= ~value;
}

static void done_at_once(struct tile *t, uint32_t offset, uint32_t value)
{
	store(t, offset, value & ~1u);
}

static void doorbell(struct tile *t, uint32_t offset, uint32_t value)
{
	(void)offset;
	(void)value; /* any: driver: xe_guc_notify() */
	guc_doorbell(t);
}

static void mailbox_first(struct tile *t, uint32_t offset, uint32_t value)
{
	store(t, offset, value);
	t->guc.mailbox_full = true;
}

/* GGTT entries are never cached here: nothing to do but to be done with it */
static void ggtt_inval(struct tile *t, uint32_t offset, uint32_t value)
{
	store(t, offset, value & ~1u);
}

/* GT_PERF_STATUS of Xe2: actual frequency in bits 8:0, idle state in 12:9 */
static uint32_t mtl_mirror(struct tile *t, uint32_t offset)
{
	unsigned int i;

	(void)offset;
	for (i = 0; i < t->nr_engines; i++)
		if (t->engine[i].current)
			return slpc_frequency(t);
	return 3 << 9; /* C6 */
}

/* By offset.  Names are those of the driver's regs/ headers. */
static const struct reg_range ranges[] = {
	{ 0x000fd0, 0x000fd3, "STEER_SEMAPHORE", NULL, ignore },
	{ 0x000d8c, 0x000d8f, "GMD_ID", NULL, ignore },
	{ 0x00941c, 0x00941f, "GDRST", NULL, gdrst },
	{ 0x00a188, 0x00a18b, "FORCEWAKE_GT", NULL, wake_gt },
	{ 0x00a278, 0x00a27b, "FORCEWAKE_RENDER", NULL, wake_render },
	{ 0x00a540, 0x00a57f, "FORCEWAKE_MEDIA", NULL, wake_media },
	{ 0x00a618, 0x00a61b, "FORCEWAKE_GSC", NULL, wake_gsc },
	{ 0x00b404, 0x00b407, "XE2_GLOBAL_INVAL", NULL, done_at_once },
	{ 0x00b418, 0x00b41b, "XE2_TDF_CTRL", NULL, done_at_once },
	{ 0x00c000, 0x00c003, "GUC_STATUS", NULL, ignore },
	{ 0x00c050, 0x00c053, "GUC_WOPCM_SIZE", NULL, fw_write },
	{ 0x00c314, 0x00c317, "DMA_CTRL", NULL, fw_write },
	{ 0x00c340, 0x00c343, "DMA_GUC_WOPCM_OFFSET", NULL, fw_write },
	{ 0x00cf7c, 0x00cf7f, "PVC_GUC_TLB_INV_DESC0", NULL, ggtt_inval },
	{ 0x000c60, 0x000c63, "MTL_MIRROR_TARGET_WP1", mtl_mirror, ignore },
	{ 0x0444e4, 0x0444ef, "PCU_IRQ", NULL, ignore },
	{ 0x0444f4, 0x0444ff, "GU_MISC_IRQ", NULL, ignore },
	{ 0x101010, 0x101013, "GU_CNTL", NULL, gu_cntl },
	{ 0x101018, 0x10101b, "GU_DEBUG", NULL, clear_written },
	{ 0x138124, 0x138127, "PCODE_MAILBOX", NULL, pcode_mailbox },
	{ 0x190008, 0x19000b, "DG1_MSTR_TILE_INTR", irq_read, irq_write },
	{ 0x190010, 0x190013, "GFX_MSTR_IRQ", irq_read, irq_write },
	{ 0x190018, 0x19001f, "GT_INTR_DW", irq_read, irq_write },
	{ 0x190060, 0x190067, "INTR_IDENTITY", irq_read, irq_write },
	{ 0x190070, 0x190077, "IIR_REG_SELECTOR", irq_read, irq_write },
	{ 0x1901f0, 0x1901f3, "GUC_HOST_INTERRUPT", NULL, doorbell },
	{ 0x190240, 0x190243, "VF_SW_FLAG", NULL, mailbox_first },
	{ 0x380d8c, 0x380d8f, "GMD_ID of a media GT", NULL, ignore },
};

/* Registers that are storage and nothing else, as far as the drivers can tell.  Names are those of
 * the driver's regs/ headers; "7.2" where only that driver has it.
 */
static const struct reg_range storage[] = {
	{ 0x000d00, 0x000d03, "RPM_CONFIG0", NULL, NULL },
	{ 0x000d50, 0x000d8b, "FORCEWAKE_ACK of media and render", NULL, NULL },
	{ 0x000df8, 0x000dff, "FORCEWAKE_ACK of GSC and GT", NULL, NULL },
	{ 0x000fd4, 0x000fd7, "MTL_MCR_SELECTOR", NULL, NULL },
	{ 0x000fdc, 0x000fdf, "MCR_SELECTOR", NULL, NULL },
	{ 0x002098, 0x00209b, "HWSTAM of RCS0", NULL, NULL },
	{ 0x004000, 0x00403f, "GLOBAL_MOCS", NULL, NULL },
	{ 0x004148, 0x00414b, "STATELESS_COMPRESSION_CTRL", NULL, NULL },
	{ 0x004194, 0x004197, "XE2_GAMREQSTRM_CTRL", NULL, NULL },
	{ 0x0047fc, 0x004897, "PAT", NULL, NULL },
	{ 0x004900, 0x004907, "XEHP_TILE_ADDR_RANGE", NULL, NULL },
	{ 0x005588, 0x00558b, "WM_CHICKEN3", NULL, NULL },
	{ 0x006204, 0x006213, "CHICKEN_RASTER, FF_MODE", NULL, NULL },
	{ 0x0062a8, 0x0062ab, "VFLSKPD", NULL, NULL },
	{ 0x00666c, 0x00666f, "XEHPG_INSTDONE_GEOM_SVGUNIT", NULL, NULL },
	{ 0x007010, 0x007013, "COMMON_SLICE_CHICKEN1", NULL, NULL },
	{ 0x007044, 0x007047, "XEHP_PSS_CHICKEN", NULL, NULL },
	{ 0x007100, 0x00710b, "SC_INSTDONE", NULL, NULL },
	{ 0x007300, 0x007303, "COMMON_SLICE_CHICKEN4", NULL, NULL },
	{ 0x0083a8, 0x0083ab, "VF_SCRATCHPAD", NULL, NULL },
	{ 0x008800, 0x008803, "XE2_FLAT_CCS_BASE_RANGE_LOWER", NULL, NULL },
	{ 0x008828, 0x00882b, "XE2_FLAT_CCS_ENABLE", NULL, NULL },
	{ 0x009114, 0x009123, "XEHP_FUSE4, MIRROR_FUSE3, FUSE2", NULL, ignore },
	{ 0x009134, 0x009157, "EU, DSS and media fuses", NULL, ignore },
	{ 0x009424, 0x009427, "MISCCPCTL", NULL, NULL },
	{ 0x00a008, 0x00a00b, "RPNSWREQ", NULL, NULL },
	{ 0x00a024, 0x00a027, "RP_CONTROL", NULL, NULL },
	{ 0x00a090, 0x00a097, "RC_CONTROL, RC_STATE", NULL, NULL },
	{ 0x00a168, 0x00a16b, "PMINTRMSK", NULL, NULL },
	{ 0x00a210, 0x00a213, "POWERGATE_ENABLE", NULL, NULL },
	{ 0x00a26c, 0x00a26f, "CTC_MODE", NULL, NULL },
	{ 0x00b01c, 0x00b09f, "XEHPC_LNCFMISCCFGREG0, LNCFCMOCS", NULL, NULL },
	{ 0x00b0c8, 0x00b1af, "L3SQCREG and L3 tuning", NULL, NULL },
	{ 0x00c010, 0x00c013, "BOOT_HASH_CHK", NULL, NULL },
	{ 0x00c064, 0x00c067, "GUC_SHIM_CONTROL", NULL, NULL },
	{ 0x00c180, 0x00c1bf, "SOFT_SCRATCH", NULL, NULL },
	{ 0x00c200, 0x00c2ff, "UOS_RSA_SCRATCH", NULL, NULL },
	{ 0x00c300, 0x00c313, "DMA_ADDR, DMA_COPY_SIZE", NULL, NULL },
	{ 0x00c398, 0x00c3ef, "GUC_SRAM_STATUS and state of the firmware (7.2)",
	  NULL, NULL },
	{ 0x00cf2c, 0x00cf3b, "RENDER, COMP, VDBX and VEBX_MOD_CTRL", NULL,
	  NULL },
	{ 0x00cf80, 0x00cf83, "PVC_GUC_TLB_INV_DESC1", NULL, NULL },
	{ 0x00daf4, 0x00dafb, "OAG_OACONTROL, OAG_OA_DEBUG", NULL, NULL },
	{ 0x00e160, 0x00e167, "SAMPLER_INSTDONE, ROW_INSTDONE", NULL, NULL },
	{ 0x00e194, 0x00e197, "HALF_SLICE_CHICKEN7", NULL, NULL },
	{ 0x00e48c, 0x00e49f, "ROW_CHICKEN3, ROW_CHICKEN4", NULL, NULL },
	{ 0x00e4c4, 0x00e4c7, "TDL_TSL_CHICKEN", NULL, NULL },
	{ 0x00e4f0, 0x00e4f3, "ROW_CHICKEN", NULL, NULL },
	{ 0x00e530, 0x00e533, "RT_CTRL", NULL, NULL },
	{ 0x00e7c8, 0x00e7cf, "LSC_CHICKEN_BIT", NULL, NULL },
	{ 0x014800, 0x014807, "RCU_MODE, CCS_MODE", NULL, NULL },
	{ 0x0510a0, 0x0510a3, "GMD_ID of the display (7.2)", NULL, ignore },
	{ 0x101800, 0x101807, "XEHP_MTCFG_ADDR", NULL, ignore },
	{ 0x10100c, 0x10100f, "GU_CNTL_PROTECTED", NULL, ignore },
	{ 0x1080c0, 0x1080c7, "DSMBASE", NULL, ignore },
	{ 0x108100, 0x108107, "GSMBASE", NULL, ignore },
	{ 0x1082c0, 0x1082c7, "STOLEN_RESERVED", NULL, ignore },
	{ 0x1083a0, 0x1083a7, "tile range (7.2)", NULL, ignore },
	{ 0x130044, 0x130047, "FORCEWAKE_ACK_GT", NULL, NULL },
	{ 0x138000, 0x13800f, "RP_STATE_CAP, RPa, RPe", NULL, ignore },
	{ 0x138060, 0x138063, "GT_CORE_STATUS", NULL, NULL },
	{ 0x138128, 0x13812f, "PCODE_DATA", NULL, NULL },
	{ 0x13816c, 0x13816f, "GT_PM_CONFIG", NULL, NULL },
	{ 0x1381a8, 0x1381b7, "GT_PERF_STATUS and throttle reasons", NULL,
	  NULL },
	{ 0x138104, 0x13810f, "residency counters", NULL, NULL },
	{ 0x138260, 0x13829f, "VRAM temperatures (7.2)", NULL, ignore },
	{ 0x138320, 0x138323, "PCODE_SCRATCH (7.2)", NULL, NULL },
	{ 0x190030, 0x19005f, "interrupt enables", NULL, NULL },
	{ 0x190090, 0x19011f, "interrupt masks", NULL, NULL },
	{ 0x1901f8, 0x1901fb, "VF_CAP, written as a barrier", NULL, ignore },
	{ 0x190244, 0x19024f, "VF_SW_FLAG", NULL, NULL },
	{ 0x280164, 0x28016b, "package temperatures (7.2)", NULL, ignore },
	{ 0x281004, 0x28100b, "PVC_GT0_PACKAGE energy and RAPL limit", NULL,
	  NULL },
	{ 0x281014, 0x281017, "PVC_RP_STATE_CAP", NULL, ignore },
	{ 0x281068, 0x281087, "PVC_GT0_PACKAGE_POWER_SKU, energy", NULL, NULL },
	{ 0x285c48, 0x285c4b, "HECI_FWSTS2 of PVC (7.2)", NULL, ignore },
	{ 0x35b004, 0x35b007, "scratch of the system controller (7.2)", NULL,
	  NULL },
	{ 0x374c48, 0x374c4b, "HECI_FWSTS2 (7.2)", NULL, ignore },
};

static const struct reg_range *find(const struct reg_range *table,
				    unsigned int n, uint32_t offset)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (offset >= table[i].first && offset <= table[i].last)
			return &table[i];
	return NULL;
}

static const struct reg_range *range_of(uint32_t offset)
{
	const struct reg_range *r = find(ranges, ARRAY_SIZE(ranges), offset);

	return r ? r : find(storage, ARRAY_SIZE(storage), offset);
}

static struct engine *engine_of(struct tile *t, uint32_t offset)
{
	unsigned int i;

	for (i = 0; i < t->nr_engines; i++)
		if (offset >= t->engine[i].desc->base &&
		    offset - t->engine[i].desc->base < 0x800)
			return &t->engine[i];
	return NULL;
}

static void unknown(struct tile *t, uint32_t offset, const char *what,
		    uint32_t value)
{
	char name[16];

	snprintf(name, sizeof(name), "0x%06x", offset);
	stats.unknown_registers++;
	stats_count("unknown_register", name);
	note(t, "%s of register 0x%06x (0x%x), which no table knows", what,
	     offset, value);
}

uint32_t regs_read(struct tile *t, uint32_t offset)
{
	const struct reg_range *r;

	if (offset >= REGS_SIZE)
		return 0;
	r = range_of(offset);
	return r && r->read ? r->read(t, offset) : t->regs[offset / 4];
}

void regs_write(struct tile *t, uint32_t offset, uint32_t value)
{
	const struct reg_range *r;

	if (offset >= REGS_SIZE)
		return;
	r = range_of(offset);
	if (r && r->write)
		r->write(t, offset, value);
	else
		store(t, offset, value);
}

/* --- accesses through the BAR --- */

/* A page that user space can map: reads 0xdeadbeef, writes are dropped.  IGT: xe_mmap@pci-membarrier */
#define MEMBARRIER 0x7ff000

static uint32_t outside(struct tile *t, uint32_t offset, const char *what)
{
	if (offset >= MEMBARRIER && offset < MEMBARRIER + KIB(4))
		return 0xdeadbeef;
	stats.unknown_accesses++;
	note(t, "%s of BAR0 + 0x%x, where there is nothing", what, offset);
	return 0;
}

static uint32_t window_read(struct tile *t, uint32_t offset)
{
	struct engine *e = engine_of(t, offset);

	stats.mmio_reads++;
	if (offset >= REGS_SIZE)
		return outside(t, offset, "read");
	if (!e && !range_of(offset))
		unknown(t, offset, "read", t->regs[offset / 4]);
	return e ? cs_reg_read(e, e->current, offset) : regs_read(t, offset);
}

static void window_write(struct tile *t, uint32_t offset, uint32_t value)
{
	struct engine *e = engine_of(t, offset);

	stats.mmio_writes++;
	if (offset < REGS_SIZE && !e && !range_of(offset))
		unknown(t, offset, "write", value);
	if (offset >= REGS_SIZE)
		outside(t, offset, "write");
	else if (e)
		cs_reg_write(e, e->current, offset, value);
	else
		regs_write(t, offset, value);
}

/* The GGTT entries are mapped by the guest, but need not be */
static uint8_t *gsm_byte(struct tile *t, uint64_t offset, uint32_t len)
{
	if (offset < GSM_OFFSET || offset + len > GSM_OFFSET + GSM_SIZE)
		return NULL;
	return (uint8_t *)t->gsm + (offset - GSM_OFFSET);
}

void regs_bar_read(struct sim *sim, uint64_t offset, void *data, uint32_t len)
{
	struct tile *t = &sim->tile[offset / TILE_WINDOW % MAX_TILES];
	uint8_t *to = data, *gsm;
	uint32_t value, n;

	memset(data, 0, len);
	if (offset / TILE_WINDOW >= sim->nr_tiles) {
		stats.unknown_accesses++;
		return;
	}
	offset %= TILE_WINDOW;
	gsm = gsm_byte(t, offset, len);
	if (gsm) {
		memcpy(data, gsm, len);
		return;
	}
	for (; len && offset < TILE_WINDOW; offset += n, to += n, len -= n) {
		n = 4 - offset % 4 < len ? 4 - offset % 4 : len;
		value = window_read(t, offset & ~3ull);
		memcpy(to, (uint8_t *)&value + offset % 4, n);
	}
}

void regs_bar_write(struct sim *sim, uint64_t offset, const void *data,
		    uint32_t len)
{
	struct tile *t = &sim->tile[offset / TILE_WINDOW % MAX_TILES];
	const uint8_t *from = data;
	uint8_t *gsm;
	uint32_t value, n;

	if (offset / TILE_WINDOW >= sim->nr_tiles) {
		stats.unknown_accesses++;
		return;
	}
	offset %= TILE_WINDOW;
	gsm = gsm_byte(t, offset, len);
	if (gsm) {
		memcpy(gsm, data, len);
		return;
	}
	for (; len && offset < TILE_WINDOW; offset += n, from += n, len -= n) {
		n = 4 - offset % 4 < len ? 4 - offset % 4 : len;
		value = n < 4 && offset < REGS_SIZE
				? t->regs[(offset & ~3ull) / 4]
				: 0;
		memcpy((uint8_t *)&value + offset % 4, from, n);
		window_write(t, offset & ~3ull, value);
	}
}

/* --- power-on --- */

static void set64(struct tile *t, uint32_t offset, uint64_t value)
{
	t->regs[offset / 4] = value;
	t->regs[offset / 4 + 1] = value >> 32;
}

/* VRAM as both drivers look for it: sheet 3.5 */
static void reset_vram_registers(struct tile *t)
{
	uint64_t size = t->sim->mem.tile_size, start = t->id * size;
	unsigned int i;

	for (i = 0; i < t->sim->nr_tiles; i++) {
		uint32_t range = (size >> 30) << 8 | (i * size >> 30) << 1;

		t->regs[0x4900 / 4 + i] = range;
		t->regs[0x1083a0 / 4 + i] = range;
	}
	set64(t, 0x108100, start + t->sim->opt.vram - MIB(32)); /* GSMBASE */
	set64(t, 0x1080c0, start + size - MIB(16));		/* DSMBASE */
}

void regs_reset(struct tile *t)
{
	const struct profile *p = t->sim->prof;
	unsigned int i;

	memset(t->regs, 0, REGS_SIZE);
	for (i = 0; i < p->nr_regs; i++)
		t->regs[p->regs[i].offset / 4] = p->regs[i].value;
	reset_vram_registers(t);
	t->regs[0x101800 / 4] = (t->sim->nr_tiles - 1)
				<< 8; /* XEHP_MTCFG_ADDR */
	t->regs[0xc000 / 4] = 1;      /* GUC_STATUS: in reset */
}
