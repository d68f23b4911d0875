/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/report.h"

#include "base/str.h"
#include "core/wording.h"
#include "prog/log.h"
#include "sys/state.h"

#include <systemd/sd-daemon.h>

void report_done(struct report *r)
{
	free(r->said);
	free(r->status);
	free(r->file);
	*r = (struct report){0};
}

static int log_change(const struct pass *p, const struct change *ch, int where)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_free_ char *name = str_escape(ch->name), *target = str_escape(ch->text);
	_cleanup_free_ char *link_field = NULL, *target_field = NULL, *plugin_field = NULL;
	_cleanup_free_ char *gate_field = NULL;
	int level = ch->result == CHANGE_DONE     ? LOG_NOTICE
		    : ch->result == CHANGE_FAILED ? LOG_ERR
						  : LOG_INFO;

	word_change(&text, ch, p->config.links);
	if (text.failed || !name || !target || asprintf(&link_field, "VSMTP_LINK=%s", name) < 0 ||
	    asprintf(&target_field, "VSMTP_TARGET=%s", target) < 0 ||
	    asprintf(&plugin_field, "VSMTP_PLUGIN=%s", ch->key ? ch->key : "") < 0 ||
	    asprintf(&gate_field, "VSMTP_GATE=%s", ch->why ? ch->why : "") < 0)
		return -ENOMEM;
	log_fields(level | where, LOG_ID_LINK_CHANGED,
		   (const char *const[]){link_field, target_field, plugin_field, gate_field, NULL},
		   "%s", buf_text(&text));
	return 0;
}

int report_changes(const struct pass *p, enum report_where where)
{
	const struct outcome *o = &p->outcome;
	int to = where == REPORT_JOURNAL ? LOG_JOURNAL_ONLY : 0, k = 0;
	_cleanup_buf_ struct buf directory = BUF_INIT;

	for (size_t i = 0; k >= 0 && where != REPORT_ERRORS && i < o->n_changes; i++)
		k = log_change(p, &o->changes[i], to);
	word_directory(&directory, o, p->config.links);
	if (k < 0)
		return k;
	if (o->directory_error)
		log_msg(LOG_ERR, "%s", buf_text(&directory));
	else if (directory.len > 0 && where != REPORT_ERRORS)
		log_msg(LOG_NOTICE | to, "%s", buf_text(&directory));
	if (o->sync_error)
		log_errno(LOG_ERR, o->sync_error,
			  "The links are changed, but may not survive a crash: fsync");
	if (o->names_error)
		log_errno(LOG_WARNING, o->names_error,
			  "Cannot write the record of link names below " STATE_VAR_DIR);
	return 0;
}

/* ---- conditions: each is said when it comes, and known by its hash as long as it holds ---- */

struct saying {
	const struct report *report;
	uint64_t *now;
	size_t n;
	int error;
};

/* Is it new? */
static bool note(struct saying *s, uint64_t hash)
{
	const struct report *r = s->report;

	if (GROW(s->now, s->n) < 0)
		s->error = -ENOMEM;
	else
		s->now[s->n++] = hash;
	return r->n_said == 0 ||
	       !bsearch(&hash, r->said, r->n_said, sizeof(*r->said), str_hash_cmp);
}

/* What stands in the buffer, which is emptied. */
static void say(struct saying *s, int level, struct buf *b)
{
	const char *text = buf_text(b);

	if (b->failed)
		s->error = -ENOMEM;
	else if (b->len > 0 && note(s, str_hash(STR_HASH_INIT, text, b->len)))
		log_msg(level, "%s", text);
	buf_done(b);
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
	return text ? str_hash(hash, text, strlen(text) + 1) : hash;
}

/* What is merely of another version, or less preferred, is nobody's mistake. */
static int verdict_level(enum gate g)
{
	return g == GATE_VERSION_MISMATCH || g == GATE_SHADOWED || g == GATE_DISABLED ||
			       g == GATE_BEING_WRITTEN
		       ? LOG_INFO
		       : LOG_WARNING;
}

/* A store full of files that are no plugins is one sentence too many after this many. */
#define VERDICTS_SAID_MAX 1000

static void say_verdicts(struct saying *s, const struct pass *p)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	size_t new = 0;

	for (size_t i = 0; i < p->plan.n_verdicts; i++) {
		const struct candidate *k = &p->seen.candidates[i];
		const struct verdict *v = &p->plan.verdicts[i];
		uint64_t hash = str_hash(STR_HASH_INIT, &v->gate, sizeof(v->gate));

		if (v->gate == GATE_LINKED)
			continue;
		hash = hash_text(hash_text(hash, k->path), v->version);
		hash = hash_text(hash_text(hash, v->rival), p->seen.server.version);
		if (!note(s, hash) || ++new > VERDICTS_SAID_MAX)
			continue;
		buf_printf(&b, "%s is not linked (%s): ", k->path, gate_to_string(v->gate));
		word_verdict(&b, &p->config, &p->seen, k, v);
		log_msg(verdict_level(v->gate), "%s", buf_text(&b));
		buf_done(&b);
	}
	if (new > VERDICTS_SAID_MAX)
		log_msg(LOG_WARNING, "%zu more files are not linked; see vsmtp-pluginctl list",
			new - VERDICTS_SAID_MAX);
}

int report_pass(struct report *r, const struct pass *p)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct saying s = {.report = r};

	if (p->seen.held) /* half a transaction is no condition */
		return 0;
	word_server(&b, &p->config, &p->seen.server);
	say(&s, p->seen.server.state == SERVER_UNKNOWN ? LOG_ERR : LOG_INFO, &b);
	for (size_t i = 0; i < p->remarks.n; i++) {
		word_remark(&b, &p->remarks.items[i]);
		say(&s, LOG_WARNING, &b);
	}
	word_trouble(&b, &p->config, &p->seen, &p->plan);
	say(&s, LOG_ERR, &b);
	for (size_t i = 0; i < p->plan.n_findings; i++) {
		word_finding(&b, &p->config, &p->plan.findings[i]);
		say(&s, LOG_WARNING, &b);
	}
	say_verdicts(&s, p);
	if (s.error < 0) {
		free(s.now);
		return s.error;
	}
	qsort(s.now, s.n, sizeof(*s.now), str_hash_cmp);
	free(r->said);
	r->said = s.now;
	r->n_said = s.n;
	return 0;
}

static size_t count_linked(const struct pass *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->plan.n_links; i++)
		n += p->plan.links[i].action == LINK_KEEP ||
		     p->plan.links[i].action == LINK_CREATE ||
		     p->plan.links[i].action == LINK_REPLACE;
	return n;
}

static int state_line(const struct pass *p, const struct report_state *state, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	size_t linked = count_linked(p), before;

	if (state->held) {
		buf_add(&b, "waiting while ");
		word_lock(&b, state->held);
		buf_add(&b, "; ");
	}
	before = b.len;
	word_trouble(&b, &p->config, &p->seen, &p->plan);
	if (b.len > before)
		buf_add(&b, "; ");
	if (strv_len(p->plan.missed) > 0) {
		buf_add(&b, "no fitting build of ");
		for (char **m = p->plan.missed; *m; m++)
			buf_printf(&b, "%s%s", m == p->plan.missed ? "" : ", ", *m);
		buf_add(&b, "; ");
	}
	buf_printf(&b, "%zu plugin%s linked for ", linked, linked == 1 ? "" : "s");
	word_server(&b, &p->config, &p->seen.server);
	if (state->reload)
		buf_printf(&b, "; %s", state->reload);
	if (state->watch_error)
		buf_add(&b, "; looking by the clock (inotify limit reached)");
	return buf_take(&b, ret);
}

int report_state(struct report *r, const struct root *root, const struct pass *p,
		 const struct report_state *state)
{
	_cleanup_free_ char *line = NULL, *text = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	int k = state_line(p, state, &line);

	if (k < 0)
		return k;
	buf_printf(&b, "pid=%d\nstate=", (int)getpid());
	buf_add(&b, line);
	buf_printf(&b, "\nwatching=%s\n", state->watch_error ? "clock" : "inotify");
	if (state->held) {
		buf_printf(&b, "held-lock=%s\nheld-pid=%d\nheld-command=", state->held->path,
			   state->held->pid);
		buf_escape(&b, state->held->command);
		buf_printf(&b, "\nheld-since=%llu\n", (unsigned long long)state->held_since_usec);
	}
	k = buf_take(&b, &text);
	if (k < 0)
		return k;
	if (!str_eq(line, r->status)) {
		(void)sd_notifyf(0, "STATUS=%s", line);
		free(r->status);
		r->status = TAKE_PTR(line);
	}
	if (!str_eq(text, r->file)) {
		/* The status is a courtesy: a full /run must not stop the links. */
		k = state_write_text(root, STATE_FILE_STATUS, text);
		free(TAKE_PTR(r->file));
		if (k >= 0)
			r->file = TAKE_PTR(text);
	}
	return 0;
}
