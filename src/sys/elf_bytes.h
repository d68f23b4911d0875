/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bytes of one ELF file: ranges that are checked against the file's length and read through a few
 * small windows, numbers in either byte order, records of either class. Private to sys/elf.
 *
 * The first failure stays in b->failed: ELF_BAD (the file cannot be right: `needs` may say how long
 * it would have to be), or -errno (it could not be read). From then on every call does nothing and
 * gives zero, false or NULL; only loops have to look.
 *
 * Knows: elf(5). Must not know: what is looked for. Owns: nothing; not the descriptor either. */

#include "base/macro.h"
#include <elf.h>
#include <stdbool.h>
#include <stdint.h>

struct elf_facts;

#define ELF_BAD 1

#define ELF_TEXT_MAX 4096U
#define ELF_WINDOW_SIZE 4096U
#define ELF_WINDOWS 4U

struct elf_window {
	uint64_t start;
	size_t len;
	uint8_t data[ELF_WINDOW_SIZE];
};

struct elf_bytes {
	int fd;
	int failed;
	bool is_64, is_big;
	uint64_t size, needs;
	uint64_t phdrs, n_phdrs; /* set by sys/elf, once they are known to be inside */
	size_t n_reads, n_looks;
	struct elf_window windows[ELF_WINDOWS];
};

/* A part of the file; none if it has no room. */
struct elf_place {
	uint64_t at, room;
};

/* Is it an ELF file, by its first bytes? */
bool elf_bytes_open(struct elf_bytes *b, int fd) _nonnull_all_;
void elf_bytes_fail(struct elf_bytes *b, int error) _nonnull_all_;

/* Is [offset, offset + len) inside the file? If not, `needs` grows, but nothing has failed yet. */
bool elf_bytes_fits(struct elf_bytes *b, uint64_t offset, uint64_t len) _nonnull_all_;
/* Copies a range as it is. */
bool elf_bytes_copy(struct elf_bytes *b, uint64_t offset, void *ret, size_t len) _nonnull_all_;
/* A text at `at` in a place; it must end with NUL there, and be shorter than ELF_TEXT_MAX. */
char *elf_bytes_text(struct elf_bytes *b, struct elf_place p, uint64_t at) _nonnull_all_;
uint64_t elf_bytes_word(struct elf_bytes *b, uint64_t offset, size_t width) _nonnull_all_;
/* A number at `at` in a place; one that is not all inside is a failure. */
uint64_t elf_place_word(struct elf_bytes *b, struct elf_place p, uint64_t at, size_t width)
	_nonnull_all_;

/* The field `name` of the record Elf32_/Elf64_`type` that begins at an offset; a record's size. */
#define ELF_FIELD(b, offset, type, name) \
	((b)->is_64 ? elf_bytes_word(b, (offset) + offsetof(Elf64_##type, name), \
				     sizeof(((Elf64_##type *)NULL)->name)) \
		    : elf_bytes_word(b, (offset) + offsetof(Elf32_##type, name), \
				     sizeof(((Elf32_##type *)NULL)->name)))
#define ELF_SIZE(b, type) ((b)->is_64 ? sizeof(Elf64_##type) : sizeof(Elf32_##type))

/* The tables that PT_DYNAMIC names. */
enum elf_table {
	ELF_STRINGS,
	ELF_SYMBOLS,
	ELF_GNU_HASH,
	ELF_HASH,
	ELF_VERSIONS,
	ELF_TABLE_MAX,
};

/* Does the loader find a function of this name that is defined here? (elf_symbol.c) */
bool elf_symbol_find(struct elf_bytes *b, const struct elf_place *tables, const char *name)
	_nonnull_all_;
/* The notes of a place, into *f. What is broken in them ends it, and is no failure. (elf_note.c) */
void elf_note_read(struct elf_bytes *b, struct elf_place p, uint64_t align, struct elf_facts *f)
	_nonnull_all_;
