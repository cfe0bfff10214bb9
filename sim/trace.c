// SPDX-License-Identifier: GPL-2.0-only
/* The trace file, and what is said on stderr. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "xesim.h"

#define NOTE_ALWAYS 20 /* that many of a kind are printed, then powers of two */
#define NOTE_KINDS 256

bool trace_on;
static FILE *file;
static uint64_t start;

int trace_open(const char *path)
{
	file = fopen(path, "we");
	if (!file)
		return -1;
	setvbuf(file, NULL, _IOFBF, MIB(1));
	start = now_ns();
	trace_on = true;
	/* What puts the traces of several simulators side by side */
	trace(NULL, "trace start clock=%llu.%06llu",
	      (unsigned long long)start / 1000000000,
	      (unsigned long long)start / 1000 % 1000000);
	return 0;
}

void trace_close(void)
{
	if (!file)
		return;
	trace_on = false;
	if (fclose(file))
		fprintf(stderr, "xesim: the trace is incomplete: %s\n",
			strerror(errno));
	file = NULL;
}

void trace_flush(void)
{
	if (file)
		fflush(file);
}

void trace_event(const struct tile *t, const char *fmt, ...)
{
	uint64_t us = (now_ns() - start) / 1000;
	va_list ap;

	fprintf(file, "%llu.%06llu ", (unsigned long long)us / 1000000,
		(unsigned long long)us % 1000000);
	if (t)
		fprintf(file, "gt%u ", t->id);
	else
		fputs("- ", file);
	va_start(ap, fmt);
	vfprintf(file, fmt, ap);
	va_end(ap);
	putc('\n', file);
}

/* How many of this kind there were, this one included */
static uint64_t note_count(const char *fmt)
{
	static struct {
		const char *fmt;
		uint64_t count;
	} kinds[NOTE_KINDS];
	unsigned int i;

	/* Those that find no room share the last */
	for (i = 0; i < NOTE_KINDS - 1; i++)
		if (!kinds[i].fmt || kinds[i].fmt == fmt)
			break;
	kinds[i].fmt = fmt;
	return ++kinds[i].count;
}

static void note_print(const struct tile *t, const char *text, uint64_t count)
{
	if (count > NOTE_ALWAYS && (count & (count - 1)))
		return;
	fputs("xesim: ", stderr);
	if (t)
		fprintf(stderr, "gt%u: ", t->id);
	fputs(text, stderr);
	if (count > NOTE_ALWAYS)
		fprintf(stderr, " (%llu of this kind)",
			(unsigned long long)count);
	else if (count == NOTE_ALWAYS)
		fputs(" (from now on only some of this kind)", stderr);
	putc('\n', stderr);
}

void note(const struct tile *t, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	note_print(t, text, note_count(fmt));
	trace(t, "note %s", text);
}
