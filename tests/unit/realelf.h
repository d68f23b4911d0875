/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Real ELF files for tests, made by the C compiler (`CC`, else cc) in a scratch directory of their
 * own, and changed byte by byte afterwards.
 *
 * Knows: the compiler's command line. Must not know: what the files are tried on. */

#include "base/macro.h"
#include <elf.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define REALELF_MODULE "int module_entrypoint(void){return 1;}\n"
#define REALELF_TRANSPORT "int deserialize_transport(void){return 1;}\n"
/* A .note.vsmtp as our packaging helpers write it: owner, type 1, the text as its description. */
#define REALELF_NOTE(section, flags, align, desc) \
	"__asm__(\".pushsection " section "," flags ",@note\\n" \
	".balign " align "\\n.long 2f-1f,4f-3f,1\\n" \
	"1: .asciz \\\"vSMTP\\\"\\n2: .balign " align "\\n" \
	"3: .ascii \\\"" desc "\\\"\\n4: .balign " align "\\n.popsection\");\n"

struct bytes {
	uint8_t *data;
	size_t len;
};

_unused_ static char *realelf_scratch(void)
{
	char *dir = strdup("/tmp/vsmtp-plugind-test-XXXXXX");

	return dir && mkdtemp(dir) ? dir : NULL;
}

static int realelf_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	UNUSED(st);
	UNUSED(flag);
	UNUSED(ftw);
	return remove(path);
}

_unused_ static void realelf_sweep(char *dir)
{
	if (dir)
		(void)nftw(dir, realelf_remove, 16, FTW_DEPTH | FTW_PHYS);
	free(dir);
}

_unused_ _printf_(2, 3) static char *realelf_path(const char *dir, const char *format, ...)
{
	char *path = NULL, *name = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&name, format, ap);
	va_end(ap);
	if (n < 0 || asprintf(&path, "%s/%s", dir, name) < 0)
		path = NULL;
	free(name);
	return path;
}

_unused_ static bool realelf_write(const char *path, const void *data, size_t len, mode_t mode)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	return fd >= 0 && write(fd, data, len) == (ssize_t)len && fchmod(fd, mode) == 0;
}

/* Compiles `source` to DIR/NAME with these options. */
_unused_ static bool realelf_compile(const char *dir, const char *name, const char *source,
				     const char *options)
{
	_cleanup_free_ char *c = realelf_path(dir, "%s.c", name), *command = NULL;
	const char *cc = getenv("CC");

	if (!c || !realelf_write(c, source, strlen(source), 0644))
		return false;
	if (asprintf(&command, "cd '%s' && %s -w -g0 -O1 -o '%s' '%s.c' %s", dir,
		     cc && *cc ? cc : "cc", name, name, options) < 0) {
		command = NULL;
		return false;
	}
	return system(command) == 0; /* NOLINT(cert-env33-c): a test that needs the compiler */
}

_unused_ static struct bytes realelf_load(const char *dir, const char *name)
{
	_cleanup_free_ char *path = realelf_path(dir, "%s", name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct bytes b = {0};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return b;
	b.data = malloc((size_t)st.st_size);
	if (b.data && read(fd, b.data, (size_t)st.st_size) == st.st_size)
		b.len = (size_t)st.st_size;
	return b;
}

_unused_ static void bytes_done(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){0};
}

/* The first `len` bytes as a file without a name. */
_unused_ static int realelf_fd(const uint8_t *data, size_t len)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);

	if (fd >= 0 && write(fd, data, len) != (ssize_t)len)
		fd = fd_close(fd);
	return fd;
}

/* Where the last segment ends: what the loader needs of the file. Tests run on 64-bit machines. */
_unused_ static size_t realelf_end(const struct bytes *b)
{
	Elf64_Ehdr e;
	size_t end = 0;

	memcpy(&e, b->data, sizeof(e));
	for (size_t i = 0; i < e.e_phnum; i++) {
		Elf64_Phdr p;

		memcpy(&p, b->data + e.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_LOAD)
			end = MAX(end, (size_t)(p.p_offset + p.p_filesz));
	}
	return end;
}

/* As a linker that writes no section headers leaves it. */
_unused_ static void realelf_drop_sections(struct bytes *b)
{
	Elf64_Ehdr e;

	memcpy(&e, b->data, sizeof(e));
	e.e_shoff = 0;
	e.e_shnum = e.e_shstrndx = 0;
	memcpy(b->data, &e, sizeof(e));
}

#define _cleanup_scratch_ _cleanup_(realelf_sweepp)
#define _cleanup_bytes_ _cleanup_(bytes_done)

_unused_ static void realelf_sweepp(char **dir)
{
	realelf_sweep(*dir);
}
