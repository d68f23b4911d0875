/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bytes of one ELF file: ranges that are checked against the file's length, read through a few
 * small windows and turned into the host's byte order. Private to sys/elf.
 *
 * A function of this module returns 0, ELF_BAD (the file cannot be right: `needs` may say how long
 * it would have to be), or -errno (it could not be read).
 *
 * Knows: libelf. Must not know: what is looked for. Owns: struct elf_bytes owns the libelf handle
 * and everything that was read through it, not the descriptor. */

#include "base/macro.h"
#include <gelf.h>
#include <stdbool.h>
#include <stdint.h>

struct elf_facts;

#define ELF_BAD 1

#define ELF_WINDOW_SIZE 4096U
#define ELF_WINDOWS 16U

struct elf_window {
	uint64_t offset;
	size_t len;
	const uint8_t *data; /* the libelf handle's */
};

struct elf_load {
	uint64_t vaddr;
	uint64_t offset;
	uint64_t size; /* bytes of it that are in the file */
};

struct elf_bytes {
	Elf *elf;
	int fd;
	GElf_Ehdr ehdr;
	uint64_t size;
	uint64_t needs;
	struct elf_window windows[ELF_WINDOWS];
	size_t n_windows; /* ever read */
	size_t n_looks;
	struct elf_load *loads;
	size_t n_loads;
};

/* Reads the header only. `*ret_elf` says whether there is one; with ELF_BAD, b->ehdr is as good as
 * it got. */
int elf_bytes_open(struct elf_bytes *b, int fd, bool *ret_elf) _must_check_ _nonnull_all_;
void elf_bytes_done(struct elf_bytes *b) _nonnull_all_;

static inline bool elf_bytes_is_64(const struct elf_bytes *b)
{
	return b->ehdr.e_ident[EI_CLASS] == ELFCLASS64;
}

/* Is [offset, offset + len) inside the file? 0 or ELF_BAD. */
int elf_bytes_check(struct elf_bytes *b, uint64_t offset, uint64_t len) _must_check_ _nonnull_all_;
/* Copies a range as it is. */
int elf_bytes_copy(struct elf_bytes *b, uint64_t offset, void *ret, size_t len)
	_must_check_ _nonnull_all_;
/* A text that ends with NUL before `end`, at most `max` bytes. */
int elf_bytes_text(struct elf_bytes *b, uint64_t offset, uint64_t end, size_t max, char **ret)
	_must_check_ _nonnull_all_;

int elf_bytes_word(struct elf_bytes *b, uint64_t offset, size_t width, uint64_t *ret)
	_must_check_ _nonnull_all_;
int elf_bytes_phdr(struct elf_bytes *b, size_t i, GElf_Phdr *ret) _must_check_ _nonnull_all_;
int elf_bytes_shdr(struct elf_bytes *b, size_t i, GElf_Shdr *ret) _must_check_ _nonnull_all_;
int elf_bytes_dyn(struct elf_bytes *b, uint64_t offset, GElf_Dyn *ret) _must_check_ _nonnull_all_;
int elf_bytes_sym(struct elf_bytes *b, uint64_t offset, GElf_Sym *ret) _must_check_ _nonnull_all_;
int elf_bytes_nhdr(struct elf_bytes *b, uint64_t offset, GElf_Nhdr *ret) _must_check_ _nonnull_all_;

/* Where in the file the loader would find an address, and how many bytes of the file follow there
 * in the same segment. Needs b->loads. */
int elf_bytes_find(struct elf_bytes *b, uint64_t vaddr, uint64_t *ret_offset, uint64_t *ret_room)
	_must_check_ _nonnull_all_;
/* The tables that PT_DYNAMIC names: places in the file, and the bytes that follow there. */
struct elf_tables {
	bool has_gnu_hash, has_hash, has_symbols, has_strings, has_strings_size, has_versions;
	uint64_t gnu_hash, hash, symbols, strings, versions;
	uint64_t gnu_hash_room, hash_room, symbols_room, strings_size, versions_room;
};

/* Does the loader find a function of this name that is defined here? (elf_symbol.c) */
int elf_symbol_find(struct elf_bytes *b, const struct elf_tables *d, const char *name, bool *ret)
	_must_check_ _nonnull_all_;
/* The notes of a range, into *f. What is broken in them ends the range. 0 or -errno. (elf_note.c)
 */
int elf_note_read(struct elf_bytes *b, uint64_t offset, uint64_t len, uint64_t align,
		  struct elf_facts *f) _must_check_ _nonnull_all_;

#define _cleanup_elf_bytes_ _cleanup_(elf_bytes_done)
