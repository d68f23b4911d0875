/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/elf_bytes.h"

#include <string.h>
#include <sys/stat.h>

/* A file may be built to lead round in circles or over all of its length. An honest plugin needs
 * some ten reads and a thousand looks. */
#define READS_MAX 2048U
#define LOOKS_MAX (1U << 20)

bool elf_bytes_open(struct elf_bytes *b, int fd)
{
	unsigned char ident[EI_NIDENT];
	struct stat st;

	*b = (struct elf_bytes){.fd = fd};
	if (fstat(fd, &st) < 0)
		elf_bytes_fail(b, -errno);
	else
		b->size = (uint64_t)st.st_size;
	if (!elf_bytes_copy(b, 0, ident, sizeof(ident)))
		return false;
	b->is_64 = ident[EI_CLASS] == ELFCLASS64;
	b->is_big = ident[EI_DATA] == ELFDATA2MSB;
	return memcmp(ident, ELFMAG, SELFMAG) == 0 && (b->is_64 || ident[EI_CLASS] == ELFCLASS32) &&
	       (b->is_big || ident[EI_DATA] == ELFDATA2LSB) && ident[EI_VERSION] == EV_CURRENT;
}

void elf_bytes_fail(struct elf_bytes *b, int error)
{
	if (b->failed == 0)
		b->failed = error;
}

bool elf_bytes_fits(struct elf_bytes *b, uint64_t offset, uint64_t len)
{
	uint64_t end;

	if (__builtin_add_overflow(offset, len, &end))
		end = UINT64_MAX;
	if (end > b->size)
		b->needs = MAX(b->needs, end);
	return end <= b->size;
}

/* Fewer bytes than there were: the file became shorter under us. */
static int read_window(struct elf_bytes *b, struct elf_window *w, uint64_t start)
{
	size_t got = 0;

	w->len = 0;
	w->start = start;
	if (++b->n_reads > READS_MAX)
		return ELF_BAD;
	while (got < MIN(b->size - start, ELF_WINDOW_SIZE)) {
		ssize_t n =
			pread(b->fd, w->data + got, sizeof(w->data) - got, (off_t)(start + got));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0) {
			b->needs = MAX(b->needs, start + got + 1);
			return ELF_BAD;
		}
		got += n > 0 ? (size_t)n : 0;
	}
	w->len = got;
	return 0;
}

/* The window over `offset`, which is inside the file. */
static const struct elf_window *look_at(struct elf_bytes *b, uint64_t offset)
{
	uint64_t start = offset - offset % ELF_WINDOW_SIZE;
	struct elf_window *w = b->windows;

	if (++b->n_looks > LOOKS_MAX)
		elf_bytes_fail(b, ELF_BAD);
	while (w < b->windows + ELF_WINDOWS && (w->len == 0 || w->start != start))
		w++;
	if (w == b->windows + ELF_WINDOWS) {
		w = &b->windows[b->n_reads % ELF_WINDOWS];
		elf_bytes_fail(b, read_window(b, w, start));
	}
	return w;
}

bool elf_bytes_copy(struct elf_bytes *b, uint64_t offset, void *ret, size_t len)
{
	uint8_t *to = ret;

	if (!b->failed && !elf_bytes_fits(b, offset, len))
		b->failed = ELF_BAD;
	while (!b->failed && len > 0) {
		const struct elf_window *w = look_at(b, offset);
		size_t at = (size_t)(offset - w->start);
		size_t n = MIN(w->len - at, len);

		if (b->failed)
			break;
		memcpy(to, w->data + at, n);
		to += n;
		offset += n;
		len -= n;
	}
	return !b->failed;
}

char *elf_bytes_text(struct elf_bytes *b, struct elf_place p, uint64_t at)
{
	char text[ELF_TEXT_MAX];
	char *copy;
	size_t n;

	if (at >= p.room)
		elf_bytes_fail(b, ELF_BAD);
	n = b->failed ? 0 : MIN(p.room - at, sizeof(text));
	if (!elf_bytes_copy(b, p.at + at, text, n))
		return NULL;
	if (!memchr(text, 0, n)) {
		b->failed = ELF_BAD;
		return NULL;
	}
	copy = strdup(text);
	if (!copy)
		b->failed = -ENOMEM;
	return copy;
}

uint64_t elf_bytes_word(struct elf_bytes *b, uint64_t offset, size_t width)
{
	uint8_t raw[8];
	uint64_t value = 0;

	if (elf_bytes_copy(b, offset, raw, width))
		for (size_t i = 0; i < width; i++)
			value = value << 8 | raw[b->is_big ? i : width - 1 - i];
	return value;
}

uint64_t elf_place_word(struct elf_bytes *b, struct elf_place p, uint64_t at, size_t width)
{
	if (at > p.room || p.room - at < width)
		elf_bytes_fail(b, ELF_BAD);
	return elf_bytes_word(b, p.at + at, width);
}
