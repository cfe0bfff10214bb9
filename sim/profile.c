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
