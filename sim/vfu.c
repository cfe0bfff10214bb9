// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vfio-user server: one client (QEMU), one thread.  Requests are answered in
 * their order; between them the timers and the engines have their turn.
 */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "xesim.h"

#define MESSAGES_PER_TURN 64

enum vfu_command {
	VFU_VERSION = 1,
	VFU_DMA_MAP = 2,
	VFU_DMA_UNMAP = 3,
	VFU_DEVICE_GET_INFO = 4,
	VFU_DEVICE_GET_REGION_INFO = 5,
	VFU_DEVICE_GET_IRQ_INFO = 7,
	VFU_DEVICE_SET_IRQS = 8,
	VFU_REGION_READ = 9,
	VFU_REGION_WRITE = 10,
	VFU_DEVICE_RESET = 13,
	VFU_REGION_WRITE_MULTI = 15,
	NR_VFU_COMMANDS
};

struct vfu_header {
	uint16_t id;
	uint16_t command;
	uint32_t size; /* of the whole message */
	uint32_t flags;
	uint32_t error; /* errno */
};

#define FLAG_TYPE 0xf
#define FLAG_REPLY 0x1
#define FLAG_NO_REPLY BIT(4)
#define FLAG_ERROR BIT(5)

struct vfu_version {
	uint16_t major;
	uint16_t minor;
};

struct vfu_dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset;
	uint64_t address;
	uint64_t size;
};

#define DMA_MAP_WRITE BIT(1)
#define DMA_MAP_NEEDS_FD (BIT(2) | BIT(3))

struct vfu_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t address;
	uint64_t size;
};

#define DMA_UNMAP_ALL BIT(1)

struct vfu_device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t num_regions;
	uint32_t num_irqs;
};

struct vfu_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
};

struct vfu_multi_write {
	struct vfu_region_access to;
	uint8_t data[8];
};

/**
 * struct call - a request being served
 * @sim, @vfu: whose
 * @in, @len: payload of the request
 * @fds, @nr_fds: files that came with it
 * @out, @out_len: payload of the reply
 */
struct call {
	struct sim *sim;
	struct vfu *vfu;
	const uint8_t *in;
	size_t len;
	int *fds;
	unsigned int nr_fds;
	uint8_t *out;
	size_t out_len;
};

static void call_reply(struct call *c, const void *data, size_t len)
{
	memcpy(c->out + c->out_len, data, len);
	c->out_len += len;
}

/* --- Version ------------------------------------------------------------- */

/* Whether what the client sent about itself is sound, and has a capability */
static int version_parse(const char *text, size_t len, bool *multi)
{
	cJSON *root, *caps;

	*multi = false;
	if (!len)
		return 0;
	if (text[len - 1])
		return -EINVAL;
	root = cJSON_ParseWithLength(text, len);
	if (!cJSON_IsObject(root)) {
		cJSON_Delete(root);
		return -EINVAL;
	}
	caps = cJSON_GetObjectItemCaseSensitive(root, "capabilities");
	*multi = cJSON_IsTrue(
		cJSON_GetObjectItemCaseSensitive(caps, "write_multiple"));
	cJSON_Delete(root);
	return 0;
}

static int do_version(struct call *c)
{
	struct vfu_version v;
	char text[128];
	bool multi;
	int ret, len;

	memcpy(&v, c->in, sizeof(v));
	if (v.major)
		return -ENOTSUP;
	ret = version_parse((const char *)c->in + sizeof(v), c->len - sizeof(v),
			    &multi);
	if (ret)
		return ret;
	v.minor = 0;
	call_reply(c, &v, sizeof(v));
	len = snprintf(text, sizeof(text),
		       "{\"capabilities\":{\"max_msg_fds\":%d%s}}", VFU_MAX_FDS,
		       multi ? ",\"write_multiple\":true" : "");
	/* QEMU reads the reply into the memory of its request */
	if (sizeof(v) + len + 1 <= c->len)
		call_reply(c, text, len + 1);
	return 0;
}

/* --- DMA ----------------------------------------------------------------- */

/* A mapping that ends behind its file would be a SIGBUS later on */
static bool file_covers(int fd, uint64_t offset, uint64_t size)
{
	struct stat st;

	if (fstat(fd, &st))
		return false;
	return !S_ISREG(st.st_mode) ||
	       (offset <= (uint64_t)st.st_size && size <= st.st_size - offset);
}

static int do_dma_map(struct call *c)
{
	struct vfu_dma_map m;
	int fd = c->nr_fds ? c->fds[0] : -1;

	memcpy(&m, c->in, sizeof(m));
	if (c->nr_fds > 1)
		return -EINVAL;
	if (!m.size || m.address + m.size - 1 < m.address)
		return -EINVAL;
	if (fd < 0 && m.flags & DMA_MAP_NEEDS_FD)
		return -EINVAL;
	if (fd >= 0 && !file_covers(fd, m.offset, m.size))
		return -EINVAL;
	trace(NULL, "vfu dma_map iova=%#llx size=%#llx fd=%d flags=%#x",
	      (unsigned long long)m.address, (unsigned long long)m.size, fd,
	      m.flags);
	return mem_dma_map(&c->sim->mem, m.address, m.size, fd, m.offset,
			   m.flags & DMA_MAP_WRITE);
}

static int do_dma_unmap(struct call *c)
{
	struct vfu_dma_unmap u;
	int ret = 0;

	memcpy(&u, c->in, sizeof(u));
	if (u.flags & ~DMA_UNMAP_ALL)
		return -EINVAL;
	trace(NULL, "vfu dma_unmap iova=%#llx size=%#llx flags=%#x",
	      (unsigned long long)u.address, (unsigned long long)u.size,
	      u.flags);
	if (u.flags & DMA_UNMAP_ALL)
		mem_dma_unmap_all(&c->sim->mem);
	else
		ret = mem_dma_unmap(&c->sim->mem, u.address, u.size);
	call_reply(c, &u, sizeof(u));
	return ret;
}

/* --- The device and its regions ------------------------------------------ */

static int do_device_get_info(struct call *c)
{
	struct vfu_device_info info;

	memcpy(&info, c->in, sizeof(info));
	if (info.argsz < sizeof(info))
		return -EINVAL;
	info.argsz = sizeof(info);
	info.flags = VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI;
	info.num_regions = VFIO_PCI_NUM_REGIONS;
	info.num_irqs = VFIO_PCI_NUM_IRQS;
	call_reply(c, &info, sizeof(info));
	return 0;
}

/**
 * struct region - what there is to know about one
 * @size: 0: there is none of this index
 * @fd: to be mapped, offset for offset; -1: every access is a message
 * @nr_areas, @area: what of it can be mapped; no areas: all of it
 */
struct region {
	uint64_t size;
	int fd;
	unsigned int nr_areas;
	struct vfio_region_sparse_mmap_area area[MAX_TILES];
};

static void region_registers(const struct sim *sim, struct region *r)
{
	unsigned int i;

	r->fd = sim->tile[0].gsm_fd;
	r->nr_areas = sim->nr_tiles;
	for (i = 0; i < r->nr_areas; i++) {
		r->area[i].offset = i * TILE_WINDOW + GSM_OFFSET;
		r->area[i].size = GSM_SIZE;
	}
}

static struct region region_get(const struct sim *sim, uint32_t index)
{
	struct region r = { .fd = -1 };

	switch (index) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		r.size = pci_bar_size(sim, 0);
		region_registers(sim, &r);
		break;
	case VFIO_PCI_BAR2_REGION_INDEX:
		r.size = sim->mem.vram_size; /* a power of two */
		r.fd = sim->mem.vram_fd;
		break;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		r.size = sizeof(sim->pci.config);
		break;
	}
	return r;
}

static uint32_t region_flags(const struct region *r)
{
	uint32_t flags = 0;

	if (r->size)
		flags |= VFIO_REGION_INFO_FLAG_READ |
			 VFIO_REGION_INFO_FLAG_WRITE;
	if (r->fd >= 0)
		flags |= VFIO_REGION_INFO_FLAG_MMAP;
	if (r->nr_areas)
		flags |= VFIO_REGION_INFO_FLAG_CAPS;
	return flags;
}

static int do_region_info(struct call *c)
{
	struct vfio_region_info info;
	struct vfio_region_info_cap_sparse_mmap cap = {
		.header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP,
		.header.version = 1,
	};
	size_t areas, room;
	struct region r;

	memcpy(&info, c->in, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	r = region_get(c->sim, info.index);
	areas = r.nr_areas * sizeof(r.area[0]);
	room = info.argsz;
	info.argsz = sizeof(info) + (areas ? sizeof(cap) + areas : 0);
	info.flags = region_flags(&r);
	info.cap_offset = areas ? sizeof(info) : 0;
	info.size = r.size;
	info.offset = 0;
	cap.nr_areas = r.nr_areas;
	call_reply(c, &info, sizeof(info));
	/* Where the client has no room for it, argsz makes it ask again */
	if (areas && room >= info.argsz) {
		call_reply(c, &cap, sizeof(cap));
		call_reply(c, r.area, areas);
	}
	c->vfu->out_fd = r.fd;
	return 0;
}

static int region_check(const struct sim *sim,
			const struct vfu_region_access *a)
{
	uint64_t size = region_get(sim, a->region).size;

	if (a->offset > size || a->count > size - a->offset ||
	    a->count > VFU_MAX_DATA)
		return -EINVAL;
	return 0;
}

static int region_write(struct sim *sim, const struct vfu_region_access *a,
			const uint8_t *data)
{
	int ret = region_check(sim, a);

	if (ret)
		return ret;
	if (a->region == VFIO_PCI_BAR0_REGION_INDEX)
		regs_bar_write(sim, a->offset, data, a->count);
	else if (a->region == VFIO_PCI_CONFIG_REGION_INDEX)
		pci_write(sim, a->offset, data, a->count);
	else if (a->count)
		memcpy(sim->mem.vram + a->offset, data, a->count);
	return 0;
}

static int do_region_read(struct call *c)
{
	struct vfu_region_access a;
	uint8_t *data;
	int ret;

	memcpy(&a, c->in, sizeof(a));
	ret = region_check(c->sim, &a);
	if (ret)
		return ret;
	call_reply(c, &a, sizeof(a));
	data = c->out + c->out_len;
	c->out_len += a.count;
	if (a.region == VFIO_PCI_BAR0_REGION_INDEX)
		regs_bar_read(c->sim, a.offset, data, a.count);
	else if (a.region == VFIO_PCI_CONFIG_REGION_INDEX)
		pci_read(c->sim, a.offset, data, a.count);
	else if (a.count)
		memcpy(data, c->sim->mem.vram + a.offset, a.count);
	return 0;
}

static int do_region_write(struct call *c)
{
	struct vfu_region_access a;
	int ret;

	memcpy(&a, c->in, sizeof(a));
	if (a.count > c->len - sizeof(a))
		return -EINVAL;
	ret = region_write(c->sim, &a, c->in + sizeof(a));
	if (ret)
		return ret;
	call_reply(c, &a, sizeof(a));
	return 0;
}

static int do_region_write_multi(struct call *c)
{
	const uint8_t *p = c->in + sizeof(uint64_t);
	struct vfu_multi_write w;
	uint64_t i, count;

	memcpy(&count, c->in, sizeof(count));
	if (count > (c->len - sizeof(count)) / sizeof(w))
		return -EINVAL;
	for (i = 0; i < count; i++, p += sizeof(w)) {
		memcpy(&w, p, sizeof(w));
		if (w.to.count > sizeof(w.data) ||
		    region_write(c->sim, &w.to, w.data))
			return -EINVAL;
	}
	call_reply(c, &count, sizeof(count));
	return 0;
}

static int do_device_reset(struct call *c)
{
	trace(NULL, "vfu device_reset");
	pci_reset(c->sim);
	return 0;
}

/* --- Interrupts ---------------------------------------------------------- */

static int do_irq_info(struct call *c)
{
	struct vfio_irq_info info;

	memcpy(&info, c->in, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	info.argsz = sizeof(info);
	info.flags = VFIO_IRQ_INFO_EVENTFD;
	info.count = info.index == VFIO_PCI_MSI_IRQ_INDEX;
	call_reply(c, &info, sizeof(info));
	return 0;
}

/* Takes over the eventfd, where there is one; without one, there is none any more */
static void msi_set(struct vfu *v, int *fd)
{
	if (v->msi_fd >= 0)
		close(v->msi_fd);
	v->msi_fd = -1;
	if (!fd)
		return;
	v->msi_fd = *fd;
	*fd = -1;
	fcntl(v->msi_fd, F_SETFL, fcntl(v->msi_fd, F_GETFL) | O_NONBLOCK);
}

void vfu_msi(struct sim *sim)
{
	const uint64_t one = 1;

	if (!sim->vfu || sim->vfu->msi_fd < 0)
		return;
	if (write(sim->vfu->msi_fd, &one, sizeof(one)) < 0)
		note(NULL, "MSI: %s", strerror(errno));
}

static int do_set_irqs(struct call *c)
{
	struct vfio_irq_set s;
	size_t min = offsetof(struct vfio_irq_set, data);
	uint32_t data;

	memcpy(&s, c->in, min);
	data = s.flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	if (s.index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	if (!s.count && data == VFIO_IRQ_SET_DATA_NONE) {
		if (s.index == VFIO_PCI_MSI_IRQ_INDEX)
			msi_set(c->vfu, NULL);
		return 0;
	}
	if (s.index != VFIO_PCI_MSI_IRQ_INDEX || s.start || s.count != 1 ||
	    (s.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) !=
		    VFIO_IRQ_SET_ACTION_TRIGGER)
		return -EINVAL;
	switch (data) {
	case VFIO_IRQ_SET_DATA_EVENTFD:
		msi_set(c->vfu, c->nr_fds ? c->fds : NULL);
		return 0;
	case VFIO_IRQ_SET_DATA_BOOL:
		if (c->len == min)
			return -EINVAL;
		if (c->in[min])
			vfu_msi(c->sim);
		return 0;
	case VFIO_IRQ_SET_DATA_NONE:
		vfu_msi(c->sim);
		return 0;
	}
	return -EINVAL;
}

/* --- Messages ------------------------------------------------------------ */

struct handler {
	size_t min;		   /* bytes of payload */
	int (*fn)(struct call *c); /* 0 or -errno */
};

static const struct handler handlers[NR_VFU_COMMANDS] = {
	[VFU_VERSION] = { sizeof(struct vfu_version), do_version },
	[VFU_DMA_MAP] = { sizeof(struct vfu_dma_map), do_dma_map },
	[VFU_DMA_UNMAP] = { sizeof(struct vfu_dma_unmap), do_dma_unmap },
	[VFU_DEVICE_GET_INFO] = { sizeof(struct vfu_device_info),
				  do_device_get_info },
	[VFU_DEVICE_GET_REGION_INFO] = { sizeof(struct vfio_region_info),
					 do_region_info },
	[VFU_DEVICE_GET_IRQ_INFO] = { sizeof(struct vfio_irq_info),
				      do_irq_info },
	[VFU_DEVICE_SET_IRQS] = { offsetof(struct vfio_irq_set, data),
				  do_set_irqs },
	[VFU_REGION_READ] = { sizeof(struct vfu_region_access),
			      do_region_read },
	[VFU_REGION_WRITE] = { sizeof(struct vfu_region_access),
			       do_region_write },
	[VFU_DEVICE_RESET] = { 0, do_device_reset },
	[VFU_REGION_WRITE_MULTI] = { sizeof(uint64_t), do_region_write_multi },
};

static int call_handle(struct call *c, uint16_t command)
{
	const struct handler *h;

	if (command >= NR_VFU_COMMANDS || !handlers[command].fn)
		return -ENOTSUP;
	h = &handlers[command];
	if (c->len < h->min || c->nr_fds > VFU_MAX_FDS)
		return -EINVAL;
	return h->fn(c);
}

int vfu_message(struct sim *sim, struct vfu *v, const uint8_t *msg, size_t len,
		int *fds, unsigned int nr_fds)
{
	struct vfu_header h;
	struct call c = { .sim = sim, .vfu = v, .fds = fds, .nr_fds = nr_fds };
	int ret;

	v->out_len = 0;
	v->out_sent = 0;
	v->out_fd = -1;
	if (len < sizeof(h) || len > VFU_MAX_MSG)
		return -1;
	memcpy(&h, msg, sizeof(h));
	if (h.size != len || h.flags & FLAG_TYPE)
		return -1;
	c.in = msg + sizeof(h);
	c.len = len - sizeof(h);
	c.out = v->out + sizeof(h);
	ret = call_handle(&c, h.command);
	if (ret) {
		note(NULL,
		     "vfio-user: command %u of %zu bytes and %u files: %s",
		     h.command, len, nr_fds, strerror(-ret));
		c.out_len = 0;
		v->out_fd = -1;
	}
	if (h.flags & FLAG_NO_REPLY)
		return 0;
	h.flags = FLAG_REPLY | (ret ? FLAG_ERROR : 0);
	h.error = -ret;
	h.size = sizeof(h) + c.out_len;
	memcpy(v->out, &h, sizeof(h));
	v->out_len = h.size;
	return 0;
}

/* --- The socket ---------------------------------------------------------- */

static void close_files(struct vfu *v)
{
	unsigned int i;

	for (i = 0; i < v->nr_fds; i++)
		if (v->fds[i] >= 0)
			close(v->fds[i]);
	v->nr_fds = 0;
}

/* Collects the files of a message; those that are too many make it fail */
static int take_files(struct vfu *v, struct msghdr *mh)
{
	struct cmsghdr *cm;
	bool bad = mh->msg_flags & MSG_CTRUNC;
	unsigned int i, n;
	int fd;

	for (cm = CMSG_FIRSTHDR(mh); cm; cm = CMSG_NXTHDR(mh, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(fd), sizeof(fd));
			if (v->nr_fds < VFU_MAX_FDS) {
				v->fds[v->nr_fds++] = fd;
			} else {
				close(fd);
				bad = true;
			}
		}
	}
	if (bad)
		note(NULL, "vfio-user: more than %d files in a message",
		     VFU_MAX_FDS);
	return bad ? -1 : 0;
}

/* How long the message is as far as is known; 0: it is not one */
static size_t message_size(const struct vfu *v)
{
	struct vfu_header h;

	if (v->in_len < sizeof(h))
		return sizeof(h);
	memcpy(&h, v->in, sizeof(h));
	return h.size < sizeof(h) || h.size > VFU_MAX_MSG ? 0 : h.size;
}

enum rx {
	RX_SOME,    /* some bytes of a message */
	RX_MESSAGE, /* all of it */
	RX_NOTHING, /* there is no more for now */
	RX_GONE,    /* the client has left */
	RX_NONSENSE,
};

static enum rx receive_some(struct vfu *v, size_t len)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(VFU_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = { v->in + v->in_len, len };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n = recvmsg(v->client_fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return RX_NOTHING;
	if (n <= 0)
		return RX_GONE;
	v->in_len += n;
	v->heard = true;
	return take_files(v, &mh) ? RX_NONSENSE : RX_SOME;
}

/* Never takes more than one message, so that its files are known to be its own */
static enum rx receive(struct vfu *v)
{
	enum rx rx = RX_SOME;
	size_t want;

	while (rx == RX_SOME) {
		want = message_size(v);
		if (!want)
			return RX_NONSENSE;
		if (v->in_len == want)
			return RX_MESSAGE;
		rx = receive_some(v, want - v->in_len);
	}
	return rx;
}

/* Sends what can be sent of the reply; -1: the client has left */
static int transmit(struct vfu *v)
{
	union {
		struct cmsghdr cm;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { .cm = { .cmsg_len = CMSG_LEN(sizeof(int)),
			      .cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { v->out + v->out_sent, v->out_len - v->out_sent };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (v->out_fd >= 0) {
		memcpy(CMSG_DATA(&control.cm), &v->out_fd, sizeof(int));
		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
	}
	n = sendmsg(v->client_fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	v->out_sent += n;
	v->out_fd = -1;
	return 0;
}

static bool unsent(const struct vfu *v)
{
	return v->out_sent < v->out_len;
}

/* The next message, if the last one's reply is sent and there is one */
static enum rx serve_one(struct sim *sim)
{
	struct vfu *v = sim->vfu;
	enum rx rx;

	if (!unsent(v)) {
		rx = receive(v);
		if (rx != RX_MESSAGE)
			return rx;
		if (vfu_message(sim, v, v->in, v->in_len, v->fds, v->nr_fds))
			return RX_NONSENSE;
		close_files(v);
		v->in_len = 0;
	}
	if (unsent(v) && transmit(v))
		return RX_GONE;
	return unsent(v) ? RX_NOTHING : RX_MESSAGE;
}

static void client_close(struct sim *sim)
{
	struct vfu *v = sim->vfu;

	if (v->client_fd >= 0)
		close(v->client_fd);
	v->client_fd = -1;
	close_files(v);
	v->in_len = 0;
	v->out_len = 0;
	v->out_sent = 0;
	msi_set(v, NULL);
	mem_dma_unmap_all(&sim->mem);
}

/* Serves what the client has sent.  Returns the exit status, or -1: there is more to
 * come
 */
static int serve(struct sim *sim)
{
	struct vfu *v = sim->vfu;
	enum rx rx = RX_MESSAGE;
	unsigned int i;

	for (i = 0; i < MESSAGES_PER_TURN && rx == RX_MESSAGE; i++)
		rx = serve_one(sim);
	if (rx == RX_NONSENSE) {
		fprintf(stderr,
			"xesim: what the client sent is not vfio-user\n");
		return 1;
	}
	if (rx != RX_GONE)
		return -1;
	trace(NULL, "vfu client_left");
	if (v->heard)
		return 0;
	/* It only looked whether somebody listens: another xesim does */
	client_close(sim);
	return -1;
}

/* One client at a time: further ones find the connection closed */
static void accept_client(struct vfu *v)
{
	int fd =
		accept4(v->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (v->client_fd >= 0) {
		close(fd);
		return;
	}
	v->client_fd = fd;
	trace(NULL, "vfu client_came");
}

/* The exit status, or -1 to go on */
static int take_signal(struct sim *sim)
{
	struct signalfd_siginfo si;

	if (read(sim->vfu->signal_fd, &si, sizeof(si)) != sizeof(si))
		return -1;
	if (si.ssi_signo != SIGUSR1)
		return 0;
	stats_write(sim->opt.stats_file, &sim->opt);
	trace_flush();
	return -1;
}

enum {
	POLL_LISTEN,
	POLL_CLIENT,
	POLL_SIGNAL,
	NR_POLL
};

/* Waits for at most that many ns, or (-1) until something happens */
static int wait_and_serve(struct sim *sim, int64_t ns)
{
	const struct timespec ts = { ns / 1000000000, ns % 1000000000 };
	struct vfu *v = sim->vfu;
	struct pollfd p[NR_POLL] = {
		[POLL_LISTEN] = { .fd = v->listen_fd, .events = POLLIN },
		[POLL_CLIENT] = { .fd = v->client_fd,
				  .events = unsent(v) ? POLLOUT : POLLIN },
		[POLL_SIGNAL] = { .fd = v->signal_fd, .events = POLLIN },
	};
	int status = -1;

	if (ppoll(p, NR_POLL, ns < 0 ? NULL : &ts, NULL) <= 0)
		return -1;
	if (p[POLL_SIGNAL].revents)
		status = take_signal(sim);
	if (status < 0 && p[POLL_CLIENT].revents)
		status = serve(sim);
	if (p[POLL_LISTEN].revents)
		accept_client(v);
	return status;
}

static int64_t sooner(int64_t a, int64_t b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

int vfu_run(struct sim *sim)
{
	int64_t ns = 0;
	int status;

	do {
		status = wait_and_serve(sim, ns);
		timers_run();
		ns = sched_run(sim);
		/* The engines may have set timers */
		ns = sooner(ns, timers_next());
	} while (status < 0);
	vfu_free(sim);
	return status;
}

void vfu_new(struct sim *sim)
{
	struct vfu *v = calloc(1, sizeof(*v));

	if (!v)
		abort();
	v->listen_fd = -1;
	v->client_fd = -1;
	v->signal_fd = -1;
	v->msi_fd = -1;
	v->out_fd = -1;
	sim->vfu = v;
}

/* Removes the socket, if it is still the one that we made */
static void socket_remove(struct vfu *v)
{
	struct stat st;

	if (v->path && !lstat(v->path, &st) && st.st_dev == v->dev &&
	    st.st_ino == v->ino)
		unlink(v->path);
}

void vfu_free(struct sim *sim)
{
	struct vfu *v = sim->vfu;

	if (!v)
		return;
	client_close(sim);
	socket_remove(v);
	if (v->listen_fd >= 0)
		close(v->listen_fd);
	if (v->signal_fd >= 0)
		close(v->signal_fd);
	free(v);
	sim->vfu = NULL;
}

static int socket_error(const char *path, const char *text)
{
	fprintf(stderr, "xesim: socket %s %s\n", path, text);
	return -1;
}

/* Makes room for the socket: what nobody listens at any more is removed */
static int socket_make_room(const struct sockaddr_un *addr)
{
	const char *path = addr->sun_path;
	struct stat st;
	int fd, err;

	if (lstat(path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return socket_error(path,
				    "exists and is not a socket; give another "
				    "path or remove it");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) ? errno
									: 0;
	close(fd);
	if (err != ECONNREFUSED && err != ENOENT)
		return socket_error(
			path, "is in use by another process; give another "
			      "path or end that process");
	unlink(path);
	return 0;
}

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int vfu_listen(struct sim *sim, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	struct vfu *v;

	if (strlen(path) >= sizeof(addr.sun_path))
		return socket_error(path, "has too long a path");
	strcpy(addr.sun_path, path);
	if (socket_make_room(&addr))
		return -1;
	vfu_new(sim);
	v = sim->vfu;
	v->signal_fd = signals_open();
	v->listen_fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(v->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(v->listen_fd, 1) || lstat(path, &st)) {
		fprintf(stderr,
			"xesim: socket %s: %s; give a path where one can be "
			"made\n",
			path, strerror(errno));
		vfu_free(sim);
		return -1;
	}
	v->path = path;
	v->dev = st.st_dev;
	v->ino = st.st_ino;
	return 0;
}
