// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes the GuC firmware files that the driver asks for.  The simulator is the
 * firmware; these have what the driver checks (sheet 4.1), and nothing to execute.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define VERSION "0.1"

#define HEADER_DW 32
#define UCODE_DW 1024
#define KEY_DW 64 /* 256 bytes: the driver wants no less */
#define MODULUS_DW 64
#define EXPONENT_DW 1
#define FILE_DW (HEADER_DW + UCODE_DW + KEY_DW)

/* As the driver counts: the key parts are in it, though not in the file */
#define CSS_HEADER_DW (HEADER_DW + KEY_DW + MODULUS_DW + EXPONENT_DW)

#define UCODE_MAGIC 0x47554355 /* "UCUG" */
#define VERSION_DW(major, minor, patch) ((major) << 16 | (minor) << 8 | (patch))

static const char *const files[] = {
	"xe/bmg_guc_70.bin",
	"xe/pvc_guc_model.bin",
};

static const struct {
	unsigned int index;
	uint32_t value;
} header[] = {
	{ 0, 6 }, /* module type */
	{ 1, CSS_HEADER_DW },
	{ 2, 0x10000 }, /* header version */
	{ 4, 0x8086 },
	{ 6, CSS_HEADER_DW + UCODE_DW },
	{ 7, KEY_DW },
	{ 8, MODULUS_DW },
	{ 9, EXPONENT_DW },
	{ 16, VERSION_DW(70, 54, 0) }, /* release */
	{ 17, VERSION_DW(1, 0, 0) },   /* interface for submission */
};

static void firmware_fill(uint32_t *dw)
{
	unsigned int i;

	memset(dw, 0, FILE_DW * sizeof(*dw));
	for (i = 0; i < sizeof(header) / sizeof(header[0]); i++)
		dw[header[i].index] = header[i].value;
	for (i = 0; i < UCODE_DW; i++)
		dw[HEADER_DW + i] = UCODE_MAGIC + i;
	for (i = 0; i < KEY_DW; i++)
		dw[HEADER_DW + UCODE_DW + i] = ~i;
}

static int failed(const char *path)
{
	fprintf(stderr, "xesim-fw: %s: %s\n", path, strerror(errno));
	return -1;
}

/* Makes the directories that a file is to be in */
static int make_parents(char *path)
{
	char *p;

	for (p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0777) && errno != EEXIST)
			return failed(path);
		*p = '/';
	}
	return 0;
}

static int write_file(char *path, const uint32_t *dw)
{
	FILE *f;
	size_t n;

	if (make_parents(path))
		return -1;
	f = fopen(path, "w");
	if (!f)
		return failed(path);
	n = fwrite(dw, sizeof(*dw), FILE_DW, f);
	if (fclose(f) || n != FILE_DW)
		return failed(path);
	return 0;
}

static int write_all(const char *dir)
{
	static uint32_t dw[FILE_DW];
	char path[4096];
	unsigned int i;

	firmware_fill(dw);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int n = snprintf(path, sizeof(path), "%s/%s", dir, files[i]);

		if (n >= (int)sizeof(path)) {
			errno = ENAMETOOLONG;
			return failed(dir);
		}
		if (write_file(path, dw))
			return -1;
	}
	return 0;
}

static int help(void)
{
	unsigned int i;

	printf("usage: xesim-fw DIR\n"
	       "Writes the firmware files for the GPUs of xesim; DIR is the "
	       "guest's /lib/firmware.\n\n");
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		printf("  DIR/%s\n", files[i]);
	return 0;
}

static int usage_error(const char *text)
{
	fprintf(stderr,
		"xesim-fw: %s; give the directory to write to, or --help\n",
		text);
	return 2;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return help();
	if (argc == 2 && !strcmp(argv[1], "--version"))
		return puts("xesim-fw " VERSION) < 0;
	if (argc != 2)
		return usage_error(argc < 2 ? "no directory"
					    : "more than one argument");
	if (!*argv[1] || *argv[1] == '-')
		return usage_error(*argv[1] ? "unknown option"
					    : "the directory is empty");
	return write_all(argv[1]) ? 1 : 0;
}
