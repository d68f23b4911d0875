/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/elf.h"

#include "core/version.h"
#include "sys/elf_bytes.h"
#include <string.h>

#define PACKAGE_NOTE_OWNER "FDO"
#define PACKAGE_NOTE_TYPE 0xcafe1a7eU
#define PACKAGE_NOTE_MAX 4096U
#define BUILD_ID_MAX 64U
#define OWNER_ROOM 8U

/* The description of a note, as far as it is looked at: `len` is its whole length, `text` has at
 * most PACKAGE_NOTE_MAX bytes of it, and a NUL behind them. */
struct description {
	char *text;
	size_t len;
};

/* A second note that says something else leaves nothing that could be believed. */
static int take_version(struct elf_facts *f, struct description d)
{
	bool second = f->note_version || f->note_malformed;

	if (d.len > 0 && d.len <= ELF_NOTE_MAX + 1 && d.text[d.len - 1] == '\0')
		d.len--;
	if (d.len > ELF_NOTE_MAX || !version_is_valid_len(d.text, d.len)) {
		f->note_malformed = true;
		return 0;
	}
	d.text[d.len] = '\0';
	if (!second) {
		f->note_version = strdup(d.text);
		return f->note_version ? 0 : -ENOMEM;
	}
	if (!f->note_version || strcmp(f->note_version, d.text) != 0) {
		f->note_malformed = true;
		free(TAKE_PTR(f->note_version));
	}
	return 0;
}

static int take_build_id(struct elf_facts *f, struct description d)
{
	if (f->build_id || d.len == 0 || d.len > BUILD_ID_MAX)
		return 0;
	f->build_id = malloc(d.len * 2 + 1);
	if (!f->build_id)
		return -ENOMEM;
	for (size_t i = 0; i < d.len; i++)
		(void)snprintf(f->build_id + i * 2, 3, "%02x", (unsigned char)d.text[i]);
	return 0;
}

static int take_package(struct elf_facts *f, struct description d)
{
	if (f->package_note || d.len == 0)
		return 0;
	f->package_note = strdup(d.text);
	return f->package_note ? 0 : -ENOMEM;
}

static const struct note {
	const char *owner;
	uint32_t type;
	int (*take)(struct elf_facts *f, struct description d);
} notes[] = {
	{ELF_NOTE_OWNER, ELF_NOTE_TYPE, take_version},
	{ELF_NOTE_GNU, NT_GNU_BUILD_ID, take_build_id},
	{PACKAGE_NOTE_OWNER, PACKAGE_NOTE_TYPE, take_package},
};

static const struct note *find_note(const char *owner, uint64_t len, uint64_t type)
{
	for (size_t i = 0; i < ELEMENTSOF(notes); i++)
		if (notes[i].type == type && strlen(notes[i].owner) + 1 == len &&
		    memcmp(notes[i].owner, owner, len) == 0)
			return &notes[i];
	return NULL;
}

/* One note of a place. Returns the distance to the one behind it. */
static uint64_t read_note(struct elf_bytes *b, struct elf_place p, uint64_t align,
			  struct elf_facts *f)
{
	char owner[OWNER_ROOM] = "", text[PACKAGE_NOTE_MAX + 1];
	uint64_t owner_len = elf_place_word(b, p, 0, 4), len = elf_place_word(b, p, 4, 4),
		 type = elf_place_word(b, p, 8, 4), desc, end;
	const struct note *note;
	size_t head = sizeof(Elf64_Nhdr), n = MIN(len, PACKAGE_NOTE_MAX);

	/* The sizes are 32 bits wide, so none of these sums overflows. */
	desc = (head + owner_len + align - 1) & ~(align - 1);
	end = desc + len;
	if (owner_len <= sizeof(owner) && head + owner_len <= p.room)
		(void)elf_bytes_copy(b, p.at + head, owner, owner_len);
	note = find_note(owner, owner_len, type);
	if (end > p.room) {
		if (!b->failed && note && note->take == take_version)
			f->note_malformed = true;
		elf_bytes_fail(b, ELF_BAD);
	}
	if (note && elf_bytes_copy(b, p.at + desc, text, n)) {
		text[n] = '\0';
		elf_bytes_fail(b, note->take(f, (struct description){text, len}));
	}
	return (end + align - 1) & ~(align - 1);
}

void elf_note_read(struct elf_bytes *b, struct elf_place p, uint64_t align, struct elf_facts *f)
{
	align = align == 8 ? 8 : 4;
	while (p.room > 0 && !b->failed) {
		uint64_t next = MIN(read_note(b, p, align, f), p.room);

		p.at += next;
		p.room -= next;
	}
	if (b->failed == ELF_BAD)
		b->failed = 0;
}
