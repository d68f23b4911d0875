/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/elf.h"

#include "base/str.h"
#include "sys/elf_bytes.h"

#define ENTRY_MODULE "module_entrypoint"
#define ENTRY_TRANSPORT "deserialize_transport"

#define NEEDED_MAX 1024U
#define SECTIONS_MAX 4096U

/* What is taken from PT_DYNAMIC: where its tables are, and what else. */
enum {
	DYN_STRINGS_SIZE = ELF_TABLE_MAX,
	DYN_FLAGS_1,
	DYN_RPATH,
	DYN_RUNPATH,
	DYN_MAX,
};

static const uint64_t tags[DYN_MAX] = {
	[ELF_STRINGS] = DT_STRTAB,  [ELF_SYMBOLS] = DT_SYMTAB,  [ELF_GNU_HASH] = DT_GNU_HASH,
	[ELF_HASH] = DT_HASH,       [ELF_VERSIONS] = DT_VERSYM, [DYN_STRINGS_SIZE] = DT_STRSZ,
	[DYN_FLAGS_1] = DT_FLAGS_1, [DYN_RPATH] = DT_RPATH,     [DYN_RUNPATH] = DT_RUNPATH,
};

struct dynamic {
	bool found;
	struct elf_place place; /* of all that stands before DT_NULL */
	bool there[DYN_MAX];
	uint64_t value[DYN_MAX];
	size_t n_needed;
	struct elf_place tables[ELF_TABLE_MAX];
};

static uint64_t phdr_at(const struct elf_bytes *b, uint64_t i)
{
	return b->phdrs + i * ELF_SIZE(b, Phdr);
}

/* What the file says it is for is told even if nothing else of it can be. Is it an ELF file? */
static bool read_header(struct elf_bytes *b, struct elf_facts *f)
{
	f->class = b->is_64 ? ELFCLASS64 : ELFCLASS32;
	f->data = b->is_big ? ELFDATA2MSB : ELFDATA2LSB;
	f->machine = (uint16_t)ELF_FIELD(b, 0, Ehdr, e_machine);
	if (!elf_bytes_fits(b, 0, ELF_SIZE(b, Ehdr)))
		elf_bytes_fail(b, ELF_BAD);
	return b->failed || ELF_FIELD(b, 0, Ehdr, e_version) == EV_CURRENT;
}

static bool load_is_odd(struct elf_bytes *b, uint64_t at)
{
	uint64_t vaddr = ELF_FIELD(b, at, Phdr, p_vaddr),
		 in_memory = ELF_FIELD(b, at, Phdr, p_memsz),
		 align = ELF_FIELD(b, at, Phdr, p_align);

	return in_memory < ELF_FIELD(b, at, Phdr, p_filesz) || vaddr + in_memory < vaddr ||
	       (align & (align - 1)) != 0 ||
	       (align > 1 && ((vaddr - ELF_FIELD(b, at, Phdr, p_offset)) & (align - 1)) != 0);
}

/* The whole table must be there before any of it is believed. Goes through all segments, so that
 * `needs` becomes the length of the whole file. */
static void check_segments(struct elf_bytes *b)
{
	uint64_t at = ELF_FIELD(b, 0, Ehdr, e_phoff), n = ELF_FIELD(b, 0, Ehdr, e_phnum),
		 size = ELF_FIELD(b, 0, Ehdr, e_phentsize);
	bool bad = n > 0 && (n == PN_XNUM || size != ELF_SIZE(b, Phdr));

	if (bad || !elf_bytes_fits(b, at, n * size)) {
		elf_bytes_fail(b, ELF_BAD);
		return;
	}
	b->phdrs = at;
	b->n_phdrs = n;
	for (uint64_t i = 0; i < n && !b->failed; i++) {
		uint64_t type;

		at = phdr_at(b, i);
		type = ELF_FIELD(b, at, Phdr, p_type);
		/* Does the loader, or do we, need what this segment has in the file? */
		if ((type == PT_LOAD || type == PT_DYNAMIC || type == PT_NOTE ||
		     type == PT_INTERP) &&
		    !elf_bytes_fits(b, ELF_FIELD(b, at, Phdr, p_offset),
				    ELF_FIELD(b, at, Phdr, p_filesz)))
			bad = true;
		if (type == PT_LOAD && load_is_odd(b, at))
			bad = true;
	}
	if (bad)
		elf_bytes_fail(b, ELF_BAD);
}

/* Where in the file the loader would find an address, and what follows there in the segment. */
static struct elf_place find(struct elf_bytes *b, uint64_t vaddr)
{
	for (uint64_t i = 0; i < b->n_phdrs && !b->failed; i++) {
		uint64_t at = phdr_at(b, i), in = vaddr - ELF_FIELD(b, at, Phdr, p_vaddr),
			 size = ELF_FIELD(b, at, Phdr, p_filesz);

		if (ELF_FIELD(b, at, Phdr, p_type) == PT_LOAD && in < size)
			return (struct elf_place){ELF_FIELD(b, at, Phdr, p_offset) + in, size - in};
	}
	elf_bytes_fail(b, ELF_BAD);
	return (struct elf_place){0};
}

/* The string table is checked whole: every name in it is then inside the file. */
static void find_tables(struct elf_bytes *b, struct dynamic *d)
{
	struct elf_place *strings = &d->tables[ELF_STRINGS];

	for (size_t i = 0; i < ELF_TABLE_MAX; i++)
		if (d->there[i])
			d->tables[i] = find(b, d->value[i]);
	if (b->failed)
		return;
	strings->room = d->value[DYN_STRINGS_SIZE];
	if (d->there[ELF_STRINGS] && d->there[DYN_STRINGS_SIZE]
		    ? !elf_bytes_fits(b, strings->at, strings->room)
		    : d->n_needed > 0 || d->there[DYN_RPATH] || d->there[DYN_RUNPATH] ||
			      d->there[ELF_SYMBOLS])
		elf_bytes_fail(b, ELF_BAD);
}

/* The loader finds the table by its address, and reads on until DT_NULL: a table without one cannot
 * be right. Of a tag given twice the last one counts. */
static void read_dynamic(struct elf_bytes *b, uint64_t phdr, struct dynamic *d)
{
	struct elf_place p = find(b, ELF_FIELD(b, phdr, Phdr, p_vaddr));
	size_t width = b->is_64 ? 8 : 4;

	d->found = true;
	p.room = MIN(p.room, ELF_FIELD(b, phdr, Phdr, p_filesz));
	for (d->place.at = p.at;; d->place.room += 2 * width) {
		uint64_t tag = elf_place_word(b, p, d->place.room, width),
			 value = elf_place_word(b, p, d->place.room + width, width);

		if (b->failed || tag == DT_NULL)
			break;
		for (size_t i = 0; i < DYN_MAX; i++)
			if (tag == tags[i]) {
				d->there[i] = true;
				d->value[i] = value;
			}
		if (tag == DT_NEEDED && ++d->n_needed > NEEDED_MAX)
			elf_bytes_fail(b, ELF_BAD);
	}
	find_tables(b, d);
}

static void read_needed(struct elf_bytes *b, const struct dynamic *d, struct elf_facts *f)
{
	const struct elf_place *strings = &d->tables[ELF_STRINGS];
	size_t width = b->is_64 ? 8 : 4;
	/* A run path makes the loader ignore the other one. */
	int search = d->there[DYN_RUNPATH] ? DYN_RUNPATH : DYN_RPATH;

	for (uint64_t at = 0; at < d->place.room && !b->failed; at += 2 * width) {
		_cleanup_free_ char *name = NULL;

		if (elf_place_word(b, d->place, at, width) != DT_NEEDED)
			continue;
		name = elf_bytes_text(b, *strings, elf_place_word(b, d->place, at + width, width));
		if (name)
			elf_bytes_fail(b, strv_add(&f->needed, name));
	}
	f->searches = d->there[search];
	if (f->searches)
		f->search_path = elf_bytes_text(b, *strings, d->value[search]);
}

static enum elf_object judge_object(struct elf_bytes *b, const struct dynamic *d)
{
	uint64_t abi = elf_bytes_word(b, EI_OSABI, 1);

	if (ELF_FIELD(b, 0, Ehdr, e_type) != ET_DYN)
		return ELF_OBJECT_NOT_DYN;
	if (abi != ELFOSABI_SYSV && abi != ELFOSABI_GNU)
		return ELF_OBJECT_FOREIGN_ABI;
	if (!d->found)
		return ELF_OBJECT_NO_DYNAMIC;
	if (d->value[DYN_FLAGS_1] & DF_1_PIE)
		return ELF_OBJECT_PIE;
	return d->value[DYN_FLAGS_1] & DF_1_NOOPEN ? ELF_OBJECT_NOOPEN : ELF_OBJECT_SHARED;
}

static void read_segments(struct elf_bytes *b, struct elf_facts *f)
{
	struct dynamic d = {0};

	for (uint64_t i = 0; i < b->n_phdrs && !b->failed; i++) {
		uint64_t at = phdr_at(b, i), type = ELF_FIELD(b, at, Phdr, p_type);
		struct elf_place p = {ELF_FIELD(b, at, Phdr, p_offset),
				      ELF_FIELD(b, at, Phdr, p_filesz)};

		if ((type == PT_INTERP && f->interpreter) || (type == PT_DYNAMIC && d.found))
			elf_bytes_fail(b, ELF_BAD);
		else if (type == PT_NOTE)
			elf_note_read(b, p, ELF_FIELD(b, at, Phdr, p_align), f);
		else if (type == PT_INTERP)
			f->interpreter = elf_bytes_text(b, p, 0);
		else if (type == PT_DYNAMIC)
			read_dynamic(b, at, &d);
	}
	f->object = judge_object(b, &d);
	if (elf_symbol_find(b, d.tables, ENTRY_MODULE))
		f->entry = ELF_ENTRY_MODULE;
	else if (elf_symbol_find(b, d.tables, ENTRY_TRANSPORT))
		f->entry = ELF_ENTRY_TRANSPORT;
	read_needed(b, &d, f);
}

/* A note that no segment covers (objcopy --add-section) is found here only. Nothing in the section
 * headers can make a file bad: the loader does not read them. */
static void read_sections(struct elf_bytes *b, struct elf_facts *f)
{
	uint64_t at = ELF_FIELD(b, 0, Ehdr, e_shoff), n = ELF_FIELD(b, 0, Ehdr, e_shnum);

	if (at == 0 || ELF_FIELD(b, 0, Ehdr, e_shentsize) != ELF_SIZE(b, Shdr) || n > SECTIONS_MAX)
		return;
	for (; n > 0 && !b->failed; n--, at += ELF_SIZE(b, Shdr)) {
		struct elf_place p = {ELF_FIELD(b, at, Shdr, sh_offset),
				      ELF_FIELD(b, at, Shdr, sh_size)};

		if (ELF_FIELD(b, at, Shdr, sh_type) == SHT_NOTE && elf_bytes_fits(b, p.at, p.room))
			elf_note_read(b, p, ELF_FIELD(b, at, Shdr, sh_addralign), f);
	}
	if (b->failed == ELF_BAD)
		b->failed = 0;
}

int elf_read(int fd, struct elf_facts *ret)
{
	_cleanup_(elf_facts_done) struct elf_facts f = {.object = ELF_OBJECT_NOT_DYN};
	struct elf_bytes b;
	bool is_elf = elf_bytes_open(&b, fd) && read_header(&b, &f);

	if (is_elf) {
		check_segments(&b);
		read_segments(&b, &f);
		if (!b.failed && !f.note_version && !f.note_malformed)
			read_sections(&b, &f);
	}
	if (b.failed < 0)
		return b.failed;
	f.form = !is_elf ? ELF_FORM_NOT_ELF : b.failed ? ELF_FORM_TRUNCATED : ELF_FORM_FINE;
	f.needs = f.form == ELF_FORM_TRUNCATED ? b.needs : 0;
	*ret = f;
	f = (struct elf_facts){0};
	return 0;
}
