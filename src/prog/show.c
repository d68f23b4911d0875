/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/show.h"

#include "prog/log.h"

#include <inttypes.h>

static struct fact *add(struct doc *d, enum fact_kind kind, const char *key)
{
	if (GROW(d->facts, d->n) < 0) {
		d->text.failed = true;
		return NULL;
	}
	d->facts[d->n] =
		(struct fact){.kind = kind, .key = key, .hidden = d->hidden, .at = d->text.len};
	return &d->facts[d->n++];
}

void doc_init(struct doc *d, const char *verb)
{
	doc_object(d, "");
	doc_number(d, "schema", SHOW_SCHEMA);
	doc_name(d, "verb", verb);
}

void doc_done(struct doc *d)
{
	free(d->facts);
	buf_done(&d->text);
	*d = (struct doc){0};
}

struct buf *doc_add(struct doc *d, const struct face *face)
{
	struct fact *f = add(d, FACT_TEXT, face->key);

	if (f) {
		f->face = face;
		f->colour = face->colour;
	}
	return &d->text;
}

void doc_put(struct doc *d, const struct face *face, const char *name)
{
	buf_escape(doc_add(d, face), name);
}

void doc_colour(struct doc *d, enum colour c)
{
	if (d->n > 0)
		d->facts[d->n - 1].colour = c;
}

void doc_name(struct doc *d, const char *key, const char *name)
{
	struct fact *f = add(d, FACT_TEXT, key);

	if (f)
		f->said = name != NULL;
	buf_escape(&d->text, name);
}

struct buf *doc_words(struct doc *d, const char *key)
{
	(void)add(d, FACT_TEXT, key);
	return &d->text;
}

void doc_number(struct doc *d, const char *key, int64_t number)
{
	struct fact *f = add(d, FACT_NUMBER, key);

	if (f)
		f->number = number;
}

void doc_truth(struct doc *d, const char *key, bool truth)
{
	struct fact *f = add(d, FACT_TRUTH, key);

	if (f)
		f->number = truth;
}

void doc_object(struct doc *d, const char *key)
{
	(void)add(d, FACT_OBJECT, key);
}

void doc_array(struct doc *d, const char *key)
{
	(void)add(d, FACT_ARRAY, key);
}

void doc_table(struct doc *d, const char *key, const struct face *columns, size_t n)
{
	struct fact *f = add(d, FACT_ARRAY, key);

	if (f) {
		f->face = columns;
		f->number = (int64_t)n;
	}
}

void doc_end(struct doc *d)
{
	(void)add(d, FACT_END, NULL);
}

const char *doc_text(const struct doc *d, const struct fact *f, size_t *ret_len)
{
	size_t end = f + 1 < d->facts + d->n ? f[1].at : d->text.len;

	*ret_len = end - f->at;
	return buf_text(&d->text) + f->at;
}

int doc_say(const struct doc *d)
{
	for (size_t i = 0; i < d->n && !d->text.failed; i++) {
		const struct face *face = d->facts[i].face;
		size_t len;
		const char *text = doc_text(d, &d->facts[i], &len);

		if (d->facts[i].kind == FACT_TEXT && face && face->level && len > 0)
			log_msg(face->level, "%.*s", (int)len, text);
	}
	return d->text.failed ? -ENOMEM : 0;
}

/* ---- JSON ---- */

static void print_json_text(const char *text, size_t len)
{
	putchar('"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20)
			printf("\\u%04x", c);
		else if (c == '"' || c == '\\')
			printf("\\%c", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void print_json_value(const struct doc *d, const struct fact *f)
{
	size_t len;
	const char *text = doc_text(d, f, &len);

	if (f->kind == FACT_OBJECT || f->kind == FACT_ARRAY)
		putchar(f->kind == FACT_OBJECT ? '{' : '[');
	else if (f->kind == FACT_NUMBER)
		printf("%" PRId64, f->number);
	else if (f->kind == FACT_TRUTH)
		fputs(f->number ? "true" : "false", stdout);
	else if (len == 0 && !f->said)
		fputs("null", stdout);
	else
		print_json_text(text, len);
}

/* How deep documents are nested: units in the top object, gates of candidates. */
#define DEPTH_MAX 8

static void show_json(const struct doc *d)
{
	enum fact_kind open[DEPTH_MAX];
	size_t depth = 0;
	bool first = true;

	for (const struct fact *f = d->facts; f < d->facts + d->n; f++) {
		if (f->kind == FACT_END) {
			depth--;
			printf("\n%*s%c", (int)depth * 2, "",
			       open[depth] == FACT_OBJECT ? '}' : ']');
			first = false;
			continue;
		}
		if (!f->key)
			continue;
		if (depth > 0)
			printf("%s\n%*s", first ? "" : ",", (int)depth * 2, "");
		if (*f->key)
			printf("\"%s\":", f->key);
		print_json_value(d, f);
		first = f->kind == FACT_OBJECT || f->kind == FACT_ARRAY;
		if (first && depth < DEPTH_MAX)
			open[depth++] = f->kind;
	}
	putchar('\n');
}

int doc_show(struct doc *d, const struct output *o)
{
	doc_end(d);
	if (d->text.failed)
		return -ENOMEM;
	if (o->flags & OUTPUT_JSON)
		show_json(d);
	else
		doc_show_text(d, o);
	return 0;
}
