/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/elf.h"

#include "core/version.h"
#include "sys/elf_bytes.h"
#include <string.h>

#define PACKAGE_NOTE_OWNER "FDO"
#define PACKAGE_NOTE_TYPE 0xcafe1a7eU
#define PACKAGE_NOTE_MAX 4096U
#define BUILD_ID_MAX 64U
#define NOTE_OWNER_ROOM 8U

struct note {
	char owner[NOTE_OWNER_ROOM]; /* as it is, NUL included; empty if it is longer */
	uint32_t owner_len;
	uint32_t type;
	uint64_t offset; /* of the description */
	uint64_t len;
};

static bool note_is(const struct note *n, const char *owner, uint32_t type)
{
	size_t len = strlen(owner) + 1;

	return n->type == type && n->owner_len == len && memcmp(n->owner, owner, len) == 0;
}

/* A second note that says something else leaves nothing that could be believed. */
static int take_version(struct elf_facts *f, char *text, size_t len)
{
	_cleanup_free_ char *version = NULL;

	if (len > 0 && text[len - 1] == '\0')
		len--;
	if (len > ELF_NOTE_MAX || !version_is_valid_len(text, len) ||
	    (f->note_malformed && !f->note_version)) {
		f->note_malformed = true;
		return 0;
	}
	version = strndup(text, len);
	if (!version)
		return -ENOMEM;
	if (f->note_version && strcmp(f->note_version, version) != 0) {
		f->note_malformed = true;
		free(f->note_version);
		f->note_version = NULL;
		return 0;
	}
	free(f->note_version);
	f->note_version = TAKE_PTR(version);
	return 0;
}

static int read_version(struct elf_bytes *b, const struct note *n, struct elf_facts *f)
{
	char text[ELF_NOTE_MAX + 1];
	int r;

	if (n->len > sizeof(text)) {
		f->note_malformed = true;
		return 0;
	}
	r = elf_bytes_copy(b, n->offset, text, n->len);
	return r == 0 ? take_version(f, text, n->len) : r;
}

static int read_build_id(struct elf_bytes *b, const struct note *n, struct elf_facts *f)
{
	uint8_t id[BUILD_ID_MAX];
	_cleanup_free_ char *hex = NULL;
	int r;

	if (f->build_id || n->len == 0 || n->len > sizeof(id))
		return 0;
	r = elf_bytes_copy(b, n->offset, id, n->len);
	if (r != 0)
		return r;
	hex = malloc(n->len * 2 + 1);
	if (!hex)
		return -ENOMEM;
	for (size_t i = 0; i < n->len; i++)
		(void)snprintf(hex + i * 2, 3, "%02x", id[i]);
	f->build_id = TAKE_PTR(hex);
	return 0;
}

static int read_package(struct elf_bytes *b, const struct note *n, struct elf_facts *f)
{
	size_t len = MIN(n->len, PACKAGE_NOTE_MAX);
	_cleanup_free_ char *text = NULL;
	int r;

	if (f->package_note || len == 0)
		return 0;
	text = malloc(len + 1);
	if (!text)
		return -ENOMEM;
	r = elf_bytes_copy(b, n->offset, text, len);
	if (r != 0)
		return r;
	text[len] = '\0';
	f->package_note = TAKE_PTR(text);
	return 0;
}

static int take_note(struct elf_bytes *b, const struct note *n, struct elf_facts *f)
{
	if (note_is(n, ELF_NOTE_OWNER, ELF_NOTE_TYPE))
		return read_version(b, n, f);
	if (note_is(n, ELF_NOTE_GNU, NT_GNU_BUILD_ID))
		return read_build_id(b, n, f);
	if (note_is(n, PACKAGE_NOTE_OWNER, PACKAGE_NOTE_TYPE))
		return read_package(b, n, f);
	return 0;
}

/* One note of `room` bytes. *ret_next is the distance to the one behind it. ELF_BAD: not a note. */
static int read_note(struct elf_bytes *b, uint64_t offset, uint64_t room, uint64_t align,
		     struct elf_facts *f, uint64_t *ret_next)
{
	struct note n = {0};
	GElf_Nhdr h;
	uint64_t desc, end;
	int r;

	if (room < sizeof(h))
		return ELF_BAD;
	r = elf_bytes_nhdr(b, offset, &h);
	if (r != 0)
		return r;
	/* The sizes are 32 bits wide, so none of these sums overflows. */
	desc = (sizeof(h) + (uint64_t)h.n_namesz + align - 1) & ~(align - 1);
	end = desc + h.n_descsz;
	n.owner_len = h.n_namesz;
	n.type = h.n_type;
	n.offset = offset + desc;
	n.len = h.n_descsz;
	if (n.owner_len <= sizeof(n.owner) && sizeof(h) + n.owner_len <= room) {
		r = elf_bytes_copy(b, offset + sizeof(h), n.owner, n.owner_len);
		if (r != 0)
			return r;
	}
	if (end > room) {
		f->note_malformed = f->note_malformed || note_is(&n, ELF_NOTE_OWNER, ELF_NOTE_TYPE);
		return ELF_BAD;
	}
	*ret_next = (end + align - 1) & ~(align - 1);
	return take_note(b, &n, f);
}

int elf_note_read(struct elf_bytes *b, uint64_t offset, uint64_t len, uint64_t align,
		  struct elf_facts *f)
{
	align = align == 8 ? 8 : 4;
	for (uint64_t at = 0; at < len;) {
		uint64_t next = 0;
		int r = read_note(b, offset + at, len - at, align, f, &next);

		if (r < 0)
			return r;
		if (r == ELF_BAD)
			break;
		at += next;
	}
	return 0;
}
