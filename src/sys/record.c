/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/record.h"

#include "base/str.h"
#include "sys/state.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>

#define FORMAT "format 1\n"
#define FILE_LOADED "loaded-%s"
#define FILE_FORBIDDEN "reload-forbidden"
#define FILE_STARTS "starts"
#define FILE_ASKED "asked-by-daemon"
#define FILE_UNTOLD "untold"
#define UNTOLD_MAX_BYTES (256 * 1024)

/* *ret_body points into *ret_text behind the format, or is NULL. 0 or -ENOMEM. */
static int read_record(const struct root *r, const char *file, char **ret_text, char **ret_body)
{
	_cleanup_free_ char *text = NULL;
	int k = state_read_text(r, file, &text);

	if (k == -ENOMEM)
		return k;
	*ret_body = text && str_after(text, FORMAT) ? text + strlen(FORMAT) : NULL;
	*ret_text = TAKE_PTR(text);
	return 0;
}

/* Takes what is in b. */
static int write_record(const struct root *r, const char *file, struct buf *b)
{
	_cleanup_free_ char *body = NULL, *text = NULL;

	if (buf_take(b, &body) < 0 || asprintf(&text, FORMAT "%s", body) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return state_write_text(r, file, text);
}

/* One word that is the whole record. */
static int write_word(const struct root *r, const char *file, const char *word)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	buf_add(&b, word);
	return write_record(r, file, &b);
}

/* NULL if there is none. */
static int read_word(const struct root *r, const char *file, char **ret)
{
	_cleanup_free_ char *text = NULL;
	char *body;
	int k = read_record(r, file, &text, &body);

	if (k < 0)
		return k;
	if (body)
		body[strcspn(body, "\n")] = '\0';
	return str_replace(ret, body && *body ? body : NULL);
}

static int loaded_name(const char *unit, char *ret, size_t size)
{
	return strchr(unit, '/') || snprintf(ret, size, FILE_LOADED, unit) >= (int)size ? -EINVAL
											: 0;
}

#define LATE " late"

/* The first line is the invocation, the rest the set. */
static int split_loaded(const char *body, struct unit_facts *u)
{
	const char *id = str_after(body, "invocation "), *end = id ? strchr(id, '\n') : NULL;

	if (!end)
		return 0;
	free(u->record_invocation);
	u->record_invocation = strndup(id, strcspn(id, " \n"));
	u->record_late = str_after(id + strcspn(id, " \n"), LATE) != NULL;
	return u->record_invocation ? str_replace(&u->record, end + 1) : -ENOMEM;
}

int record_read_unit(const struct root *r, struct unit_facts *u)
{
	_cleanup_free_ char *text = NULL;
	char *body = NULL, file[NAME_MAX + 1];
	int k = loaded_name(unit_facts_id(u), file, sizeof(file));

	if (k >= 0)
		k = read_record(r, file, &text, &body);
	if (k >= 0 && body)
		k = split_loaded(body, u);
	if (k >= 0)
		k = read_word(r, FILE_FORBIDDEN, &u->forbidden);
	return k == -ENOMEM ? k : 0;
}

int record_write_loaded(const struct root *r, const char *unit, const char *invocation,
			const char *set, enum record_by by)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	char file[NAME_MAX + 1];
	int k = loaded_name(unit, file, sizeof(file));

	buf_printf(&b, "invocation %s%s\n", invocation, by == RECORD_BY_HOOK ? "" : LATE);
	buf_add(&b, set);
	return k < 0 ? k : write_record(r, file, &b);
}

int record_forbid(const struct root *r, const char *set)
{
	char fingerprint[LOADED_FINGERPRINT_SIZE] = "";

	if (set)
		loaded_fingerprint(set, fingerprint);
	return write_word(r, FILE_FORBIDDEN, fingerprint);
}

/* ---- our last starts ---- */

static const char *const results[START_RESULT_MAX] = {
	[START_BEGUN] = "begun",
	[START_DONE] = "done",
	[START_CANCELED] = "canceled",
	[START_FAILED] = "failed",
};

/* A line that is none is passed over. */
static void parse_start(char *line, struct starts *to)
{
	struct start s = {0};
	char *field[7];

	if (!str_fields(line, field, ELEMENTSOF(field)))
		return;
	s.result = (enum start_result)str_index(results, START_RESULT_MAX, field[3]);
	if (s.result == START_RESULT_MAX)
		return;
	s.usec = strtoull(field[0], NULL, 10);
	s.reload = str_eq(field[2], "reload");
	s.end_usec = strtoull(field[6], NULL, 10);
	(void)snprintf(s.unit, sizeof(s.unit), "%s", field[1]);
	(void)snprintf(s.replaced, sizeof(s.replaced), "%s", field[4]);
	(void)snprintf(s.set, sizeof(s.set), "%s", field[5]);
	starts_add(to, &s);
}

int record_read_starts(const struct root *r, struct starts *ret)
{
	_cleanup_free_ char *text = NULL;
	char *body, *line;
	int k = read_record(r, FILE_STARTS, &text, &body);

	if (k < 0)
		return k;
	*ret = (struct starts){0};
	while (body && (line = strsep(&body, "\n")))
		parse_start(line, ret);
	return 0;
}

int record_write_starts(const struct root *r, const struct starts *s)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t i = 0; i < s->n; i++) {
		const struct start *at = &s->items[i];

		buf_printf(&b, "%" PRIu64 "\t%s\t%s\t%s\t%s\t%s\t%" PRIu64 "\n", at->usec, at->unit,
			   at->reload ? "reload" : "restart", results[at->result], at->replaced,
			   at->set, at->end_usec);
	}
	return write_record(r, FILE_STARTS, &b);
}

/* ---- what the daemon asked about ---- */

int record_read_asked(const struct root *r, char **ret)
{
	return read_word(r, FILE_ASKED, ret);
}

int record_write_asked(const struct root *r, const char *fingerprint)
{
	return write_word(r, FILE_ASKED, fingerprint ? fingerprint : "");
}

/* ---- what nobody was told of ---- */

#define UNTOLD_FIELDS 7

/* ACTION FLAGS NAME PLUGIN TEXT WAS WHY, one line each, appended: a link is not kept waiting for
 * what was told before. */
int record_add_untold(const struct root *r, const struct outcome *o)
{
	_cleanup_close_ int dir = -EBADF, fd = -EBADF;
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct stat st;

	if (outcome_count(o, CHANGE_DONE) == 0 || r->run_is_foreign)
		return 0;
	dir = root_open_path(r, STATE_RUN_DIR, O_PATH | O_DIRECTORY);
	if (dir < 0)
		return dir;
	fd = openat(dir, FILE_UNTOLD, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > UNTOLD_MAX_BYTES)
		return 0;
	buf_add(&b, st.st_size == 0 ? FORMAT : "");
	for (size_t i = 0; i < o->n_changes; i++) {
		const struct change *c = &o->changes[i];
		const char *const texts[] = {c->name, c->key, c->text, c->was, c->why};

		if (c->result != CHANGE_DONE)
			continue;
		buf_printf(&b, "%d\t%d", c->action, c->renamed + 2 * c->restored);
		for (size_t j = 0; j < ELEMENTSOF(texts); j++) {
			buf_add(&b, "\t");
			buf_escape(&b, texts[j]);
		}
		buf_add(&b, "\n");
	}
	if (b.failed)
		return -ENOMEM;
	return write(fd, b.data, b.len) < 0 ? -errno : 0;
}

/* 0 (also for a line that is none) or -ENOMEM. */
static int parse_untold(char *line, struct outcome *to)
{
	struct change c = {0};
	const char **const texts[] = {&c.name, &c.key, &c.text, &c.was, &c.why};
	char *field[UNTOLD_FIELDS];
	long action, flags;

	if (!str_fields(line, field, ELEMENTSOF(field)))
		return 0;
	action = strtol(field[0], NULL, 10);
	flags = strtol(field[1], NULL, 10);
	if (action != LINK_CREATE && action != LINK_REPLACE && action != LINK_REMOVE)
		return 0;
	c.action = (enum link_action)action;
	c.renamed = flags & 1;
	c.restored = flags & 2;
	for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
		int k = str_unescape_here(field[2 + i]);

		if (k < 0)
			return k == -ENOMEM ? k : 0;
		*texts[i] = *field[2 + i] ? field[2 + i] : NULL;
	}
	return c.name ? outcome_join(to, &c) : 0;
}

int record_take_untold(const struct root *r, struct outcome *ret)
{
	_cleanup_(outcome_done) struct outcome o = {0};
	char *body = NULL, *line;
	int k = r->run_is_foreign ? 0 : read_record(r, FILE_UNTOLD, &o.texts, &body);
	bool known = body;

	while (body && k >= 0 && (line = strsep(&body, "\n")))
		k = parse_untold(line, &o);
	if (k >= 0 && known)
		k = fs_unlink(r, STATE_RUN_DIR "/" FILE_UNTOLD);
	if (k < 0)
		return k;
	*ret = TAKE(o);
	return 0;
}
