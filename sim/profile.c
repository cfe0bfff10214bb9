// SPDX-License-Identifier: GPL-2.0-only
/* Platforms, as tables. */
#include <stdio.h>
#include <string.h>

#include "xesim.h"

/* Bits of bank 0: driver: gt_irq_handler(), regs/xe_irq_regs.h */
static const struct engine_desc bmg_engines[] = {
	{ "rcs0", CLASS_RENDER, 0, 0x002000, 0 },
	{ "ccs0", CLASS_COMPUTE, 0, 0x01a000, 4 },
	{ "ccs1", CLASS_COMPUTE, 1, 0x01c000, 5 },
	{ "ccs2", CLASS_COMPUTE, 2, 0x01e000, 6 },
	{ "ccs3", CLASS_COMPUTE, 3, 0x026000, 7 },
	{ "bcs0", CLASS_COPY, 0, 0x022000, 15 },
	{ "bcs8", CLASS_COPY, 8, 0x3ee000, 23 },
};

/* What they mean: sheet 3.4, and the driver's function of that name */
static const struct reg_init bmg_regs[] = {
	{ 0x000d00,
	  0x0000000e }, /* xe_gt_clock_init: crystal 19.2 MHz, not shifted */
	{ 0x000d8c, 0x05004000 }, /* GMD_ID: 20.01 */
	{ 0x000fd0, 0x00000001 }, /* steering semaphore: free */
	{ 0x009114, 0x000f0000 }, /* read_compute_fuses: CCS0 to 3 */
	{ 0x009118, 0x00ff00f0 }, /* load_l3_bank_mask: nodes, L3 mode */
	{ 0x009120, 0x00000004 }, /* 7.2: a production part */
	{ 0x009134, 0x000000ff }, /* load_eu_mask: 8 EUs in each DSS */
	{ 0x00913c, 0x000000ff }, /* xe_gt_topology_init: geometry DSS */
	{ 0x009144, 0x000000ff }, /* and compute DSS */
	{ 0x10100c,
	  0x00002000 }, /* 7.2: non-posted erase; driver FLR is allowed */
	{ 0x101010, 0x00000080 }, /* wait_for_lmem_ready */
	{ 0x1082c0, 0x00000180 }, /* get_wopcm_size: 8 MiB */
	{ 0x138000,
	  0x00180090 }, /* RPn 400, RP0 2400 MHz, in units of 50/3 MHz */
	{ 0x138008, 0x00000060 }, /* RPa 1600 MHz */
	{ 0x13800c, 0x00000060 }, /* RPe 1600 MHz */
	{ 0x374c48, 0x00000008 }, /* 7.2 xe_nvm_writable_override: locked */
};

/* Bits of bank 0: sheet 3.6; registers: sheet 3.8.  BCS0 and the link copy engines */
static const struct engine_desc pvc_engines[] = {
	{ "ccs0", CLASS_COMPUTE, 0, 0x01a000, 4 },
	{ "ccs1", CLASS_COMPUTE, 1, 0x01c000, 5 },
	{ "ccs2", CLASS_COMPUTE, 2, 0x01e000, 6 },
	{ "ccs3", CLASS_COMPUTE, 3, 0x026000, 7 },
	{ "bcs0", CLASS_COPY, 0, 0x022000, 15 },
	{ "bcs1", CLASS_COPY, 1, 0x3e0000, 14 },
	{ "bcs2", CLASS_COPY, 2, 0x3e2000, 13 },
	{ "bcs3", CLASS_COPY, 3, 0x3e4000, 12 },
	{ "bcs4", CLASS_COPY, 4, 0x3e6000, 11 },
	{ "bcs5", CLASS_COPY, 5, 0x3e8000, 10 },
	{ "bcs6", CLASS_COPY, 6, 0x3ea000, 9 },
	{ "bcs7", CLASS_COPY, 7, 0x3ec000, 8 },
	{ "bcs8", CLASS_COPY, 8, 0x3ee000, 23 },
};

/* What they mean: sheet 3.4 and appendix A, and the driver's function of that name */
static const struct reg_init pvc_regs[] = {
	{ 0x000d00,
	  0x0000000e }, /* xe_gt_clock_init: crystal 19.2 MHz, not shifted */
	{ 0x009118, 0x0000001f }, /* read_copy_fuses: BCS1 to 8; L3 mode */
	{ 0x009120, 0x00000004 }, /* 7.2: a production part */
	{ 0x009134, 0x000000ff }, /* load_eu_mask: 8 EUs in each DSS */
	{ 0x009144, 0x00ff00ff }, /* xe_gt_topology_init: 8 DSS for each of */
	{ 0x009148, 0x00ff00ff }, /* CCS0 to 3: read_compute_fuses_from_dss */
	{ 0x10100c,
	  0x00002000 }, /* 7.2: non-posted erase; driver FLR is allowed */
	{ 0x101010, 0x00000080 }, /* wait_for_lmem_ready */
	{ 0x1082c0, 0x00000180 }, /* get_wopcm_size: 8 MiB */
	{ 0x281014,
	  0x00081020 }, /* RPn 400, RP1 800, RP0 1600 MHz, in 50 MHz */
	{ 0x285c48, 0x00000008 }, /* 7.2 xe_nvm_writable_override: locked */
};

/* Ponte Vecchio, and what tells two of them apart.  revision: base die B3, GT C0 (driver:
 * xe_step_pre_gmdid_get()).  It is not known what the hardware makes of an atomic operation of
 * a batch by an entry without AE; user space expects it to be done (IGT: xe_exec_store).
 */
#define PVC(_name, _text, _tiles)                                              \
	{                                                                      \
		.name = _name, .text = _text, .device = 0x0bd5,                \
		.revision = 0x2f, .class = 0x038000, .tiles = _tiles,          \
		.va_bits = 57, .dma_bits = 52, .vram_default = GIB(1),         \
		.fw_gt_ack = 0x130044, .guc_file = "xe/pvc_guc_model.bin",     \
		.engines = pvc_engines, .nr_engines = ARRAY_SIZE(pvc_engines), \
		.regs = pvc_regs, .nr_regs = ARRAY_SIZE(pvc_regs),             \
	}

static const struct profile profiles[] = {
	{
		.name = "bmg",
		.text = "Battlemage G21, one tile",
		.device = 0xe20b,
		.class = 0x038000,
		.tiles = 1,
		.va_bits = 48,
		.dma_bits = 46,
		.strict_atomics = true,
		.vram_default = GIB(1),
		.wide_timestamp = true,
		.fw_gt_ack = 0xdfc,
		.guc_file = "xe/bmg_guc_70.bin",
		.engines = bmg_engines,
		.nr_engines = ARRAY_SIZE(bmg_engines),
		.regs = bmg_regs,
		.nr_regs = ARRAY_SIZE(bmg_regs),
	},
	PVC("pvc", "Ponte Vecchio, one tile", 1),
	PVC("pvc2", "Ponte Vecchio, two tiles", 2),
};

/* profile_find(): by name, or NULL */
const struct profile *profile_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(profiles); i++)
		if (!strcmp(profiles[i].name, name))
			return &profiles[i];
	return NULL;
}

/* profile_list(): to a FILE, a line each */
void profile_list(void *file)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(profiles); i++)
		fprintf(file, "  %-8s %s\n", profiles[i].name,
			profiles[i].text);
}
