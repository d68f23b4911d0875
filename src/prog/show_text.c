/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A document for people: lines, fields and tables. Where a terminal is too narrow for all columns of
 * a table the long ones move below their row: a path that is cut or folded helps nobody. */
#include "prog/show.h"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <wchar.h>

#define WIDTH_LEAST 40
#define LABEL_WIDTH 12
#define DETAIL_INDENT 4

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

void output_init(struct output *ret, enum output_flags flags)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
	unsigned more = 0;
	bool terminal = isatty(STDOUT_FILENO) > 0;

	if (terminal && !(no_colour && *no_colour) && term && strcmp(term, "dumb") != 0)
		more |= OUTPUT_COLOUR;
	if (str_eq(nl_langinfo(CODESET), "UTF-8"))
		more |= OUTPUT_UTF8;
	*ret = (struct output){.flags = flags | more, .width = terminal ? terminal_width() : 0};
}

int output_end(void)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return errno > 0 ? -errno : -EIO;
}

static void paint(const struct output *o, enum colour c)
{
	static const char *const sequences[COLOUR_MAX] = {
		[COLOUR_NONE] = "\x1b[0m",  [COLOUR_GOOD] = "\x1b[32m", [COLOUR_BAD] = "\x1b[1;31m",
		[COLOUR_WARN] = "\x1b[33m", [COLOUR_DIM] = "\x1b[2m",   [COLOUR_BOLD] = "\x1b[1m",
	};

	if (o->flags & OUTPUT_COLOUR)
		fputs(sequences[c], stdout);
}

static void print_in(const struct output *o, enum colour c, const char *text, size_t len)
{
	if (c != COLOUR_NONE)
		paint(o, c);
	printf("%.*s", (int)len, text);
	if (c != COLOUR_NONE)
		paint(o, COLOUR_NONE);
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

/* Broken at blanks to fit the terminal; the first line continues where the cursor is. */
static void print_wrapped(const struct output *o, size_t indent, const char *words, size_t len)
{
	size_t room = o->width > indent + WIDTH_LEAST / 2 ? o->width - indent : 0, at = 0;
	const char *end = words + len;

	while (words < end) {
		const char *blank = memchr(words, ' ', (size_t)(end - words));
		size_t n = (size_t)((blank ? blank : end) - words), columns = text_width(words, n);

		if (at > 0 && room > 0 && at + 1 + columns > room) {
			printf("\n%*s", (int)indent, "");
			at = 0;
		} else if (at > 0) {
			putchar(' ');
			at++;
		}
		printf("%.*s", (int)n, words);
		at += columns;
		words += n;
		words += strspn(words, " ");
	}
}

static void print_fact(const struct doc *d, const struct fact *f, const struct output *o)
{
	const struct face *face = f->face;
	size_t len, indent = face->place == PLACE_FIELD ? LABEL_WIDTH + 2 : face->indent;
	const char *text = doc_text(d, f, &len), *lead = face->lead ? face->lead : "";

	if (face->place == PLACE_FIELD) {
		paint(o, COLOUR_DIM);
		printf("%*s: ", LABEL_WIDTH, lead);
		paint(o, COLOUR_NONE);
	} else if (str_eq(lead, SHOW_BULLET)) {
		lead = o->flags & OUTPUT_UTF8 ? SHOW_BULLET : "* ";
		print_in(o, f->colour, lead, strlen(lead));
	} else {
		print_in(o, face->lead_colour, lead, strlen(lead));
	}
	if (f->colour != COLOUR_NONE)
		paint(o, f->colour);
	if (face->wrap || face->place == PLACE_FIELD)
		print_wrapped(o, indent, text, len);
	else
		printf("%.*s", (int)len, text);
	if (f->colour != COLOUR_NONE)
		paint(o, COLOUR_NONE);
	if (len < face->pad)
		printf("%*s", (int)(face->pad - len), "");
}

/* ---- tables ---- */

#define COLUMNS_MAX 16

struct table {
	const struct doc *d;
	const struct fact *head, *end; /* the array, and what ends it */
	size_t n;                      /* columns */
	size_t widths[COLUMNS_MAX];
	bool narrow; /* details have lines of their own */
};

/* The cells of the row that begins at an object; returns what follows it. */
static const struct fact *read_row(const struct table *t, const struct fact *f,
				   const struct fact **cells)
{
	memset(cells, 0, t->n * sizeof(*cells));
	while ((++f)->kind != FACT_END)
		if (f->face >= t->head->face && f->face < t->head->face + t->n)
			cells[f->face - t->head->face] = f;
	return f + 1;
}

/* "-" where there is none; `len` is not touched then. */
static const char *cell_text(const struct table *t, const struct fact *cell, size_t *ret_len)
{
	const char *text = "-";

	*ret_len = 0;
	if (cell)
		text = doc_text(t->d, cell, ret_len);
	if (*ret_len == 0) {
		*ret_len = 1;
		return "-";
	}
	return text;
}

static bool is_shown(const struct table *t, size_t i)
{
	enum place place = t->head->face[i].place;

	return place == PLACE_COLUMN || (place == PLACE_DETAIL && !t->narrow);
}

/* How wide all is, and each column. `cells` is room for a row. */
static size_t measure(struct table *t, const struct fact **cells)
{
	size_t most = 0;

	for (size_t i = 0; i < t->n; i++)
		t->widths[i] = t->head->face[i].lead ? strlen(t->head->face[i].lead) : 0;
	for (const struct fact *f = t->head + 1; f < t->end;) {
		f = read_row(t, f, cells);
		for (size_t i = 0; i < t->n; i++) {
			size_t len;
			const char *text = cell_text(t, cells[i], &len);

			t->widths[i] = MAX(t->widths[i], text_width(text, len));
		}
	}
	for (size_t i = 0; i < t->n; i++)
		if (is_shown(t, i))
			most += t->widths[i] + (most > 0);
	return most;
}

static void print_details(const struct table *t, const struct output *o,
			  const struct fact *const *cells)
{
	for (size_t i = 0; i < t->n; i++) {
		size_t len;
		const char *text;

		if (t->head->face[i].place != PLACE_DETAIL || !cells[i])
			continue;
		text = doc_text(t->d, cells[i], &len);
		if (len == 0)
			continue;
		printf("%*s", DETAIL_INDENT, "");
		paint(o, COLOUR_DIM);
		print_wrapped(o, DETAIL_INDENT, text, len);
		paint(o, COLOUR_NONE);
		putchar('\n');
	}
}

/* A row, or without cells the headings. Blanks stand before a word, so that none end the line. */
static void print_row(const struct table *t, const struct output *o,
		      const struct fact *const *cells)
{
	size_t gap = 0;

	for (size_t i = 0; i < t->n; i++) {
		const char *text = t->head->face[i].lead;
		size_t len = text && !cells ? strlen(text) : 0;

		if (!is_shown(t, i))
			continue;
		if (cells)
			text = cell_text(t, cells[i], &len);
		printf("%*s", (int)gap, "");
		print_in(o, cells && cells[i] ? cells[i]->colour : COLOUR_NONE, text, len);
		gap = t->widths[i] - text_width(text, len) + 1;
	}
	putchar('\n');
	if (cells && t->narrow)
		print_details(t, o, cells);
}

static const struct fact *find_end(const struct fact *array)
{
	size_t depth = 1;

	while (depth > 0) {
		array++;
		depth += array->kind == FACT_OBJECT || array->kind == FACT_ARRAY;
		depth -= array->kind == FACT_END;
	}
	return array;
}

/* Returns what ends it. */
static const struct fact *print_table(const struct doc *d, const struct fact *head,
				      const struct output *o)
{
	const struct fact *cells[COLUMNS_MAX];
	struct table t = {.d = d, .head = head, .end = find_end(head), .n = (size_t)head->number};

	if (t.end == head + 1)
		return t.end;
	t.narrow = measure(&t, cells) > o->width && o->width > 0;
	if (o->flags & OUTPUT_LEGEND)
		print_row(&t, o, NULL);
	for (const struct fact *f = head + 1; f < t.end;) {
		f = read_row(&t, f, cells);
		print_row(&t, o, cells);
	}
	return t.end;
}

void doc_show_text(const struct doc *d, const struct output *o)
{
	bool open = false;

	for (const struct fact *f = d->facts; f < d->facts + d->n; f++) {
		size_t len;

		(void)doc_text(d, f, &len);
		if (!f->face || f->hidden)
			continue;
		if (f->kind == FACT_TEXT && (len == 0 || f->face->place == PLACE_NONE))
			continue;
		if (open && f->face->place != PLACE_SAME)
			putchar('\n');
		open = f->kind == FACT_TEXT;
		if (open)
			print_fact(d, f, o);
		else
			f = print_table(d, f, o);
	}
	if (open)
		putchar('\n');
}
