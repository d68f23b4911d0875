/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>

const char *str_after(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

size_t str_index(const char *const *words, size_t n, const char *word)
{
	size_t i = 0;

	while (i < n && !str_eq(words[i], word))
		i++;
	return i;
}

bool str_fields(char *line, char **ret, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!line)
			return false;
		ret[i] = line;
		line = strchr(line, '\t');
		if (line)
			*line++ = '\0';
	}
	return true;
}

int str_cmp(const char *a, const char *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

int str_replace(char **s, const char *with)
{
	char *copy = NULL;

	if (with) {
		copy = strdup(with);
		if (!copy)
			return -ENOMEM;
	}
	free(*s);
	*s = copy;
	return 0;
}

void strv_free(char **l)
{
	if (!l)
		return;
	for (char **i = l; *i; i++)
		free(*i);
	free(l);
}

size_t strv_len(char *const *l)
{
	size_t n = 0;

	while (l && l[n])
		n++;
	return n;
}

bool strv_has(char *const *l, const char *s)
{
	for (; l && *l; l++)
		if (strcmp(*l, s) == 0)
			return true;
	return false;
}

static int strv_add_taken(char ***l, char *taken)
{
	size_t n = strv_len(*l);
	char **grown = realloc(*l, (n + 2) * sizeof(*grown));

	if (!grown) {
		free(taken);
		return -ENOMEM;
	}
	grown[n] = taken;
	grown[n + 1] = NULL;
	*l = grown;
	return 0;
}

int strv_add(char ***l, const char *s)
{
	char *copy = strdup(s);

	return copy ? strv_add_taken(l, copy) : -ENOMEM;
}

int strv_add_words(char ***l, const char *words)
{
	static const char blanks[] = " \t\n";

	for (const char *p = words + strspn(words, blanks); *p; p += strspn(p, blanks)) {
		size_t n = strcspn(p, blanks);
		char *word = strndup(p, n);
		int r = word ? strv_add_taken(l, word) : -ENOMEM;

		if (r < 0)
			return r;
		p += n;
	}
	return 0;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(char **l)
{
	if (l)
		qsort(l, strv_len(l), sizeof(*l), compare_strings);
}

void buf_done(struct buf *b)
{
	free(b->data);
	*b = BUF_INIT;
}

static bool buf_reserve(struct buf *b, size_t more)
{
	size_t room = b->room ? b->room : 64;
	char *grown;

	if (b->failed)
		return false;
	if (more >= SIZE_MAX / 4 || b->len >= SIZE_MAX / 4) {
		b->failed = true;
		return false;
	}
	while (room < b->len + more + 1)
		room *= 2;
	if (room == b->room)
		return true;
	grown = realloc(b->data, room);
	if (!grown) {
		b->failed = true;
		return false;
	}
	b->data = grown;
	b->room = room;
	return true;
}

void buf_add_len(struct buf *b, const char *s, size_t len)
{
	if (!buf_reserve(b, len))
		return;
	if (len > 0)
		memcpy(b->data + b->len, s, len);
	b->len += len;
	b->data[b->len] = 0;
}

void buf_add(struct buf *b, const char *s)
{
	if (s)
		buf_add_len(b, s, strlen(s));
}

/* Length of the valid, printable UTF-8 sequence at s, or 0. Rejects overlong forms, surrogates,
 * C1 controls, and the bidirectional and line-separating characters that reorder a line. */
static size_t printable_length(const unsigned char *s)
{
	uint32_t c;
	size_t n;

	if (s[0] >= 0x20 && s[0] < 0x7f)
		return s[0] == '\\' ? 0 : 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf) {
		n = 2;
		c = s[0] & 0x1fU;
	} else if (s[0] >= 0xe0 && s[0] <= 0xef) {
		n = 3;
		c = s[0] & 0x0fU;
	} else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		n = 4;
		c = s[0] & 0x07U;
	} else {
		return 0;
	}
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0U) != 0x80)
			return 0;
		c = (c << 6) | (s[i] & 0x3fU);
	}
	if (c < 0xa0 || (n == 3 && c < 0x800) || (n == 4 && c < 0x10000) || c > 0x10ffff ||
	    (c >= 0xd800 && c <= 0xdfff))
		return 0;
	if ((c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069) || c == 0xfeff)
		return 0;
	return n;
}

void buf_escape(struct buf *b, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	while (p && *p) {
		size_t run = 0, n = 1;

		while (n > 0) {
			while (p[run] >= 0x20 && p[run] < 0x7f && p[run] != '\\')
				run++;
			n = printable_length(p + run);
			run += n;
		}
		buf_add_len(b, (const char *)p, run);
		p += run;
		if (*p) {
			char hex[5];

			(void)snprintf(hex, sizeof(hex), "\\x%02x", *p++);
			buf_add(b, hex);
		}
	}
}

/* One number as printf has it. `spec` is what stands between `%` and the conversion, which is one of
 * d, u, o, x: a count of digits, and how long the argument is. */
static bool add_number(struct buf *b, const char *spec, size_t len, va_list *ap)
{
	size_t digits = strspn(spec, "0123456789");
	int width = (int)strtol(spec, NULL, 10);
	const char *longer = spec + digits;
	bool is_signed = spec[len] == 'd';
	unsigned long long n;
	char text[32];

	if (len == digits)
		n = is_signed ? (unsigned long long)va_arg(*ap, int) : va_arg(*ap, unsigned);
	else if (*longer == 'z')
		n = va_arg(*ap, size_t);
	else if (len == digits + 1 && *longer == 'l')
		n = is_signed ? (unsigned long long)va_arg(*ap, long) : va_arg(*ap, unsigned long);
	else if (len == digits + 2 && *longer == 'l')
		n = va_arg(*ap, unsigned long long);
	else
		return false;
	if (is_signed)
		(void)snprintf(text, sizeof(text), "%lld", (long long)n);
	else if (spec[len] == 'u')
		(void)snprintf(text, sizeof(text), "%llu", n);
	else if (spec[len] == 'o')
		(void)snprintf(text, sizeof(text), "%0*llo", width, n);
	else if (spec[len] == 'x')
		(void)snprintf(text, sizeof(text), "%0*llx", width, n);
	else
		return false;
	buf_add(b, text);
	return true;
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	while (*format) {
		size_t len = strcspn(format, "%");

		buf_add_len(b, format, len);
		format += len;
		if (!*format)
			break;
		len = strspn(++format, "0123456789lz");
		if (len == 0 && *format == 's')
			buf_escape(b, va_arg(ap, const char *));
		else if (len == 0 && *format == '%')
			buf_add(b, "%");
		else if (!add_number(b, format, len, &ap))
			b->failed = true;
		if (b->failed)
			break;
		format += len + 1;
	}
	va_end(ap);
}

void buf_join(struct buf *b, const struct buf *other)
{
	buf_add(b, other->data);
	b->failed |= other->failed;
}

const char *buf_text(const struct buf *b)
{
	return b->data ? b->data : "";
}

int buf_take(struct buf *b, char **ret)
{
	if (!b->data && !buf_reserve(b, 0))
		return -ENOMEM;
	if (b->failed)
		return -ENOMEM;
	b->data[b->len] = 0;
	*ret = TAKE_PTR(b->data);
	*b = BUF_INIT;
	return 0;
}

char *str_escape(const char *s)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	char *r;

	buf_escape(&b, s);
	return buf_take(&b, &r) < 0 ? NULL : r;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int str_unescape(const char *s, size_t len, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t i = 0; i < len; i++) {
		int high, low;
		char c;

		if (s[i] != '\\') {
			buf_add_len(&b, s + i, 1);
			continue;
		}
		if (len - i < 4 || s[i + 1] != 'x')
			return -EINVAL;
		high = hex_digit(s[i + 2]);
		low = hex_digit(s[i + 3]);
		if (high < 0 || low < 0 || (high == 0 && low == 0))
			return -EINVAL;
		c = (char)(high * 16 + low);
		buf_add_len(&b, &c, 1);
		i += 3;
	}
	return buf_take(&b, ret);
}

int str_unescape_here(char *s)
{
	_cleanup_free_ char *plain = NULL;
	int r = strchr(s, '\\') ? str_unescape(s, strlen(s), &plain) : 0;

	if (plain)
		memcpy(s, plain, strlen(plain) + 1);
	return r;
}

uint64_t str_hash(uint64_t state, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++) {
		state ^= p[i];
		state *= 0x100000001b3ULL;
	}
	return state;
}

int str_hash_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

size_t str_lower_bound(const void *items, size_t n, size_t size, size_t offset, const char *key)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const char *const *text = (const void *)((const char *)items + mid * size + offset);

		if (strcmp(*text, key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}
