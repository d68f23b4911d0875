/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/elf.h"

#include "base/str.h"
#include "sys/elf_bytes.h"
#include <string.h>

#define ENTRY_MODULE "module_entrypoint"
#define ENTRY_TRANSPORT "deserialize_transport"

#define TEXT_MAX 4096U
#define NEEDED_MAX 1024U
#define SECTIONS_MAX 4096U

#define _cleanup_elf_facts_ _cleanup_(elf_facts_done)

/* What PT_DYNAMIC says, as the loader sees it: of a tag given twice the last one counts. */
struct dynamic {
	bool there;
	struct elf_tables tables;
	uint64_t flags_1;
	uint64_t *needed; /* places in the string table */
	size_t n_needed;
	uint64_t search; /* likewise, if the file has a search path */
	int64_t search_tag;
};

static void dynamic_done(struct dynamic *d)
{
	free(d->needed);
}

int elf_start(void)
{
	return elf_version(EV_CURRENT) == EV_NONE ? -EINVAL : 0;
}

static bool phdrs_odd(const struct elf_bytes *b)
{
	size_t right = elf_bytes_is_64(b) ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);

	return b->ehdr.e_phnum > 0 && (b->ehdr.e_phnum == PN_XNUM || b->ehdr.e_phentsize != right);
}

/* The whole table must be there before any of it is believed. */
static int check_phdrs(struct elf_bytes *b)
{
	if (phdrs_odd(b))
		return ELF_BAD;
	return elf_bytes_check(b, b->ehdr.e_phoff, (uint64_t)b->ehdr.e_phnum * b->ehdr.e_phentsize);
}

/* Does the loader (or do we) need what this segment has in the file? */
static bool segment_is_used(const GElf_Phdr *p)
{
	return p->p_type == PT_LOAD || p->p_type == PT_DYNAMIC || p->p_type == PT_NOTE ||
	       p->p_type == PT_INTERP;
}

static bool load_is_odd(const GElf_Phdr *p)
{
	return p->p_memsz < p->p_filesz || p->p_vaddr + p->p_memsz < p->p_vaddr ||
	       (p->p_align & (p->p_align - 1)) != 0 ||
	       (p->p_align > 1 && ((p->p_vaddr - p->p_offset) & (p->p_align - 1)) != 0);
}

/* Goes through all segments, so that `needs` becomes the length of the whole file. */
static int read_loads(struct elf_bytes *b)
{
	int bad = check_phdrs(b);

	if (bad != 0 || b->ehdr.e_phnum == 0)
		return bad;
	b->loads = calloc(b->ehdr.e_phnum, sizeof(*b->loads));
	if (!b->loads)
		return -ENOMEM;
	for (size_t i = 0; i < b->ehdr.e_phnum; i++) {
		GElf_Phdr p;
		int r = elf_bytes_phdr(b, i, &p);

		if (r != 0)
			return r;
		if (segment_is_used(&p) && elf_bytes_check(b, p.p_offset, p.p_filesz) != 0)
			bad = ELF_BAD;
		if (p.p_type != PT_LOAD)
			continue;
		if (load_is_odd(&p))
			bad = ELF_BAD;
		b->loads[b->n_loads++] = (struct elf_load){
			.vaddr = p.p_vaddr, .offset = p.p_offset, .size = p.p_filesz};
	}
	return bad;
}

static int dynamic_add_needed(struct dynamic *d, uint64_t at)
{
	uint64_t *grown;

	if (d->n_needed >= NEEDED_MAX)
		return ELF_BAD;
	grown = reallocarray(d->needed, d->n_needed + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	d->needed = grown;
	d->needed[d->n_needed++] = at;
	return 0;
}

static int dynamic_take(struct elf_bytes *b, struct dynamic *d, const GElf_Dyn *dyn,
			struct elf_facts *f)
{
	uint64_t value = dyn->d_un.d_val, unused;

	/* NOLINTNEXTLINE(bugprone-branch-clone) */
	switch (dyn->d_tag) {
	case DT_NEEDED:
		return dynamic_add_needed(d, value);
	case DT_RPATH:
	case DT_RUNPATH:
		/* A run path makes the loader ignore the other one. */
		if (d->search_tag != DT_RUNPATH) {
			d->search = value;
			d->search_tag = dyn->d_tag;
		}
		f->searches = true;
		return 0;
	case DT_FLAGS_1:
		d->flags_1 = value;
		return 0;
	case DT_STRSZ:
		d->tables.has_strings_size = true;
		d->tables.strings_size = value;
		return 0;
	case DT_STRTAB:
		d->tables.has_strings = true;
		return elf_bytes_find(b, value, &d->tables.strings, &unused);
	case DT_SYMTAB:
		d->tables.has_symbols = true;
		return elf_bytes_find(b, value, &d->tables.symbols, &d->tables.symbols_room);
	case DT_GNU_HASH:
		d->tables.has_gnu_hash = true;
		return elf_bytes_find(b, value, &d->tables.gnu_hash, &d->tables.gnu_hash_room);
	case DT_VERSYM:
		d->tables.has_versions = true;
		return elf_bytes_find(b, value, &d->tables.versions, &d->tables.versions_room);
	case DT_HASH:
		d->tables.has_hash = true;
		return elf_bytes_find(b, value, &d->tables.hash, &d->tables.hash_room);
	default:
		return 0;
	}
}

/* The string table is checked whole: every name in it is then inside the file. */
static int dynamic_check_strings(struct elf_bytes *b, struct dynamic *d)
{
	if (!d->tables.has_strings || !d->tables.has_strings_size)
		return d->n_needed > 0 || d->search_tag != 0 || d->tables.has_symbols ? ELF_BAD : 0;
	return elf_bytes_check(b, d->tables.strings, d->tables.strings_size);
}

/* The loader finds the table by its address, and reads on until DT_NULL: a table without one cannot
 * be right. */
static int read_dynamic(struct elf_bytes *b, const GElf_Phdr *p, struct dynamic *d,
			struct elf_facts *f)
{
	size_t step = elf_bytes_is_64(b) ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);
	uint64_t offset, room;
	int r = elf_bytes_find(b, p->p_vaddr, &offset, &room);

	if (r != 0)
		return r;
	d->there = true;
	room = MIN(room, p->p_filesz);
	for (; room >= step; room -= step, offset += step) {
		GElf_Dyn dyn;

		r = elf_bytes_dyn(b, offset, &dyn);
		if (r == 0 && dyn.d_tag == DT_NULL)
			return dynamic_check_strings(b, d);
		if (r == 0)
			r = dynamic_take(b, d, &dyn, f);
		if (r != 0)
			return r;
	}
	return ELF_BAD;
}

static int read_segment(struct elf_bytes *b, const GElf_Phdr *p, struct dynamic *d,
			struct elf_facts *f)
{
	switch (p->p_type) {
	case PT_NOTE:
		return elf_note_read(b, p->p_offset, p->p_filesz, p->p_align, f);
	case PT_INTERP:
		if (f->interpreter)
			return ELF_BAD;
		return elf_bytes_text(b, p->p_offset, p->p_offset + p->p_filesz, TEXT_MAX,
				      &f->interpreter);
	case PT_DYNAMIC:
		return d->there ? ELF_BAD : read_dynamic(b, p, d, f);
	default:
		return 0;
	}
}

static int read_segments(struct elf_bytes *b, struct dynamic *d, struct elf_facts *f)
{
	for (size_t i = 0; i < b->ehdr.e_phnum; i++) {
		GElf_Phdr p;
		int r = elf_bytes_phdr(b, i, &p);

		if (r == 0)
			r = read_segment(b, &p, d, f);
		if (r != 0)
			return r;
	}
	return 0;
}

/* A note that no segment covers (objcopy --add-section) is found here only. Nothing in the section
 * headers can make a file bad: the loader does not read them. */
static int read_sections(struct elf_bytes *b, struct elf_facts *f)
{
	size_t right = elf_bytes_is_64(b) ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
	size_t n = b->ehdr.e_shnum;
	uint64_t needs = b->needs;

	if (b->ehdr.e_shoff == 0 || b->ehdr.e_shentsize != right || n > SECTIONS_MAX)
		return 0;
	for (size_t i = 0; i < n; i++) {
		GElf_Shdr s;
		int r = elf_bytes_shdr(b, i, &s);

		if (r == 0 && s.sh_type == SHT_NOTE &&
		    elf_bytes_check(b, s.sh_offset, s.sh_size) == 0)
			r = elf_note_read(b, s.sh_offset, s.sh_size, s.sh_addralign, f);
		if (r < 0)
			return r;
		if (r == ELF_BAD)
			break;
	}
	b->needs = needs;
	return 0;
}

static int read_entry(struct elf_bytes *b, const struct dynamic *d, struct elf_facts *f)
{
	bool module = false, transport = false;
	int r = elf_symbol_find(b, &d->tables, ENTRY_MODULE, &module);

	if (r == 0 && !module)
		r = elf_symbol_find(b, &d->tables, ENTRY_TRANSPORT, &transport);
	if (r == 0)
		f->entry = module      ? ELF_ENTRY_MODULE
			   : transport ? ELF_ENTRY_TRANSPORT
				       : ELF_ENTRY_NONE;
	return r;
}

static int read_needed(struct elf_bytes *b, const struct dynamic *d, struct elf_facts *f)
{
	for (size_t i = 0; i < d->n_needed; i++) {
		_cleanup_free_ char *name = NULL;
		int r;

		if (d->needed[i] >= d->tables.strings_size)
			return ELF_BAD;
		r = elf_bytes_text(b, d->tables.strings + d->needed[i],
				   d->tables.strings + d->tables.strings_size, TEXT_MAX, &name);
		if (r == 0)
			r = strv_add(&f->needed, name);
		if (r != 0)
			return r;
	}
	if (!f->searches)
		return 0;
	if (d->search >= d->tables.strings_size)
		return ELF_BAD;
	return elf_bytes_text(b, d->tables.strings + d->search,
			      d->tables.strings + d->tables.strings_size, TEXT_MAX,
			      &f->search_path);
}

static enum elf_object judge_object(const struct elf_bytes *b, const struct dynamic *d)
{
	unsigned char abi = b->ehdr.e_ident[EI_OSABI];

	if (b->ehdr.e_type != ET_DYN)
		return ELF_OBJECT_NOT_DYN;
	if (abi != ELFOSABI_SYSV && abi != ELFOSABI_GNU)
		return ELF_OBJECT_FOREIGN_ABI;
	if (!d->there)
		return ELF_OBJECT_NO_DYNAMIC;
	if (d->flags_1 & DF_1_PIE)
		return ELF_OBJECT_PIE;
	return d->flags_1 & DF_1_NOOPEN ? ELF_OBJECT_NOOPEN : ELF_OBJECT_SHARED;
}

static int read_rest(struct elf_bytes *b, struct elf_facts *f)
{
	_cleanup_(dynamic_done) struct dynamic d = {0};
	int r = read_loads(b);

	if (r == 0)
		r = read_segments(b, &d, f);
	f->object = judge_object(b, &d);
	if (r == 0)
		r = read_entry(b, &d, f);
	if (r == 0)
		r = read_needed(b, &d, f);
	if (r == 0 && !f->note_version && !f->note_malformed)
		r = read_sections(b, f);
	return r;
}

int elf_read(int fd, struct elf_facts *ret)
{
	_cleanup_elf_bytes_ struct elf_bytes b = {.fd = -EBADF};
	_cleanup_elf_facts_ struct elf_facts f = {.form = ELF_FORM_FINE};
	bool is_elf;
	int r = elf_bytes_open(&b, fd, &is_elf);

	if (r < 0)
		return r;
	/* What the file says it is for is told even if nothing else of it can be. */
	f.class = b.ehdr.e_ident[EI_CLASS];
	f.data = b.ehdr.e_ident[EI_DATA];
	f.machine = b.ehdr.e_machine;
	f.object = ELF_OBJECT_NOT_DYN;
	if (r == 0 && is_elf)
		r = read_rest(&b, &f);
	if (r < 0)
		return r;
	f.form = !is_elf ? ELF_FORM_NOT_ELF : r == ELF_BAD ? ELF_FORM_TRUNCATED : ELF_FORM_FINE;
	f.needs = r == ELF_BAD ? b.needs : 0;
	*ret = f;
	f = (struct elf_facts){0};
	return 0;
}
