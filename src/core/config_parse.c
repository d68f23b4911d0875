/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/config_parse.h"
#include "base/str.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A piece of text; may hold any byte. */
struct piece {
	const char *p;
	size_t len;
};

static struct piece trim(struct piece t)
{
	while (t.len > 0 && is_blank(t.p[0])) {
		t.p++;
		t.len--;
	}
	while (t.len > 0 && is_blank(t.p[t.len - 1]))
		t.len--;
	return t;
}

/* Takes one line off the text. Lines end with LF, CR LF or CR. */
static struct piece take_line(struct piece *text)
{
	struct piece line = {.p = text->p};
	size_t end = 0;

	while (end < text->len && text->p[end] != '\n' && text->p[end] != '\r')
		end++;
	line.len = end;
	if (end + 1 < text->len && text->p[end] == '\r' && text->p[end + 1] == '\n')
		end++;
	end = MIN(end + 1, text->len);
	text->p += end;
	text->len -= end;
	return line;
}

static bool is_comment(struct piece line)
{
	line = trim(line);
	return line.len > 0 && (line.p[0] == '#' || line.p[0] == ';');
}

/* An even number of backslashes stands for itself. */
static bool is_continued(struct piece line)
{
	size_t n = 0;

	while (n < line.len && line.p[line.len - 1 - n] == '\\')
		n++;
	return n % 2 == 1;
}

static int emit_section(struct piece line, struct config_line *out, config_line_fn fn,
			void *userdata)
{
	_cleanup_free_ char *text = NULL;
	bool whole = line.p[line.len - 1] == ']';

	text = whole ? strndup(line.p + 1, line.len - 2) : strndup(line.p, line.len);
	if (!text)
		return -ENOMEM;
	out->kind = whole ? CONFIG_LINE_SECTION : CONFIG_LINE_BROKEN_SECTION;
	if (whole)
		out->section = text;
	else
		out->value = text;
	return fn(out, userdata);
}

static int emit_assignment(struct piece line, struct config_line *out, config_line_fn fn,
			   void *userdata)
{
	const char *equals = memchr(line.p, '=', line.len);
	_cleanup_free_ char *key = NULL, *value = NULL;
	struct piece left = {0}, right = line;

	if (equals) {
		size_t n = (size_t)(equals - line.p);

		left = trim((struct piece){line.p, n});
		right = trim((struct piece){equals + 1, line.len - n - 1});
	}
	if (left.len == 0) {
		out->kind = CONFIG_LINE_BROKEN;
		right = line;
	} else {
		out->kind = CONFIG_LINE_ASSIGNMENT;
		out->key = key = strndup(left.p, left.len);
		if (!key)
			return -ENOMEM;
	}
	out->value = value = strndup(right.p, right.len);
	if (!value)
		return -ENOMEM;
	return fn(out, userdata);
}

/* A whole line: continued ones are put together already. */
static int emit(struct piece line, unsigned number, config_line_fn fn, void *userdata)
{
	struct config_line out = {.number = number};

	line = trim(line);
	if (line.len == 0)
		return 0;
	if (memchr(line.p, 0, line.len)) {
		_cleanup_free_ char *text = strndup(line.p, line.len);

		if (!text)
			return -ENOMEM;
		out.kind = line.p[0] == '[' ? CONFIG_LINE_NUL_SECTION : CONFIG_LINE_NUL;
		out.value = text;
		return fn(&out, userdata);
	}
	if (line.p[0] == '[')
		return emit_section(line, &out, fn, userdata);
	return emit_assignment(line, &out, fn, userdata);
}

int config_parse_lines(const char *text, size_t len, config_line_fn fn, void *userdata)
{
	static const char bom[] = "\xef\xbb\xbf";
	_cleanup_buf_ struct buf joined = BUF_INIT;
	struct piece rest = {text, len};
	unsigned number = 0, first = 0;

	if (len >= 3 && memcmp(text, bom, 3) == 0)
		rest = (struct piece){text + 3, len - 3};

	while (rest.len > 0) {
		struct piece line = take_line(&rest);
		bool continued;
		int r;

		number++;
		/* A comment between continued lines is passed over and does not end them. */
		if (is_comment(line))
			continue;
		continued = is_continued(line);
		if (continued)
			line.len--;
		if (first == 0)
			first = number;
		if (continued || joined.len > 0) {
			buf_add_len(&joined, line.p, line.len);
			buf_add(&joined, continued ? " " : "");
			if (joined.failed)
				return -ENOMEM;
		}
		if (continued)
			continue;
		r = emit(joined.len > 0 ? (struct piece){joined.data, joined.len} : line, first, fn,
			 userdata);
		if (r != 0)
			return r;
		joined.len = 0;
		first = 0;
	}
	return joined.len > 0 ? emit((struct piece){joined.data, joined.len}, first, fn, userdata)
			      : 0;
}
