/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/record.h"

#include "base/str.h"
#include "core/wording.h"
#include "sys/state.h"

#include <fcntl.h>
#include <inttypes.h>

#define FORMAT "format 1\n"
#define FILE_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define FORBIDDEN STATE_RUN_DIR "/reload-forbidden"
#define STARTS STATE_RUN_DIR "/starts"
#define ASKED STATE_RUN_DIR "/asked-by-daemon"
#define UNTOLD "untold"
#define UNTOLD_MAX_BYTES (256 * 1024)

/* *ret_body points into *ret_text behind the format, or is NULL. 0 or -ENOMEM. */
static int read_record(const struct root *r, const char *path, char **ret_text, char **ret_body)
{
	_cleanup_free_ char *text = NULL;
	int k = fs_read(r, path, FILE_MAX_BYTES, &text, NULL);

	if (k == -ENOMEM)
		return k;
	*ret_body = k >= 0 && str_after(text, FORMAT) ? text + strlen(FORMAT) : NULL;
	*ret_text = TAKE_PTR(text);
	return 0;
}

static int write_record(const struct root *r, const char *path, const char *body)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	int k;

	buf_add(&b, FORMAT);
	buf_add(&b, body);
	k = buf_take(&b, &text);
	return k < 0 ? k : fs_write(r, path, text, 0644, FS_WRITE_VOLATILE);
}

/* One word that is the whole record; NULL if there is none. */
static int read_word(const struct root *r, const char *path, char **ret)
{
	_cleanup_free_ char *text = NULL;
	char *body;
	int k = read_record(r, path, &text, &body);

	if (k < 0)
		return k;
	if (body)
		body[strcspn(body, "\n")] = '\0';
	return str_replace(ret, body && *body ? body : NULL);
}

static int loaded_path(const char *unit, char **ret)
{
	if (strchr(unit, '/'))
		return -EINVAL;
	if (asprintf(ret, STATE_RUN_DIR "/loaded-%s", unit) < 0) {
		*ret = NULL;
		return -ENOMEM;
	}
	return 0;
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
	_cleanup_free_ char *path = NULL, *text = NULL;
	char *body = NULL;
	int k = loaded_path(unit_facts_id(u), &path);

	if (k >= 0)
		k = read_record(r, path, &text, &body);
	if (k >= 0 && body)
		k = split_loaded(body, u);
	if (k >= 0)
		k = read_word(r, FORBIDDEN, &u->forbidden);
	return k == -ENOMEM ? k : 0;
}

int record_write_loaded(const struct root *r, const char *unit, const char *invocation,
			const char *set, enum record_by by)
{
	_cleanup_free_ char *path = NULL, *body = NULL;
	int k = loaded_path(unit, &path);

	if (k < 0)
		return k;
	if (asprintf(&body, "invocation %s%s\n%s", invocation, by == RECORD_BY_HOOK ? "" : LATE,
		     set) < 0) {
		body = NULL;
		return -ENOMEM;
	}
	return write_record(r, path, body);
}

int record_forbid(const struct root *r, const char *set)
{
	char fingerprint[LOADED_FINGERPRINT_SIZE] = "";

	if (set)
		loaded_fingerprint(set, fingerprint);
	return write_record(r, FORBIDDEN, fingerprint);
}

/* ---- our last starts ---- */

static const char *const results[START_RESULT_MAX] = {
	[START_BEGUN] = "begun",
	[START_DONE] = "done",
	[START_CANCELED] = "canceled",
	[START_FAILED] = "failed",
};

/* 0 (also for a line that is none) or -ENOMEM. */
static int parse_start(char *line, struct starts *to)
{
	_cleanup_(start_done) struct start s = {.result = START_RESULT_MAX};
	char *word[7], *save = NULL, *at = line;

	for (size_t i = 0; i < ELEMENTSOF(word); i++, at = NULL) {
		word[i] = strtok_r(at, "\t", &save);
		if (!word[i])
			return 0;
	}
	for (size_t i = 0; i < START_RESULT_MAX; i++)
		if (str_eq(word[3], results[i]))
			s.result = (enum start_result)i;
	if (s.result == START_RESULT_MAX)
		return 0;
	s.usec = strtoull(word[0], NULL, 10);
	s.reload = str_eq(word[2], "reload");
	s.end_usec = strtoull(word[6], NULL, 10);
	if (str_unescape(word[1], strlen(word[1]), &s.unit) < 0 ||
	    str_replace(&s.replaced, word[4]) < 0 || str_replace(&s.set, word[5]) < 0)
		return -ENOMEM;
	starts_add(to, &s);
	return 0;
}

int record_read_starts(const struct root *r, struct starts *ret)
{
	_cleanup_(starts_done) struct starts s = {0};
	_cleanup_free_ char *text = NULL;
	char *body, *save = NULL;
	int k = read_record(r, STARTS, &text, &body);

	for (char *line = k >= 0 && body ? strtok_r(body, "\n", &save) : NULL; line && k >= 0;
	     line = strtok_r(NULL, "\n", &save))
		k = parse_start(line, &s);
	if (k < 0)
		return k;
	*ret = s;
	s = (struct starts){0};
	return 0;
}

int record_write_starts(const struct root *r, const struct starts *s)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *body = NULL;
	int k;

	for (size_t i = 0; i < s->n; i++) {
		const struct start *at = &s->items[i];

		buf_printf(&b, "%" PRIu64 "\t", at->usec);
		buf_escape(&b, at->unit);
		buf_printf(&b, "\t%s\t%s\t%s\t%s\t%" PRIu64 "\n", at->reload ? "reload" : "restart",
			   results[at->result], *at->replaced ? at->replaced : "-", at->set,
			   at->end_usec);
	}
	k = buf_take(&b, &body);
	return k < 0 ? k : write_record(r, STARTS, body);
}

/* ---- what the daemon asked about ---- */

int record_read_asked(const struct root *r, char **ret)
{
	return read_word(r, ASKED, ret);
}

int record_write_asked(const struct root *r, const char *fingerprint)
{
	return write_record(r, ASKED, fingerprint ? fingerprint : "");
}

/* ---- what nobody was told of ---- */

static const enum link_action told_actions[] = {LINK_CREATE, LINK_REPLACE, LINK_REMOVE};

/* ACTION FLAGS NAME PLUGIN TEXT WAS WHY, one line each, appended: a link is not kept waiting for
 * what was told before. */
int record_add_untold(const struct root *r, const struct outcome *o)
{
	_cleanup_close_ int dir = -EBADF, fd = -EBADF;
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct stat st;
	int k = 0;

	if (outcome_count(o, CHANGE_DONE) == 0 || r->run_is_foreign)
		return 0;
	dir = root_open_path(r, STATE_RUN_DIR, O_PATH | O_DIRECTORY);
	if (dir < 0)
		return dir;
	fd = openat(dir, UNTOLD, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
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
		buf_printf(&b, "%s\t%d", link_action_to_string(c->action),
			   c->renamed + 2 * c->restored);
		for (size_t j = 0; j < ELEMENTSOF(texts); j++) {
			buf_add(&b, "\t");
			buf_escape(&b, texts[j]);
		}
		buf_add(&b, "\n");
	}
	if (b.failed)
		return -ENOMEM;
	k = write(fd, b.data, b.len) < 0 ? -errno : 0;
	return k;
}

/* 0 (also for a line that is none) or -ENOMEM. */
static int parse_untold(char *line, struct outcome *to)
{
	_cleanup_(change_done) struct change c = {0};
	char **const texts[] = {&c.name, &c.key, &c.text, &c.was, &c.why};
	const char *action = strsep(&line, "\t"), *flag = strsep(&line, "\t");
	int flags;

	for (size_t i = 0; i < ELEMENTSOF(told_actions); i++)
		if (str_eq(action, link_action_to_string(told_actions[i])))
			c.action = told_actions[i];
	flags = flag ? (int)strtol(flag, NULL, 10) : 0;
	c.renamed = flags & 1;
	c.restored = flags & 2;
	for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
		const char *text = strsep(&line, "\t");
		int k = text && *text ? str_unescape(text, strlen(text), texts[i]) : 0;

		if (k == -ENOMEM)
			return k;
	}
	return c.name && c.action != LINK_KEEP ? outcome_join(to, &c) : 0;
}

int record_take_untold(const struct root *r, struct outcome *ret)
{
	_cleanup_(outcome_done) struct outcome o = {0};
	_cleanup_free_ char *text = NULL;
	char *body = NULL, *save = NULL;
	int k = r->run_is_foreign ? 0 : read_record(r, STATE_RUN_DIR "/" UNTOLD, &text, &body);

	for (char *line = body ? strtok_r(body, "\n", &save) : NULL; line && k >= 0;
	     line = strtok_r(NULL, "\n", &save))
		k = parse_untold(line, &o);
	if (k >= 0 && body)
		k = fs_unlink(r, STATE_RUN_DIR "/" UNTOLD);
	if (k < 0)
		return k;
	*ret = o;
	o = (struct outcome){0};
	return 0;
}
