/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/output.h"

#include "base/str.h"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <wchar.h>

#define WIDTH_LEAST 40
#define LABEL_WIDTH 12

static size_t terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size = {0};
	unsigned long n = columns ? strtoul(columns, NULL, 10) : 0;

	if (n == 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) >= 0)
		n = size.ws_col;
	if (n == 0 || n > 10000)
		n = 80;
	return MAX((size_t)n, (size_t)WIDTH_LEAST);
}

void output_init(struct output *ret, enum output_flags legend)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
	unsigned flags = legend & OUTPUT_LEGEND;
	bool terminal = isatty(STDOUT_FILENO) > 0;

	if (terminal && !(no_colour && *no_colour) && term && strcmp(term, "dumb") != 0)
		flags |= OUTPUT_COLOUR;
	if (str_eq(nl_langinfo(CODESET), "UTF-8"))
		flags |= OUTPUT_UTF8;
	*ret = (struct output){.flags = flags, .width = terminal ? terminal_width() : 0};
}

const char *output_colour(const struct output *o, enum colour c)
{
	static const char *const sequences[COLOUR_MAX] = {
		[COLOUR_NONE] = "",         [COLOUR_GOOD] = "\x1b[32m", [COLOUR_BAD] = "\x1b[1;31m",
		[COLOUR_WARN] = "\x1b[33m", [COLOUR_DIM] = "\x1b[2m",   [COLOUR_BOLD] = "\x1b[1m",
	};

	return o->flags & OUTPUT_COLOUR ? sequences[c] : "";
}

const char *output_plain(const struct output *o)
{
	return o->flags & OUTPUT_COLOUR ? "\x1b[0m" : "";
}

/* Columns that so many bytes take; what cannot be decoded counts as one each. */
static size_t text_width(const char *s, size_t len)
{
	size_t columns = 0;
	mbstate_t state = {0};

	while (len > 0) {
		wchar_t c;
		size_t n = mbrtowc(&c, s, len, &state);
		int w;

		if (n == 0 || n > len) {
			n = 1;
			w = 1;
			state = (mbstate_t){0};
		} else {
			w = wcwidth(c);
		}
		columns += w > 0 ? (size_t)w : 0;
		s += n;
		len -= n;
	}
	return columns;
}

void output_wrap(const struct output *o, size_t indent, enum colour c, const char *words)
{
	size_t room = o->width > indent + WIDTH_LEAST / 2 ? o->width - indent : 0, at = 0;

	fputs(output_colour(o, c), stdout);
	while (*words) {
		size_t len = strcspn(words, " "), columns = text_width(words, len);

		if (at > 0 && room > 0 && at + 1 + columns > room) {
			printf("\n%*s", (int)indent, "");
			at = 0;
		} else if (at > 0) {
			putchar(' ');
			at++;
		}
		printf("%.*s", (int)len, words);
		at += columns;
		words += len;
		words += strspn(words, " ");
	}
	printf("%s\n", c == COLOUR_NONE ? "" : output_plain(o));
}

static void print_field(const struct output *o, const char *label, enum colour c, const char *words)
{
	printf("%s%*s:%s ", output_colour(o, COLOUR_DIM), LABEL_WIDTH, label, output_plain(o));
	output_wrap(o, LABEL_WIDTH + 2, c, words);
}

void output_field(const struct output *o, const char *label, const char *words)
{
	print_field(o, label, COLOUR_NONE, words);
}

void output_warning(const struct output *o, const char *label, const char *words)
{
	print_field(o, label, COLOUR_WARN, words);
}

int output_end(void)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return errno > 0 ? -errno : -EIO;
}
