/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/elf_bytes.h"

#include <string.h>
#include <sys/stat.h>

/* A file may be built to lead round in circles or over all of its length. An honest plugin needs
 * some ten windows and a few hundred looks. */
#define WINDOWS_MAX 2048U
#define LOOKS_MAX (1U << 20)

/* libelf says only by its own number what failed; errno tells a failing disk from a file that
 * became shorter under us (which is no error of ours). */
static int failed(void)
{
	return errno > 0 ? -errno : ELF_BAD;
}

static int read_at(int fd, uint64_t offset, void *ret, size_t len, size_t *ret_got)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(fd, (uint8_t *)ret + got, len - got, (off_t)(offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	*ret_got = got;
	return 0;
}

static int translate(struct elf_bytes *b, void *data, size_t len, Elf_Type type)
{
	Elf_Data d = {.d_buf = data, .d_type = type, .d_version = EV_CURRENT, .d_size = len};

	return gelf_xlatetom(b->elf, &d, &d, b->ehdr.e_ident[EI_DATA]) ? 0 : ELF_BAD;
}

static bool ident_is_elf(const unsigned char *ident)
{
	return memcmp(ident, ELFMAG, SELFMAG) == 0 &&
	       (ident[EI_CLASS] == ELFCLASS32 || ident[EI_CLASS] == ELFCLASS64) &&
	       (ident[EI_DATA] == ELFDATA2LSB || ident[EI_DATA] == ELFDATA2MSB) &&
	       ident[EI_VERSION] == EV_CURRENT;
}

/* Type and machine lie at the same place in both classes. */
static void guess_header(struct elf_bytes *b, const unsigned char *raw)
{
	bool big = raw[EI_DATA] == ELFDATA2MSB;

	memcpy(b->ehdr.e_ident, raw, EI_NIDENT);
	b->ehdr.e_type = (uint16_t)(big ? raw[16] << 8 | raw[17] : raw[17] << 8 | raw[16]);
	b->ehdr.e_machine = (uint16_t)(big ? raw[18] << 8 | raw[19] : raw[19] << 8 | raw[18]);
}

/* Without a count in the header, libelf believes the first section header's and allocates that much
 * unseen. */
static bool sections_lie(const struct elf_bytes *b, int fd, const unsigned char *raw)
{
	bool wide = raw[EI_CLASS] == ELFCLASS64, big = raw[EI_DATA] == ELFDATA2MSB;
	size_t width = wide ? 8 : 4, at = wide ? 40 : 32, count_at = wide ? 60 : 48, got = 0;
	uint64_t offset = 0, count = 0;
	uint8_t field[8] = {0};

	if (raw[count_at] || raw[count_at + 1])
		return false;
	for (size_t i = 0; i < width; i++)
		offset = offset << 8 | raw[at + (big ? i : width - 1 - i)];
	if (offset == 0 || offset >= b->size ||
	    read_at(fd, offset + (wide ? 32 : 20), field, width, &got) < 0 || got < width)
		return false;
	for (size_t i = 0; i < width; i++)
		count = count << 8 | field[big ? i : width - 1 - i];
	return count > UINT16_MAX;
}

static int open_handle(struct elf_bytes *b)
{
	errno = 0;
	b->elf = elf_begin(b->fd, ELF_C_READ, NULL);
	if (!b->elf)
		return failed();
	if (elf_kind(b->elf) != ELF_K_ELF || !gelf_getehdr(b->elf, &b->ehdr))
		return ELF_BAD; /* changed since a moment ago */
	return 0;
}

int elf_bytes_open(struct elf_bytes *b, int fd, bool *ret_elf)
{
	unsigned char raw[sizeof(Elf64_Ehdr)] = {0};
	struct stat st;
	size_t got, header;
	int r;

	*b = (struct elf_bytes){.fd = fd};
	*ret_elf = false;
	if (fstat(fd, &st) < 0)
		return -errno;
	b->size = (uint64_t)st.st_size;
	r = read_at(fd, 0, raw, sizeof(raw), &got);
	if (r < 0)
		return r;
	if (got < EI_NIDENT || !ident_is_elf(raw))
		return 0;
	guess_header(b, raw);
	header = raw[EI_CLASS] == ELFCLASS64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
	*ret_elf = true;
	r = elf_bytes_check(b, 0, header);
	if (r != 0)
		return r;
	if (sections_lie(b, fd, raw))
		return ELF_BAD;
	r = open_handle(b);
	*ret_elf = r != 0 || b->ehdr.e_version == EV_CURRENT;
	return r;
}

void elf_bytes_done(struct elf_bytes *b)
{
	if (b->elf)
		(void)elf_end(b->elf);
	free(b->loads);
	*b = (struct elf_bytes){.fd = -EBADF};
}

int elf_bytes_check(struct elf_bytes *b, uint64_t offset, uint64_t len)
{
	uint64_t end;

	if (__builtin_add_overflow(offset, len, &end))
		end = UINT64_MAX;
	if (end <= b->size)
		return 0;
	b->needs = MAX(b->needs, end);
	return ELF_BAD;
}

static int read_window(struct elf_bytes *b, uint64_t offset, struct elf_window **ret)
{
	struct elf_window *w = &b->windows[b->n_windows % ELF_WINDOWS];
	size_t len = MIN(b->size - offset, ELF_WINDOW_SIZE);
	Elf_Data *data;

	if (b->n_windows >= WINDOWS_MAX)
		return ELF_BAD;
	errno = 0;
	data = elf_getdata_rawchunk(b->elf, (int64_t)offset, len, ELF_T_BYTE);
	if (!data) {
		if (errno == 0)
			b->needs = MAX(b->needs, offset + len);
		return failed();
	}
	b->n_windows++;
	*w = (struct elf_window){.offset = offset, .len = len, .data = data->d_buf};
	*ret = w;
	return 0;
}

/* The window over `offset`, which is inside the file. */
static int get_window(struct elf_bytes *b, uint64_t offset, const struct elf_window **ret)
{
	uint64_t start = offset - offset % ELF_WINDOW_SIZE;
	struct elf_window *w = NULL;
	int r;

	if (++b->n_looks > LOOKS_MAX)
		return ELF_BAD;
	for (size_t i = 0; i < MIN(b->n_windows, ELF_WINDOWS) && !w; i++)
		if (b->windows[i].offset == start)
			w = &b->windows[i];
	if (!w) {
		r = read_window(b, start, &w);
		if (r != 0)
			return r;
	}
	*ret = w;
	return 0;
}

int elf_bytes_copy(struct elf_bytes *b, uint64_t offset, void *ret, size_t len)
{
	uint8_t *to = ret;
	int r = elf_bytes_check(b, offset, len);

	while (r == 0 && len > 0) {
		const struct elf_window *w;
		size_t at, n;

		r = get_window(b, offset, &w);
		if (r != 0)
			break;
		at = (size_t)(offset - w->offset);
		n = MIN(w->len - at, len);
		memcpy(to, w->data + at, n);
		to += n;
		offset += n;
		len -= n;
	}
	return r;
}

int elf_bytes_text(struct elf_bytes *b, uint64_t offset, uint64_t end, size_t max, char **ret)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;

	for (;;) {
		const struct elf_window *w;
		size_t at, n;
		char *grown;
		int r = elf_bytes_check(b, offset, 1);

		if (r != 0)
			return r;
		if (offset >= end || len >= max)
			return ELF_BAD;
		r = get_window(b, offset, &w);
		if (r != 0)
			return r;
		at = (size_t)(offset - w->offset);
		n = MIN(MIN(w->len - at, max - len), end - offset);
		n = strnlen((const char *)w->data + at, n);
		grown = realloc(text, len + n + 1);
		if (!grown)
			return -ENOMEM;
		text = grown;
		memcpy(text + len, w->data + at, n);
		len += n;
		text[len] = '\0';
		if (at + n < w->len && len < max && offset + n < end)
			break; /* it stopped at a NUL */
		offset += n;
	}
	*ret = TAKE_PTR(text);
	return 0;
}

int elf_bytes_word(struct elf_bytes *b, uint64_t offset, size_t width, uint64_t *ret)
{
	uint8_t raw[8];
	uint64_t value = 0;
	bool big = b->ehdr.e_ident[EI_DATA] == ELFDATA2MSB;
	int r = elf_bytes_copy(b, offset, raw, width);

	if (r != 0)
		return r;
	for (size_t i = 0; i < width; i++)
		value = value << 8 | raw[big ? i : width - 1 - i];
	*ret = value;
	return 0;
}

static int copy_record(struct elf_bytes *b, uint64_t offset, Elf_Type type, void *ret, size_t len)
{
	int r = elf_bytes_copy(b, offset, ret, len);

	return r == 0 ? translate(b, ret, len, type) : r;
}

int elf_bytes_phdr(struct elf_bytes *b, size_t i, GElf_Phdr *ret)
{
	uint64_t offset = b->ehdr.e_phoff;
	Elf32_Phdr p;
	int r;

	if (elf_bytes_is_64(b))
		return copy_record(b, offset + i * sizeof(Elf64_Phdr), ELF_T_PHDR, ret,
				   sizeof(Elf64_Phdr));
	r = copy_record(b, offset + i * sizeof(p), ELF_T_PHDR, &p, sizeof(p));
	if (r == 0)
		*ret = (GElf_Phdr){.p_type = p.p_type,
				   .p_flags = p.p_flags,
				   .p_offset = p.p_offset,
				   .p_vaddr = p.p_vaddr,
				   .p_filesz = p.p_filesz,
				   .p_memsz = p.p_memsz,
				   .p_align = p.p_align};
	return r;
}

int elf_bytes_shdr(struct elf_bytes *b, size_t i, GElf_Shdr *ret)
{
	uint64_t offset = b->ehdr.e_shoff;
	Elf32_Shdr s;
	int r;

	if (elf_bytes_is_64(b))
		return copy_record(b, offset + i * sizeof(Elf64_Shdr), ELF_T_SHDR, ret,
				   sizeof(Elf64_Shdr));
	r = copy_record(b, offset + i * sizeof(s), ELF_T_SHDR, &s, sizeof(s));
	if (r == 0)
		*ret = (GElf_Shdr){.sh_type = s.sh_type,
				   .sh_offset = s.sh_offset,
				   .sh_size = s.sh_size,
				   .sh_addralign = s.sh_addralign};
	return r;
}

int elf_bytes_dyn(struct elf_bytes *b, uint64_t offset, GElf_Dyn *ret)
{
	Elf32_Dyn d;
	int r;

	if (elf_bytes_is_64(b))
		return copy_record(b, offset, ELF_T_DYN, ret, sizeof(Elf64_Dyn));
	r = copy_record(b, offset, ELF_T_DYN, &d, sizeof(d));
	if (r == 0) {
		ret->d_tag = d.d_tag;
		ret->d_un.d_val = d.d_un.d_val;
	}
	return r;
}

int elf_bytes_sym(struct elf_bytes *b, uint64_t offset, GElf_Sym *ret)
{
	Elf32_Sym s;
	int r;

	if (elf_bytes_is_64(b))
		return copy_record(b, offset, ELF_T_SYM, ret, sizeof(Elf64_Sym));
	r = copy_record(b, offset, ELF_T_SYM, &s, sizeof(s));
	if (r == 0)
		*ret = (GElf_Sym){.st_name = s.st_name,
				  .st_info = s.st_info,
				  .st_other = s.st_other,
				  .st_shndx = s.st_shndx,
				  .st_value = s.st_value,
				  .st_size = s.st_size};
	return r;
}

int elf_bytes_nhdr(struct elf_bytes *b, uint64_t offset, GElf_Nhdr *ret)
{
	return copy_record(b, offset, ELF_T_WORD, ret, sizeof(*ret));
}

int elf_bytes_find(struct elf_bytes *b, uint64_t vaddr, uint64_t *ret_offset, uint64_t *ret_room)
{
	for (size_t i = 0; i < b->n_loads; i++) {
		const struct elf_load *l = &b->loads[i];

		if (vaddr < l->vaddr || vaddr - l->vaddr >= l->size)
			continue;
		*ret_offset = l->offset + (vaddr - l->vaddr);
		*ret_room = l->size - (vaddr - l->vaddr);
		return 0;
	}
	return ELF_BAD;
}
