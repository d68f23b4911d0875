/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a person or a program reads on standard output: tables, marked lines, wrapped sentences,
 * JSON. Colour only on a terminal.
 *
 * Knows: terminals, libsmartcols, json-c. Must not know: what is shown.
 * Owns: a table owns its cells, a doc owns its objects. */

#include "base/macro.h"
#include <json-c/json.h>
#include <stdbool.h>

/* Raised whenever a key changes its meaning or goes away. */
#define OUTPUT_SCHEMA 1

enum colour {
	COLOUR_NONE,
	COLOUR_GOOD,
	COLOUR_BAD,
	COLOUR_WARN,
	COLOUR_DIM,
	COLOUR_BOLD,
	COLOUR_MAX,
};

enum output_flags {
	OUTPUT_COLOUR = 1 << 0,
	OUTPUT_LEGEND = 1 << 1,
	OUTPUT_UTF8 = 1 << 2,
};

struct output {
	enum output_flags flags;
	size_t width; /* of the terminal, 0 if it is none */
};

/* Looks at standard output and the environment (NO_COLOR, TERM, COLUMNS). */
void output_init(struct output *ret, enum output_flags legend) _nonnull_all_;
/* The sequence that starts a colour, "" if there is none. */
const char *output_colour(const struct output *o, enum colour c) _nonnull_all_;
const char *output_plain(const struct output *o) _nonnull_all_;
/* Prints words behind `indent` columns (the first line continues where the cursor is), broken at
 * blanks to fit the terminal, and a newline. */
void output_wrap(const struct output *o, size_t indent, enum colour c, const char *words)
	_nonnull_all_;
/* "      Server: words", the label right-aligned. */
void output_field(const struct output *o, const char *label, const char *words) _nonnull_all_;
/* The same, of what somebody should see to. */
void output_warning(const struct output *o, const char *label, const char *words) _nonnull_all_;
/* Flushes; 0 or -errno (a full disk, a closed pipe). */
int output_end(void) _must_check_;

/* ---- tables ---- */

struct table;

struct table_column {
	const char *title;
	bool detail; /* goes to a line of its own where the terminal is too narrow */
};

int table_new(const struct table_column *columns, size_t n, struct table **ret)
	_must_check_ _nonnull_all_;
struct table *table_free(struct table *t);
/* A new row; cells are "-" until set. 0 or -ENOMEM. */
int table_row(struct table *t) _must_check_ _nonnull_all_;
/* A cell of the last row: foreign bytes, which are escaped here, ... */
int table_name(struct table *t, size_t column, const char *name) _must_check_ _nonnull_(1);
/* ... or words, in which that was done. An empty text leaves the cell as it is. */
int table_words(struct table *t, size_t column, enum colour c, const char *words)
	_must_check_ _nonnull_(1);
/* 0 or -errno. */
int table_print(const struct table *t, const struct output *o) _must_check_ _nonnull_all_;

DEFINE_CLEANUP(struct table *, table_free);
#define _cleanup_table_ _cleanup_(table_freep)

/* ---- JSON ---- */

/* A document in the making; a failure is remembered and doc_print() reports it. */
struct doc {
	struct json_object *top;
	bool failed;
};

/* The top object with "schema" and "verb". */
void doc_init(struct doc *d, const char *verb) _nonnull_all_;
void doc_done(struct doc *d) _nonnull_all_;
/* NULL texts become null. Names are escaped, words are not. */
void doc_name(struct doc *d, struct json_object *at, const char *key, const char *name)
	_nonnull_(1, 3);
void doc_words(struct doc *d, struct json_object *at, const char *key, const char *words)
	_nonnull_(1, 3);
void doc_number(struct doc *d, struct json_object *at, const char *key, int64_t number)
	_nonnull_(1, 3);
void doc_truth(struct doc *d, struct json_object *at, const char *key, bool truth) _nonnull_(1, 3);
/* New, empty, and already in their place; NULL if that failed, which all of these take. */
struct json_object *doc_object(struct doc *d, struct json_object *at, const char *key)
	_nonnull_(1, 3);
struct json_object *doc_array(struct doc *d, struct json_object *at, const char *key)
	_nonnull_(1, 3);
struct json_object *doc_item(struct doc *d, struct json_object *array) _nonnull_(1);
/* A text as an element of an array. */
void doc_add_name(struct doc *d, struct json_object *array, const char *name) _nonnull_(1);
void doc_add_words(struct doc *d, struct json_object *array, const char *words) _nonnull_(1);
/* 0 or -errno. */
int doc_print(struct doc *d) _must_check_ _nonnull_all_;

#define _cleanup_doc_ _cleanup_(doc_done)
