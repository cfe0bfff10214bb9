// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI configuration space: sheet 2.1.  An endpoint with PCIe, MSI and power
 * management capabilities, and nothing in extended space.
 */
#include <linux/pci_regs.h>
#include <string.h>

#include "xesim.h"

#define CONFIG_SIZE 4096

#define GMCH_CTRL 0x50 /* driver: probe_gsm_size() */
#define GMCH_CTRL_GSM_8M 0x00c0

/* The places of Intel's GPUs.  The first one is 60 bytes long */
#define CAP_EXP 0x70
#define CAP_MSI 0xac
#define CAP_PM 0xd0

#define EXP_FLAGS (2 | PCI_EXP_TYPE_ENDPOINT << 4)
#define EXP_LNK (PCI_EXP_LNKCAP_SLS_16_0GB | 8 << 4) /* 16 GT/s, 8 lanes */
#define PM_VERSION 3

/**
 * struct field - an initial value
 * @offset: where it is
 * @size: in bytes
 * @value: what is read
 * @writable: bits that the host can change
 */
struct field {
	uint16_t offset;
	uint8_t size;
	uint32_t value;
	uint32_t writable;
};

static const struct field fields[] = {
	{ PCI_VENDOR_ID, 2, 0x8086, 0 },
	{ PCI_COMMAND, 2, 0,
	  PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
		  PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE },
	{ PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0 },
	{ PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
	{ PCI_SUBSYSTEM_VENDOR_ID, 2, 0x8086, 0 },
	{ PCI_SUBSYSTEM_ID, 2, 0, 0 },
	{ PCI_CAPABILITY_LIST, 1, CAP_EXP, 0 },
	{ PCI_INTERRUPT_LINE, 1, 0, 0xff },
	{ GMCH_CTRL, 2, GMCH_CTRL_GSM_8M, 0 },

	{ CAP_EXP, 1, PCI_CAP_ID_EXP, 0 },
	{ CAP_EXP + PCI_CAP_LIST_NEXT, 1, CAP_MSI, 0 },
	{ CAP_EXP + PCI_EXP_FLAGS, 2, EXP_FLAGS, 0 },
	{ CAP_EXP + PCI_EXP_DEVCAP, 4, PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR,
	  0 },
	{ CAP_EXP + PCI_EXP_DEVCTL, 2,
	  PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN |
		  PCI_EXP_DEVCTL_READRQ_512B,
	  0x78ff | PCI_EXP_DEVCTL_BCR_FLR },
	{ CAP_EXP + PCI_EXP_LNKCAP, 4, EXP_LNK, 0 },
	{ CAP_EXP + PCI_EXP_LNKCTL, 2, 0,
	  PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_RCB | PCI_EXP_LNKCTL_CCC |
		  PCI_EXP_LNKCTL_ES },
	{ CAP_EXP + PCI_EXP_LNKSTA, 2, EXP_LNK, 0 },
	{ CAP_EXP + PCI_EXP_LNKCTL2, 2, PCI_EXP_LNKCTL2_TLS_16_0GT, 0 },

	{ CAP_MSI, 1, PCI_CAP_ID_MSI, 0 },
	{ CAP_MSI + PCI_CAP_LIST_NEXT, 1, CAP_PM, 0 },
	{ CAP_MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_64BIT,
	  PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE },
	{ CAP_MSI + PCI_MSI_ADDRESS_LO, 4, 0, 0xfffffffc },
	{ CAP_MSI + PCI_MSI_ADDRESS_HI, 4, 0, 0xffffffff },
	{ CAP_MSI + PCI_MSI_DATA_64, 2, 0, 0xffff },

	{ CAP_PM, 1, PCI_CAP_ID_PM, 0 },
	{ CAP_PM + PCI_PM_PMC, 2, PM_VERSION, 0 },
	{ CAP_PM + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET,
	  PCI_PM_CTRL_STATE_MASK },
};

/* Little-endian, as is every machine that this runs on */
static void field_set(struct pci *pci, const struct field *f)
{
	memcpy(pci->config + f->offset, &f->value, f->size);
	memcpy(pci->writable + f->offset, &f->writable, f->size);
}

static void bar_set(struct pci *pci, unsigned int bar, uint64_t size,
		    uint32_t flags)
{
	uint16_t offset = PCI_BASE_ADDRESS_0 + 4 * bar;
	uint64_t mask = ~(size - 1);
	const struct field lo = { offset, 4,
				  flags | PCI_BASE_ADDRESS_MEM_TYPE_64, mask };
	const struct field hi = { offset + 4, 4, 0, mask >> 32 };

	field_set(pci, &lo);
	field_set(pci, &hi);
}

uint64_t pci_bar_size(const struct sim *sim, unsigned int bar)
{
	uint64_t want = 0, size = MIB(16);

	if (bar == 0)
		want = sim->nr_tiles * TILE_WINDOW;
	else if (bar == 2)
		want = sim->mem.vram_size;
	if (!want)
		return 0;
	while (size < want)
		size <<= 1;
	return size;
}

/* Others reach VRAM while memory decoding is on, in D0 */
static void publish_vram(struct sim *sim)
{
	const uint8_t *config = sim->pci.config;
	uint64_t base;

	memcpy(&base, config + PCI_BASE_ADDRESS_2, sizeof(base));
	if (!(config[PCI_COMMAND] & PCI_COMMAND_MEMORY) ||
	    config[CAP_PM + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK)
		base = 0;
	peers_publish(&sim->mem, base & PCI_BASE_ADDRESS_MEM_MASK);
}

void pci_init(struct sim *sim)
{
	const struct profile *prof = sim->prof;
	const struct field id[] = {
		{ PCI_DEVICE_ID, 2, prof->device, 0 },
		{ PCI_CLASS_REVISION, 4, prof->class << 8 | prof->revision, 0 },
	};
	struct pci *pci = &sim->pci;
	unsigned int i;

	memset(pci, 0, sizeof(*pci));
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		field_set(pci, &fields[i]);
	for (i = 0; i < ARRAY_SIZE(id); i++)
		field_set(pci, &id[i]);
	bar_set(pci, 0, pci_bar_size(sim, 0), 0);
	bar_set(pci, 2, pci_bar_size(sim, 2), PCI_BASE_ADDRESS_MEM_PREFETCH);
	publish_vram(sim);
}

void pci_reset(struct sim *sim)
{
	pci_init(sim);
	reset_power_on(sim);
}

/* How much of an access is inside of what there is */
static uint32_t inside(struct sim *sim, uint32_t offset, uint32_t len)
{
	uint32_t room = offset < CONFIG_SIZE ? CONFIG_SIZE - offset : 0;

	if (len <= room)
		return len;
	stats.unknown_accesses++;
	note(&sim->tile[0], "config space: %u bytes at %#x are outside", len,
	     offset);
	return room;
}

void pci_read(struct sim *sim, uint32_t offset, void *data, uint32_t len)
{
	uint32_t n = inside(sim, offset, len);

	if (n < len)
		memset(data, 0xff, len);
	if (n)
		memcpy(data, sim->pci.config + offset, n);
}

void pci_write(struct sim *sim, uint32_t offset, const void *data, uint32_t len)
{
	/* Initiate Function Level Reset: always reads 0 */
	uint8_t *flr = &sim->pci.config[CAP_EXP + PCI_EXP_DEVCTL + 1];
	uint32_t i, n = inside(sim, offset, len);
	const uint8_t *src = data;
	struct pci *pci = &sim->pci;

	for (i = 0; i < n; i++) {
		uint8_t mask = pci->writable[offset + i];

		pci->config[offset + i] =
			(pci->config[offset + i] & ~mask) | (src[i] & mask);
	}
	publish_vram(sim);
	if (*flr & PCI_EXP_DEVCTL_BCR_FLR >> 8) {
		trace(NULL, "pci flr");
		pci_reset(sim);
	}
}
