/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/loaded.h"

#include "base/str.h"

#include <inttypes.h>

static const char *const owed_why_codes[OWED_WHY_MAX] = {
	[OWED_NOTHING] = "nothing",     [OWED_NOT_RUNNING] = "not-running",
	[OWED_NOT_KNOWN] = "not-known", [OWED_SET_CHANGED] = "set-changed",
	[OWED_NEWER] = "newer",         [OWED_REQUESTED] = "requested"};
DEFINE_TO_STRING(owed_why, owed_why_codes);

void owed_done(struct owed *o)
{
	free(o->detail);
	*o = (struct owed){0};
}

static void add_line(struct buf *b, const char *name, const char *resolved, const char *identity)
{
	buf_escape(b, name);
	buf_add(b, "\t");
	buf_escape(b, resolved);
	buf_add(b, "\t");
	buf_escape(b, identity);
	buf_add(b, "\n");
}

/* Stands where what the entry leads to would. An escaped text that begins so is no path. */
#define UNSEEN "unseen"

/* A name cannot be empty, so the program's line, first and nameless, is no link's. */
int loaded_set_make(const struct snapshot *s, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (s->server.program.resolved)
		add_line(&b, "", s->server.program.resolved, s->server.program.identity);
	for (size_t i = 0; i < s->links.n; i++) {
		const struct link *l = &s->links.items[i];

		if (l->dangling)
			continue;
		if (l->resolved)
			add_line(&b, l->name, l->resolved, l->identity);
		else
			add_line(&b, l->name, UNSEEN, "");
	}
	return buf_take(&b, ret);
}

void loaded_fingerprint(const char *set, char ret[LOADED_FINGERPRINT_SIZE])
{
	(void)snprintf(ret, LOADED_FINGERPRINT_SIZE, "%016" PRIx64,
		       str_hash(STR_HASH_INIT, set, strlen(set)));
}

/* A detail names the first few things that differ, and counts the others. */
#define NAMED_MAX 5

struct detail {
	struct buf text;
	size_t n;
};

/* `name` is escaped already; the program's is empty. */
static void name_thing(struct detail *d, const char *name, size_t len, const char *word)
{
	if (d->n++ >= NAMED_MAX)
		return;
	if (d->text.len > 0)
		buf_add(&d->text, ", ");
	if (len == 0)
		buf_add(&d->text, "the program");
	else
		buf_add_len(&d->text, name, len);
	buf_printf(&d->text, " %s", word);
}

static int take_detail(struct detail *d, char **ret)
{
	if (d->n > NAMED_MAX)
		buf_printf(&d->text, " and %zu more", d->n - NAMED_MAX);
	return buf_take(&d->text, ret);
}

static size_t line_length(const char *p)
{
	return strcspn(p, "\n");
}

static size_t name_length(const char *p)
{
	return strcspn(p, "\t\n");
}

/* Orders two lines by their names. */
static int compare_names(const char *a, const char *b)
{
	size_t n = name_length(a), m = name_length(b);
	int c = memcmp(a, b, MIN(n, m));

	if (c)
		return c;
	return n < m ? -1 : n > m;
}

static const char *next_line(const char *p)
{
	p += line_length(p);
	return *p ? p + 1 : p;
}

static bool is_unseen(const char *line)
{
	return str_after(line + name_length(line), "\t" UNSEEN "\t") != NULL;
}

/* Two lines of one name: does the server have something else than it would load now? */
static bool differ(const char *was, const char *is)
{
	size_t n = line_length(was);

	if (is_unseen(was) || is_unseen(is))
		return false;
	return n != line_length(is) || memcmp(was, is, n) != 0;
}

/* Both texts are sorted by name: escaping keeps the order of plain names, and where it does not, a
 * line is merely named as both removed and added. */
static int describe_difference(const char *was, const char *is, char **ret)
{
	struct detail d = {0};

	while (*was || *is) {
		int c = !*was ? 1 : !*is ? -1 : compare_names(was, is);

		if (c < 0) {
			name_thing(&d, was, name_length(was), "removed");
			was = next_line(was);
		} else if (c > 0) {
			name_thing(&d, is, name_length(is), "added");
			is = next_line(is);
		} else {
			if (differ(was, is))
				name_thing(&d, is, name_length(is), "changed");
			was = next_line(was);
			is = next_line(is);
		}
	}
	return take_detail(&d, ret);
}

/* Without a record of this start the times have to do: what is newer than it was not loaded. */
static int describe_newer(const struct snapshot *s, int64_t start_nsec, char **ret)
{
	struct detail d = {0};

	if (s->server.program.resolved && s->server.program.signature.ctime_nsec > start_nsec)
		name_thing(&d, "", 0, "newer");
	for (size_t i = 0; i < s->links.n; i++) {
		const struct link *l = &s->links.items[i];
		_cleanup_free_ char *name = NULL;

		if (l->dangling ||
		    (l->ctime_nsec <= start_nsec && l->target_ctime_nsec <= start_nsec))
			continue;
		name = str_escape(l->name);
		if (!name)
			d.text.failed = true;
		else
			name_thing(&d, name, strlen(name), "newer");
	}
	return take_detail(&d, ret);
}

enum hook_state hook_find(const struct unit_facts *u)
{
	if (u->state != UNIT_ACTIVE || !u->invocation || u->start_usec == 0 ||
	    (str_eq(u->invocation, u->record_invocation) && !u->record_late))
		return HOOK_RAN;
	if (!u->hook)
		return HOOK_MISSING;
	if (u->own_root)
		return HOOK_HIDDEN;
	return u->hook_ended ? HOOK_FAILED : HOOK_NOT_YET;
}

int owed_find(const struct unit_facts *u, const struct snapshot *s, const char *set,
	      struct owed *ret)
{
	struct owed o = {.why = OWED_NOTHING};
	int64_t start_nsec = (int64_t)(u->start_usec * NSEC_PER_USEC);
	bool recorded = u->record && u->invocation && str_eq(u->invocation, u->record_invocation);
	int r = 0;

	if (u->state == UNIT_NO_MANAGER || u->state == UNIT_UNKNOWN) {
		o.why = OWED_NOT_KNOWN;
	} else if (u->state != UNIT_ACTIVE && u->state != UNIT_CHANGING) {
		o.why = OWED_NOT_RUNNING;
	} else if (recorded || u->start_usec > 0) {
		r = recorded ? describe_difference(u->record, set, &o.detail)
			     : describe_newer(s, start_nsec, &o.detail);
		if (r < 0)
			return r;
		if (*o.detail)
			o.why = recorded ? OWED_SET_CHANGED : OWED_NEWER;
		else
			free(TAKE_PTR(o.detail));
	}
	*ret = o;
	return 0;
}
