// SPDX-License-Identifier: GPL-2.0-only
/*
 * Other GPUs, as this one reaches their VRAM over the bus.
 *
 * All that are given the same folder (--peers) have a link there to the file of their VRAM,
 * as /proc shows it.  Behind the VRAM, where no guest sees it, one page tells where on the
 * bus it is.  A lock on that page, which ends with its process, tells who is alive.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xesim.h"

#define MAGIC 0x305641525645584eull

/**
 * struct peer_tail - what follows VRAM in its file
 * @magic: it is one of ours
 * @base: bus address of BAR2; 0: it does not answer
 */
struct peer_tail {
	uint64_t magic, base;
};

/**
 * struct peer - another GPU, known until we end
 * @name: of its link
 * @fd: its VRAM
 * @vram: mapped
 * @size: of it, without the page behind
 * @tail: that page
 */
struct peer {
	char *name;
	int fd;
	uint8_t *vram;
	uint64_t size;
	const struct peer_tail *tail;
};

/* --- what the others see of us --- */

static struct peer_tail *tail_of(uint8_t *vram, uint64_t size)
{
	return (struct peer_tail *)(vram + size);
}

/* lock_tail(): not by the description that QEMU gets as well, and keeps; a file, or -1 */
static int lock_tail(const struct mem *m)
{
	struct flock lock = { .l_type = F_WRLCK,
			      .l_start = m->vram_size,
			      .l_len = MEM_TAIL };
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", m->vram_fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || !fcntl(fd, F_OFD_SETLK, &lock))
		return fd;
	close(fd);
	return -1;
}

static int publish(struct mem *m)
{
	struct peers *p = &m->peers;
	char path[64];

	p->lock_fd = lock_tail(m);
	if (p->lock_fd < 0)
		return -1;
	tail_of(m->vram, m->vram_size)->magic = MAGIC;
	snprintf(p->name, sizeof(p->name), "%d.%d", getpid(), m->vram_fd);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), m->vram_fd);
	/* What a process of the same number has left */
	unlinkat(p->dir_fd, p->name, 0);
	if (!symlinkat(path, p->dir_fd, p->name))
		return 0;
	close(p->lock_fd);
	return -1;
}

int peers_join(struct mem *m, const char *dir)
{
	struct peers *p = &m->peers;

	p->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->joined = p->dir_fd >= 0 && !publish(m);
	if (p->joined)
		return 0;
	fprintf(stderr,
		"xesim: --peers %s: %s; give a folder where files can be "
		"made\n",
		dir, strerror(errno));
	if (p->dir_fd >= 0)
		close(p->dir_fd);
	return -1;
}

void peers_publish(struct mem *m, uint64_t base)
{
	__atomic_store_n(&tail_of(m->vram, m->vram_size)->base, base,
			 __ATOMIC_RELEASE);
}

/* --- what we see of the others --- */

/* is_vram(): a file that has VRAM of a GPU, and cannot become smaller */
static bool is_vram(int fd, struct peer *peer)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) ||
	    st.st_size <= MEM_TAIL)
		return false;
	peer->size = st.st_size - MEM_TAIL;
	peer->vram = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (peer->vram == MAP_FAILED)
		return false;
	peer->tail = tail_of(peer->vram, peer->size);
	if (peer->tail->magic == MAGIC)
		return true;
	munmap(peer->vram, st.st_size);
	return false;
}

static bool known(const struct peers *p, const char *name)
{
	unsigned int i;

	if (!strcmp(name, p->name))
		return true;
	for (i = 0; i < p->nr; i++)
		if (!strcmp(name, p->peer[i].name))
			return true;
	return false;
}

static void add(struct peers *p, struct peer *peer)
{
	p->peer = reallocarray(p->peer, p->nr + 1, sizeof(*peer));
	if (!p->peer)
		abort();
	p->peer[p->nr++] = *peer;
	trace(NULL, "peer found name=%s size=%#llx", peer->name,
	      (unsigned long long)peer->size);
}

/* look_at(): what is in the folder.  A link whose process is gone leads nowhere, or into
 * another one
 */
static void look_at(struct peers *p, const char *name)
{
	struct peer peer = { 0 };
	struct stat st = { 0 };

	if (*name == '.' || known(p, name) ||
	    (fstatat(p->dir_fd, name, &st, 0) && errno == ENOENT))
		return;
	peer.fd = S_ISREG(st.st_mode)
			  ? openat(p->dir_fd, name, O_RDWR | O_CLOEXEC)
			  : -1;
	if (peer.fd >= 0 && is_vram(peer.fd, &peer)) {
		peer.name = strdup(name);
		add(p, &peer);
		return;
	}
	note(NULL, "--peers: %s in that folder is no GPU's VRAM; remove it",
	     name);
	if (peer.fd >= 0)
		close(peer.fd);
}

void peers_find(struct peers *p)
{
	DIR *dir;
	struct dirent *d;
	int fd;

	if (!p->joined)
		return;
	fd = openat(p->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return;
	while ((d = readdir(dir)))
		look_at(p, d->d_name);
	closedir(dir);
}

static bool alive(const struct peer *peer)
{
	struct flock lock = { .l_type = F_RDLCK,
			      .l_start = peer->size,
			      .l_len = MEM_TAIL };

	return !fcntl(peer->fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
}

void *peers_ptr(const struct peers *p, uint64_t addr, uint64_t *len)
{
	unsigned int i;

	for (i = 0; i < p->nr; i++) {
		const struct peer *peer = &p->peer[i];
		uint64_t base =
			__atomic_load_n(&peer->tail->base, __ATOMIC_ACQUIRE);

		if (!base || addr < base || addr - base >= peer->size ||
		    !alive(peer))
			continue;
		if (*len > peer->size - (addr - base))
			*len = peer->size - (addr - base);
		return peer->vram + (addr - base);
	}
	return NULL;
}

bool peers_have(const struct peers *p, const void *ptr)
{
	uintptr_t at = (uintptr_t)ptr;
	unsigned int i;

	for (i = 0; i < p->nr; i++)
		if (at - (uintptr_t)p->peer[i].vram < p->peer[i].size)
			return true;
	return false;
}

void peers_leave(struct peers *p)
{
	unsigned int i;

	if (!p->joined)
		return;
	for (i = 0; i < p->nr; i++) {
		munmap(p->peer[i].vram, p->peer[i].size + MEM_TAIL);
		close(p->peer[i].fd);
		free(p->peer[i].name);
	}
	free(p->peer);
	unlinkat(p->dir_fd, p->name, 0);
	close(p->lock_fd);
	close(p->dir_fd);
	*p = (struct peers){ 0 };
}
