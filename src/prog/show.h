/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a verb tells: one document, rendered for people or as JSON. A verb adds facts, in objects and
 * arrays; what is told of each kind of fact, and where, stands in tables of faces.
 *
 * Knows: terminals, JSON. Must not know: what is shown.
 * Owns: a document owns its facts and texts; faces and keys are borrowed. */

#include "base/str.h"

/* Raised whenever a key changes its meaning or goes away. */
#define SHOW_SCHEMA 1

enum colour {
	COLOUR_NONE,
	COLOUR_GOOD,
	COLOUR_BAD,
	COLOUR_WARN,
	COLOUR_DIM,
	COLOUR_BOLD,
	COLOUR_MAX,
};

enum place {
	PLACE_NONE,   /* people do not see it */
	PLACE_LINE,   /* begins a line */
	PLACE_SAME,   /* goes on in the line */
	PLACE_FIELD,  /* "      Server: words": the lead is a label */
	PLACE_COLUMN, /* a cell of a table: the lead is the heading */
	PLACE_DETAIL, /* the same; goes to a line of its own where the terminal is too narrow */
};

/* A lead in the colour of what follows; an asterisk where there is no such sign. */
#define SHOW_BULLET "\u25cf "

/* How one kind of fact is told. */
struct face {
	const char *key; /* in JSON, "" for an element of an array; NULL: for people only */
	enum place place;
	const char *lead; /* before it, or NULL */
	enum colour lead_colour;
	enum colour colour; /* its own, unless doc_colour() says another */
	unsigned pad;       /* a line's first words: how wide at least */
	bool wrap;          /* broken at blanks to fit the terminal ... */
	unsigned indent;    /* ... and how far lines but the first are indented */
	int level;          /* doc_say() logs it at that level; 0: it does not */
};

enum fact_kind {
	FACT_TEXT, /* null in JSON, and not told, if it is empty */
	FACT_NUMBER,
	FACT_TRUTH,
	FACT_OBJECT,
	FACT_ARRAY,
	FACT_END,
};

struct fact {
	enum fact_kind kind;
	const char *key;
	const struct face *face; /* of a table its columns */
	enum colour colour;
	bool hidden;
	bool said;      /* an empty text that is none the less one */
	size_t at;      /* where its text begins in doc.text */
	int64_t number; /* also: how many columns a table has */
};

/* Failures are remembered, and doc_show() reports them. Zero-initialise. */
struct doc {
	struct fact *facts;
	size_t n;
	struct buf text;
	bool hidden; /* people do not see what is added while this is set */
};

/* Opens the top object, with "schema" and "verb". */
void doc_init(struct doc *d, const char *verb) _nonnull_all_;
void doc_done(struct doc *d) _nonnull_all_;

/* A new fact; what is appended to the buffer until the next one is its text. */
struct buf *doc_add(struct doc *d, const struct face *face) _nonnull_all_;
/* The same with one text: foreign bytes, which are escaped (NULL: null)... */
void doc_put(struct doc *d, const struct face *face, const char *name) _nonnull_(1, 2);
/* The colour of the last fact. */
void doc_colour(struct doc *d, enum colour c) _nonnull_all_;
/* Facts that only JSON has: foreign bytes, which are escaped; words, in which that was done. */
void doc_name(struct doc *d, const char *key, const char *name) _nonnull_(1, 2);
struct buf *doc_words(struct doc *d, const char *key) _nonnull_all_;
void doc_number(struct doc *d, const char *key, int64_t number) _nonnull_all_;
void doc_truth(struct doc *d, const char *key, bool truth) _nonnull_all_;
/* What is added until doc_end() is in it. An element of an array has the key "". */
void doc_object(struct doc *d, const char *key) _nonnull_all_;
void doc_array(struct doc *d, const char *key) _nonnull_all_;
/* An array whose elements are objects, and rows. */
void doc_table(struct doc *d, const char *key, const struct face *columns, size_t n) _nonnull_all_;
void doc_end(struct doc *d) _nonnull_all_;
/* Logs each fact whose face has a level. 0 or -ENOMEM. */
int doc_say(const struct doc *d) _must_check_ _nonnull_all_;

/* ---- where it goes ---- */

enum output_flags {
	OUTPUT_COLOUR = 1 << 0,
	OUTPUT_LEGEND = 1 << 1,
	OUTPUT_UTF8 = 1 << 2,
	OUTPUT_JSON = 1 << 3,
};

struct output {
	enum output_flags flags;
	size_t width; /* of the terminal, 0 if it is none */
};

/* Looks at standard output and the environment (NO_COLOR, TERM, COLUMNS); `flags` may have
 * OUTPUT_LEGEND and OUTPUT_JSON. */
void output_init(struct output *ret, enum output_flags flags) _nonnull_all_;
/* Flushes; 0 or -errno (a full disk, a closed pipe). */
int output_end(void) _must_check_;
/* Renders the document on standard output. 0 or -ENOMEM. */
int doc_show(struct doc *d, const struct output *o) _must_check_ _nonnull_all_;
/* For people (show_text.c). */
void doc_show_text(const struct doc *d, const struct output *o) _nonnull_all_;
/* The text of a fact; *ret_len bytes of it. */
const char *doc_text(const struct doc *d, const struct fact *f, size_t *ret_len) _nonnull_all_;

#define _cleanup_doc_ _cleanup_(doc_done)
