/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON documents. json-c tells of failed allocations by NULL; that is remembered in the document,
 * so that whoever fills it need not ask at each key. */
#include "prog/output.h"

#include "base/str.h"

void doc_init(struct doc *d, const char *verb)
{
	*d = (struct doc){.top = json_object_new_object()};
	if (!d->top)
		d->failed = true;
	doc_number(d, d->top, "schema", OUTPUT_SCHEMA);
	doc_words(d, d->top, "verb", verb);
}

void doc_done(struct doc *d)
{
	(void)json_object_put(d->top);
	*d = (struct doc){0};
}

/* Takes the value over. */
static struct json_object *put(struct doc *d, struct json_object *at, const char *key,
			       struct json_object *value)
{
	if (at && value && json_object_object_add(at, key, value) >= 0)
		return value;
	(void)json_object_put(value);
	d->failed = true;
	return NULL;
}

static struct json_object *append(struct doc *d, struct json_object *array,
				  struct json_object *value)
{
	if (array && value && json_object_array_add(array, value) >= 0)
		return value;
	(void)json_object_put(value);
	d->failed = true;
	return NULL;
}

void doc_words(struct doc *d, struct json_object *at, const char *key, const char *words)
{
	if (words)
		(void)put(d, at, key, json_object_new_string(words));
	else if (!at || json_object_object_add(at, key, NULL) < 0)
		d->failed = true;
}

void doc_name(struct doc *d, struct json_object *at, const char *key, const char *name)
{
	_cleanup_free_ char *escaped = name ? str_escape(name) : NULL;

	if (name && !escaped)
		d->failed = true;
	doc_words(d, at, key, escaped);
}

void doc_number(struct doc *d, struct json_object *at, const char *key, int64_t number)
{
	(void)put(d, at, key, json_object_new_int64(number));
}

void doc_truth(struct doc *d, struct json_object *at, const char *key, bool truth)
{
	(void)put(d, at, key, json_object_new_boolean(truth));
}

struct json_object *doc_object(struct doc *d, struct json_object *at, const char *key)
{
	return put(d, at, key, json_object_new_object());
}

struct json_object *doc_array(struct doc *d, struct json_object *at, const char *key)
{
	return put(d, at, key, json_object_new_array());
}

struct json_object *doc_item(struct doc *d, struct json_object *array)
{
	return append(d, array, json_object_new_object());
}

void doc_add_words(struct doc *d, struct json_object *array, const char *words)
{
	(void)append(d, array, json_object_new_string(words ? words : ""));
}

void doc_add_name(struct doc *d, struct json_object *array, const char *name)
{
	_cleanup_free_ char *escaped = str_escape(name);

	if (escaped)
		doc_add_words(d, array, escaped);
	else
		d->failed = true;
}

int doc_print(struct doc *d)
{
	const char *text;

	if (d->failed)
		return -ENOMEM;
	text = json_object_to_json_string_ext(d->top, JSON_C_TO_STRING_PRETTY |
							      JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!text)
		return -ENOMEM;
	return puts(text) < 0 ? -EIO : 0;
}
