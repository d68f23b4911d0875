/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/elf_bytes.h"

#include <string.h>

#define ELF_SYMBOL_MAX 64U
/* Of an entry of DT_VERSYM: the bit that is set where NAME@VERSION is not the default, which is
 * NAME@@VERSION; and the number, of which 0 and 1 mean no version. */
#define VERSION_HIDDEN 0x8000U
#define VERSION_FIRST 2U

/* Who asks for a name without a version, as dlsym(3) does, gets the default one and no other. */
static bool symbol_is_default(struct elf_bytes *b, struct elf_place versions, uint64_t i)
{
	uint64_t version = versions.room > 0 ? elf_place_word(b, versions, i * 2, 2) : 0;

	return !(version & VERSION_HIDDEN) || (version & ~(uint64_t)VERSION_HIDDEN) < VERSION_FIRST;
}

/* Would the loader resolve `name` to this symbol, and is it a function? */
static bool symbol_is(struct elf_bytes *b, const struct elf_place *tables, uint64_t i,
		      const char *name)
{
	const struct elf_place *strings = &tables[ELF_STRINGS], *symbols = &tables[ELF_SYMBOLS];
	uint64_t at = symbols->at + i * ELF_SIZE(b, Sym), text_at, section, value;
	char text[ELF_SYMBOL_MAX];
	size_t len = strlen(name) + 1;
	unsigned int type, bind;

	if (i >= symbols->room / ELF_SIZE(b, Sym))
		elf_bytes_fail(b, ELF_BAD);
	text_at = ELF_FIELD(b, at, Sym, st_name);
	section = ELF_FIELD(b, at, Sym, st_shndx);
	value = ELF_FIELD(b, at, Sym, st_value);
	type = ELF64_ST_TYPE(ELF_FIELD(b, at, Sym, st_info));
	bind = ELF64_ST_BIND(ELF_FIELD(b, at, Sym, st_info));
	if (text_at >= strings->room)
		elf_bytes_fail(b, ELF_BAD);
	return !b->failed && strings->room - text_at >= len &&
	       elf_bytes_copy(b, strings->at + text_at, text, len) &&
	       memcmp(text, name, len) == 0 && section != SHN_UNDEF &&
	       (value != 0 || section == SHN_ABS) && (type == STT_FUNC || type == STT_GNU_IFUNC) &&
	       (bind == STB_GLOBAL || bind == STB_WEAK || bind == STB_GNU_UNIQUE) &&
	       symbol_is_default(b, tables[ELF_VERSIONS], i);
}

/* The loader asks the Bloom filter first, so what is not in it does not exist. */
static bool gnu_filter_has(struct elf_bytes *b, struct elf_place table, uint64_t n_words,
			   uint32_t hash)
{
	size_t width = b->is_64 ? 8 : 4;
	unsigned int bits = (unsigned int)width * 8;
	uint64_t shift = elf_place_word(b, table, 12, 4) & 31;
	uint64_t at = 16 + ((hash / bits) & (n_words - 1)) * width;
	uint64_t word = elf_place_word(b, table, at, width);

	return (word >> (hash % bits)) & (word >> ((hash >> shift) % bits)) & 1;
}

static bool find_by_gnu_hash(struct elf_bytes *b, const struct elf_place *tables, const char *name)
{
	struct elf_place table = tables[ELF_GNU_HASH];
	uint64_t n_buckets = elf_place_word(b, table, 0, 4), first = elf_place_word(b, table, 4, 4),
		 n_words = elf_place_word(b, table, 8, 4), buckets, chains, i, h;
	uint32_t hash = 5381;

	for (const char *c = name; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	/* The loader masks with n_words - 1 and stops dead if that is no mask. */
	if (n_words == 0 || (n_words & (n_words - 1)) != 0)
		elf_bytes_fail(b, ELF_BAD);
	if (n_buckets == 0 || !gnu_filter_has(b, table, n_words, hash))
		return false;
	buckets = 16 + n_words * (b->is_64 ? 8 : 4);
	chains = buckets + n_buckets * 4;
	i = elf_place_word(b, table, buckets + hash % n_buckets * 4, 4);
	if (i == 0)
		return false;
	if (i < first)
		elf_bytes_fail(b, ELF_BAD);
	/* Ends at a set low bit, or at the segment's end: bounded. */
	do {
		h = elf_place_word(b, table, chains + (i - first) * 4, 4);
		if ((h | 1) == (hash | 1) && symbol_is(b, tables, i, name))
			return true;
		i++;
	} while (!b->failed && !(h & 1));
	return false;
}

static bool find_by_hash(struct elf_bytes *b, const struct elf_place *tables, const char *name)
{
	struct elf_place table = tables[ELF_HASH];
	uint64_t machine = ELF_FIELD(b, 0, Ehdr, e_machine), n_buckets, n_chains, i;
	size_t width = b->is_64 && (machine == EM_ALPHA || machine == EM_S390) ? 8 : 4;
	uint32_t hash = 0;

	for (const char *c = name; *c; c++) {
		hash = (hash << 4) + (unsigned char)*c;
		hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
	}
	n_buckets = elf_place_word(b, table, 0, width);
	n_chains = elf_place_word(b, table, width, width);
	if (n_buckets > table.room / width || n_chains > table.room / width)
		elf_bytes_fail(b, ELF_BAD);
	if (b->failed || n_buckets == 0)
		return false;
	i = elf_place_word(b, table, (2 + hash % n_buckets) * width, width);
	/* A chain longer than the table is a circle. */
	for (uint64_t steps = 0; i != 0; steps++) {
		if (steps >= n_chains || i >= n_chains)
			elf_bytes_fail(b, ELF_BAD);
		if (symbol_is(b, tables, i, name))
			return true;
		i = elf_place_word(b, table, (2 + n_buckets + i) * width, width);
	}
	return false;
}

bool elf_symbol_find(struct elf_bytes *b, const struct elf_place *tables, const char *name)
{
	if (b->failed || tables[ELF_SYMBOLS].room == 0 || strlen(name) >= ELF_SYMBOL_MAX)
		return false;
	if (tables[ELF_GNU_HASH].room > 0)
		return find_by_gnu_hash(b, tables, name);
	return tables[ELF_HASH].room > 0 && find_by_hash(b, tables, name);
}
