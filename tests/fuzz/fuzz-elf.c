/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/version.h"
#include "fuzz.h"
#include "sys/elf.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* The input is a file. It is read as it is, and then again and again with its tail cut off after
 * the first, second, third... read, as by somebody who writes the file anew while it is looked at.
 * The cut is made in our own pread64(), which takes the place of libc's. */

static int cut_after = -1;
static off_t cut_length;

ssize_t pread64(int fd, void *to, size_t len, off64_t offset)
{
	if (cut_after >= 0 && cut_after-- == 0)
		must(ftruncate(fd, cut_length) == 0);
	return syscall(SYS_pread64, fd, to, len, offset);
}

static int make_file(const uint8_t *data, size_t size)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);

	must(fd >= 0);
	must(size == 0 || write(fd, data, size) == (ssize_t)size);
	return fd;
}

static void check(int fd, size_t size)
{
	struct elf_facts f = {0};

	must(elf_read(fd, &f) == 0);
	must(f.form < ELF_FORM_MAX && f.object < ELF_OBJECT_MAX && f.entry < ELF_ENTRY_MAX);
	must(f.form == ELF_FORM_TRUNCATED || f.needs == 0);
	must(f.needs == 0 || f.needs > size || cut_length > 0);
	must(!f.note_version || version_is_valid(f.note_version));
	must(!f.note_version || strlen(f.note_version) <= ELF_NOTE_MAX);
	must(!f.package_note || strlen(f.package_note) <= 4096);
	must(!f.build_id || strspn(f.build_id, "0123456789abcdef") == strlen(f.build_id));
	must(f.form != ELF_FORM_NOT_ELF || (!f.entry && !f.needed && !f.build_id));
	must(lseek(fd, 0, SEEK_CUR) == (off_t)size);
	elf_facts_done(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd;

	if (size > 1 << 20)
		return 0;
	cut_after = -1;
	cut_length = 0;
	fd = make_file(data, size);
	check(fd, size);
	(void)close(fd);
	for (int reads = 0; reads < 8; reads++) {
		fd = make_file(data, size);
		cut_after = reads;
		cut_length = (off_t)(size / 2);
		check(fd, size);
		(void)close(fd);
	}
	return 0;
}
