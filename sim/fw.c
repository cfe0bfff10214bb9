// SPDX-License-Identifier: GPL-2.0-only
/*
 * The upload of the GuC firmware: WOPCM, DMA, GUC_STATUS (sheet 4.3).
 *
 * The blob is not interpreted; that it arrives through the GGTT as a whole is checked, for
 * it is the first thing that the driver maps there.
 */
#include "xesim.h"

#define GUC_STATUS 0xc000
#define GUC_WOPCM_SIZE 0xc050
#define DMA_ADDR_0 0xc300
#define DMA_COPY_SIZE 0xc310
#define DMA_CTRL 0xc314
#define DMA_GUC_WOPCM_OFFSET 0xc340

#define DMA_START BIT(0)
#define WOPCM_LOCKED BIT(0)
#define ADDRESS_SPACE_GGTT 8

/* Authenticated; boot ROM is done; the kernel of the firmware is ready */
#define STATUS_READY 0x8000f0ec
/* In the kernel's field: an exception while it started: driver: guc_wait_ucode() */
#define STATUS_FAILED 0x80007000

/* The first dword of the ucode in the stub that xesim-fw writes */
#define STUB_MAGIC 0x47554355
#define CSS_HEADER_SIZE 128

static uint32_t reg(const struct tile *t, uint32_t offset)
{
	return t->regs[offset / 4];
}

/* upload_complete(): every page of the source is there */
static bool upload_complete(struct tile *t)
{
	uint64_t source = reg(t, DMA_ADDR_0) |
			  (uint64_t)(reg(t, DMA_ADDR_0 + 4) & 0xffff) << 32;
	uint32_t size = reg(t, DMA_COPY_SIZE), offset,
		 space = FIELD(reg(t, DMA_ADDR_0 + 4), 20, 16);

	if (space != ADDRESS_SPACE_GGTT || size < CSS_HEADER_SIZE + 4 ||
	    size > MIB(2)) {
		note(t, "firmware upload from address space %u, %u bytes",
		     space, size);
		return false;
	}
	for (offset = 0; offset < size;
	     offset += 4096 - (source + offset) % 4096) {
		uint64_t n = 4;

		if (!ggtt_ptr(t, source + offset, false, &n)) {
			note(t, "firmware upload: nothing at GGTT 0x%llx",
			     (unsigned long long)source + offset);
			return false;
		}
	}
	if (ggtt_read32(t, source + CSS_HEADER_SIZE) != STUB_MAGIC)
		trace(t, "guc firmware is not the stub of xesim-fw");
	return true;
}

static void start_dma(struct tile *t)
{
	if (!upload_complete(t)) {
		t->regs[GUC_STATUS / 4] = STATUS_FAILED;
		return;
	}
	stats.guc_loads++;
	t->guc.running = true;
	t->regs[GUC_STATUS / 4] = STATUS_READY;
	trace(t, "guc firmware loaded size=%u", reg(t, DMA_COPY_SIZE));
}

void fw_write(struct tile *t, uint32_t offset, uint32_t value)
{
	uint32_t mask = value >> 16;

	if (offset != DMA_CTRL) {
		t->regs[offset / 4] = value | WOPCM_LOCKED;
		return;
	}
	t->regs[offset / 4] = value & mask & ~DMA_START;
	if (value & mask & DMA_START)
		start_dma(t);
}
