/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/elf_bytes.h"

#include <string.h>

#define ELF_SYMBOL_MAX 64U
/* Of an entry of DT_VERSYM: the bit that is set where NAME@VERSION is not the default, which is
 * NAME@@VERSION; and the number, of which 0 and 1 mean no version. */
#define VERSION_HIDDEN 0x8000U
#define VERSION_FIRST 2U

/* One word of a table that has `room` bytes in its segment. */
static int table_word(struct elf_bytes *b, uint64_t table, uint64_t room, uint64_t at, size_t width,
		      uint64_t *ret)
{
	return at > room || room - at < width ? ELF_BAD : elf_bytes_word(b, table + at, width, ret);
}

/* Who asks for a name without a version, as dlsym(3) does, gets the default one and no other. */
static int symbol_is_default(struct elf_bytes *b, const struct elf_tables *d, uint64_t i, bool *ret)
{
	uint64_t version = 0;
	int r = 0;

	if (d->has_versions)
		r = table_word(b, d->versions, d->versions_room, i * 2, 2, &version);
	*ret = r == 0 && (!(version & VERSION_HIDDEN) ||
			  (version & ~(uint64_t)VERSION_HIDDEN) < VERSION_FIRST);
	return r;
}

/* Would the loader resolve `name` to this symbol, and is it a function? */
static int symbol_is(struct elf_bytes *b, const struct elf_tables *d, uint64_t i, const char *name,
		     bool *ret)
{
	size_t step = elf_bytes_is_64(b) ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
	char text[ELF_SYMBOL_MAX];
	size_t len = strlen(name) + 1;
	GElf_Sym s;
	int r;

	*ret = false;
	if (i >= d->symbols_room / step)
		return ELF_BAD;
	r = elf_bytes_sym(b, d->symbols + i * step, &s);
	if (r != 0)
		return r;
	if (s.st_name >= d->strings_size)
		return ELF_BAD;
	if (d->strings_size - s.st_name < len)
		return 0;
	r = elf_bytes_copy(b, d->strings + s.st_name, text, len);
	if (r != 0)
		return r;
	*ret = memcmp(text, name, len) == 0 && s.st_shndx != SHN_UNDEF &&
	       (s.st_value != 0 || s.st_shndx == SHN_ABS) &&
	       (GELF_ST_TYPE(s.st_info) == STT_FUNC || GELF_ST_TYPE(s.st_info) == STT_GNU_IFUNC) &&
	       (GELF_ST_BIND(s.st_info) == STB_GLOBAL || GELF_ST_BIND(s.st_info) == STB_WEAK ||
		GELF_ST_BIND(s.st_info) == STB_GNU_UNIQUE);
	return *ret ? symbol_is_default(b, d, i, ret) : 0;
}

struct gnu_table {
	uint64_t n_buckets, first_symbol, n_words, shift;
	uint64_t buckets, chains; /* from the table's start */
};

static int gnu_table_read(struct elf_bytes *b, const struct elf_tables *d, struct gnu_table *t)
{
	uint64_t *const fields[] = {&t->n_buckets, &t->first_symbol, &t->n_words, &t->shift};

	for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
		int r = table_word(b, d->gnu_hash, d->gnu_hash_room, i * 4, 4, fields[i]);

		if (r != 0)
			return r;
	}
	t->buckets = 16 + t->n_words * (elf_bytes_is_64(b) ? 8 : 4);
	t->chains = t->buckets + t->n_buckets * 4;
	/* The loader masks with n_words - 1 and stops dead if that is no mask. */
	return t->n_words == 0 || (t->n_words & (t->n_words - 1)) != 0 ? ELF_BAD : 0;
}

/* The loader asks the Bloom filter first, so what is not in it does not exist. */
static int gnu_filter_has(struct elf_bytes *b, const struct elf_tables *d,
			  const struct gnu_table *t, uint32_t hash, bool *ret)
{
	size_t width = elf_bytes_is_64(b) ? 8 : 4;
	unsigned int bits = (unsigned int)width * 8;
	uint64_t word, at = 16 + ((hash / bits) & (t->n_words - 1)) * width;
	int r = table_word(b, d->gnu_hash, d->gnu_hash_room, at, width, &word);

	if (r == 0)
		*ret = (word >> (hash % bits)) & (word >> ((hash >> (t->shift & 31)) % bits)) & 1;
	return r;
}

static int find_by_gnu_hash(struct elf_bytes *b, const struct elf_tables *d, const char *name,
			    bool *ret)
{
	struct gnu_table t = {0};
	uint32_t hash = 5381;
	uint64_t i, h;
	bool maybe = false;
	int r = gnu_table_read(b, d, &t);

	for (const char *c = name; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	if (r == 0 && t.n_buckets > 0)
		r = gnu_filter_has(b, d, &t, hash, &maybe);
	if (r != 0 || !maybe)
		return r;
	r = table_word(b, d->gnu_hash, d->gnu_hash_room, t.buckets + hash % t.n_buckets * 4, 4, &i);
	if (r != 0 || i == 0)
		return r;
	if (i < t.first_symbol)
		return ELF_BAD;
	/* Ends at a set low bit, or at the segment's end: bounded. */
	for (;; i++) {
		r = table_word(b, d->gnu_hash, d->gnu_hash_room,
			       t.chains + (i - t.first_symbol) * 4, 4, &h);
		if (r == 0 && (h | 1) == (hash | 1))
			r = symbol_is(b, d, i, name, ret);
		if (r != 0 || *ret || (h & 1))
			return r;
	}
}

static int find_by_hash(struct elf_bytes *b, const struct elf_tables *d, const char *name,
			bool *ret)
{
	bool wide = elf_bytes_is_64(b) &&
		    (b->ehdr.e_machine == EM_ALPHA || b->ehdr.e_machine == EM_S390);
	size_t width = wide ? 8 : 4;
	uint64_t n_buckets, n_chains, i;
	uint32_t hash = 0;
	int r = table_word(b, d->hash, d->hash_room, 0, width, &n_buckets);

	for (const char *c = name; *c; c++) {
		hash = (hash << 4) + (unsigned char)*c;
		hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
	}
	if (r == 0)
		r = table_word(b, d->hash, d->hash_room, width, width, &n_chains);
	if (r != 0 || n_buckets == 0)
		return r;
	if (n_buckets > d->hash_room / width || n_chains > d->hash_room / width)
		return ELF_BAD;
	r = table_word(b, d->hash, d->hash_room, (2 + hash % n_buckets) * width, width, &i);
	/* A chain longer than the table is a circle. */
	for (uint64_t steps = 0; r == 0 && i != 0; steps++) {
		if (steps >= n_chains || i >= n_chains)
			return ELF_BAD;
		r = symbol_is(b, d, i, name, ret);
		if (r != 0 || *ret)
			return r;
		r = table_word(b, d->hash, d->hash_room, (2 + n_buckets + i) * width, width, &i);
	}
	return r;
}

int elf_symbol_find(struct elf_bytes *b, const struct elf_tables *d, const char *name, bool *ret)
{
	*ret = false;
	if (!d->has_symbols || strlen(name) >= ELF_SYMBOL_MAX)
		return 0;
	if (d->has_gnu_hash)
		return find_by_gnu_hash(b, d, name, ret);
	return d->has_hash ? find_by_hash(b, d, name, ret) : 0;
}
