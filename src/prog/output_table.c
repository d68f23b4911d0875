/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables. On a terminal that is too narrow for all columns the long ones move below their row: a
 * path that is cut or folded in the middle helps nobody. */
#include "prog/output.h"

#include "base/str.h"

#include <libsmartcols.h>

#define DETAIL_INDENT 4

struct cell {
	char *text;
	enum colour colour;
};

struct table {
	const struct table_column *columns;
	size_t n_columns;
	struct cell *cells; /* row by row */
	size_t n_rows;
	size_t room;
};

static inline void scols_freep(struct libscols_table **t)
{
	scols_unref_table(*t);
}

int table_new(const struct table_column *columns, size_t n, struct table **ret)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->columns = columns;
	t->n_columns = n;
	*ret = t;
	return 0;
}

struct table *table_free(struct table *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->n_rows * t->n_columns; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
	return NULL;
}

int table_row(struct table *t)
{
	if (t->n_rows == t->room) {
		size_t room = t->room ? t->room * 2 : 32;
		struct cell *grown = reallocarray(t->cells, room * t->n_columns, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		t->cells = grown;
		t->room = room;
	}
	memset(&t->cells[t->n_rows * t->n_columns], 0, t->n_columns * sizeof(struct cell));
	t->n_rows++;
	return 0;
}

static struct cell *last_row(struct table *t)
{
	return &t->cells[(t->n_rows - 1) * t->n_columns];
}

int table_name(struct table *t, size_t column, const char *name)
{
	_cleanup_free_ char *escaped = name ? str_escape(name) : NULL;

	if (!name)
		return 0;
	return escaped ? table_words(t, column, COLOUR_NONE, escaped) : -ENOMEM;
}

int table_words(struct table *t, size_t column, enum colour c, const char *words)
{
	struct cell *cell = &last_row(t)[column];

	if (!words || !*words)
		return 0;
	cell->colour = c;
	return str_replace(&cell->text, words);
}

static int fill_row(const struct table *t, size_t row, const struct output *o, bool narrow,
		    struct libscols_table *to)
{
	struct libscols_line *line = scols_table_new_line(to, NULL);
	size_t at = 0;

	if (!line)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_columns; i++) {
		const struct cell *cell = &t->cells[row * t->n_columns + i];
		const char *colour = output_colour(o, cell->colour);
		int r;

		if (narrow && t->columns[i].detail)
			continue;
		r = scols_line_set_data(line, at, cell->text ? cell->text : "-");
		if (r == 0 && *colour)
			r = scols_cell_set_color(scols_line_get_cell(line, at), colour);
		if (r != 0)
			return -ENOMEM;
		at++;
	}
	return 0;
}

/* The text of the table, with or without the columns that are details. */
static int render(const struct table *t, const struct output *o, bool narrow, char **ret)
{
	_cleanup_(scols_freep) struct libscols_table *to = scols_new_table();
	int r = 0;

	if (!to)
		return -ENOMEM;
	(void)scols_table_enable_noencoding(to, 1); /* ours is done, and theirs would undo it */
	(void)scols_table_enable_colors(to, (o->flags & OUTPUT_COLOUR) != 0);
	(void)scols_table_enable_noheadings(to, !(o->flags & OUTPUT_LEGEND));
	(void)scols_table_set_termforce(to, SCOLS_TERMFORCE_NEVER); /* nothing is cut */
	for (size_t i = 0; i < t->n_columns; i++)
		if (!(narrow && t->columns[i].detail) &&
		    !scols_table_new_column(to, t->columns[i].title, 0, 0))
			return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < t->n_rows; i++)
		r = fill_row(t, i, o, narrow, to);
	if (r < 0)
		return r;
	r = scols_print_table_to_string(to, ret);
	return r < 0 ? r : 0;
}

static void print_line(const char *line, size_t len)
{
	while (len > 0 && line[len - 1] == ' ')
		len--;
	printf("%.*s\n", (int)len, line);
}

static void print_details(const struct table *t, size_t row, const struct output *o)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		const struct cell *cell = &t->cells[row * t->n_columns + i];

		if (!t->columns[i].detail || !cell->text)
			continue;
		printf("%*s", DETAIL_INDENT, "");
		output_wrap(o, DETAIL_INDENT, COLOUR_DIM, cell->text);
	}
}

static bool too_wide(const char *text, const struct output *o)
{
	while (o->width > 0 && *text) {
		size_t len = strcspn(text, "\n"), columns = 0;

		for (size_t i = 0; i < len; i++) {
			if (text[i] == '\x1b')
				while (i < len && text[i] != 'm')
					i++;
			else if (((unsigned char)text[i] & 0xc0U) != 0x80)
				columns++;
		}
		if (columns > o->width)
			return true;
		text += len;
		text += *text == '\n';
	}
	return false;
}

int table_print(const struct table *t, const struct output *o)
{
	_cleanup_free_ char *text = NULL;
	bool narrow = false;
	size_t row = 0;
	int r;

	if (t->n_rows == 0)
		return 0;
	r = render(t, o, false, &text);
	if (r >= 0 && too_wide(text, o)) {
		narrow = true;
		free(TAKE_PTR(text));
		r = render(t, o, true, &text);
	}
	if (r < 0)
		return r;
	for (const char *p = text, *next; *p; p = next) {
		size_t len = strcspn(p, "\n");
		bool heading = p == text && (o->flags & OUTPUT_LEGEND);

		next = p + len + (p[len] == '\n');
		print_line(p, len);
		if (narrow && !heading && row < t->n_rows)
			print_details(t, row, o);
		row += !heading;
	}
	return 0;
}
