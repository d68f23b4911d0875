/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/report.h"

#include "base/str.h"
#include "core/wording.h"
#include "prog/log.h"
#include "sys/state.h"

#include <systemd/sd-daemon.h>

void report_done(struct report *r)
{
	strv_free(r->said);
	free(r->status);
	free(r->file);
	*r = (struct report){0};
}

static int log_change(const struct pass *p, const struct change *ch)
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
	log_fields(level, LOG_ID_LINK_CHANGED,
		   (const char *const[]){link_field, target_field, plugin_field, gate_field, NULL},
		   "%s", buf_text(&text));
	return 0;
}

/* Adds what stands in the buffer as a line, with the level it is logged at in front, and empties it.
 */
static int add_line(char ***lines, int level, struct buf *b)
{
	_cleanup_free_ char *text = NULL, *line = NULL;

	if (b->len == 0)
		return b->failed ? -ENOMEM : 0;
	if (buf_take(b, &text) < 0 || asprintf(&line, "%d%s", level, text) < 0)
		return -ENOMEM;
	return strv_add(lines, line);
}

static int add_verdict(char ***lines, const struct pass *p, size_t i)
{
	const struct candidate *k = &p->seen.candidates[i];
	const struct verdict *v = &p->plan.verdicts[i];
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (v->gate == GATE_LINKED)
		return 0;
	buf_printf(&b, "%s is not linked (%s): ", k->path, gate_to_string(v->gate));
	word_verdict(&b, &p->config, &p->seen, k, v);
	/* What is merely of another version, or less preferred, is nobody's mistake. */
	return add_line(lines,
			v->gate == GATE_VERSION_MISMATCH || v->gate == GATE_SHADOWED ||
					v->gate == GATE_DISABLED || v->gate == GATE_BEING_WRITTEN
				? LOG_INFO
				: LOG_WARNING,
			&b);
}

/* A store full of files that are no plugins is one sentence too many after this many. */
#define VERDICTS_SAID_MAX 1000

static int add_verdicts(char ***lines, const struct pass *p)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	size_t n = 0, more = 0;

	for (size_t i = 0; i < p->plan.n_verdicts; i++) {
		int r = n < VERDICTS_SAID_MAX ? add_verdict(lines, p, i) : 0;

		if (r < 0)
			return r;
		more += n >= VERDICTS_SAID_MAX && p->plan.verdicts[i].gate != GATE_LINKED;
		n += p->plan.verdicts[i].gate != GATE_LINKED;
	}
	if (more > 0)
		buf_printf(&b, "%zu more files are not linked; see vsmtp-pluginctl list", more);
	return add_line(lines, LOG_WARNING, &b);
}

/* Every condition that holds now. */
static int conditions(const struct pass *p, char ***ret)
{
	_cleanup_strv_ char **lines = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r;

	word_server(&b, &p->config, &p->seen.server);
	r = add_line(&lines, p->seen.server.state == SERVER_UNKNOWN ? LOG_ERR : LOG_INFO, &b);
	for (size_t i = 0; r >= 0 && i < p->remarks.n; i++) {
		word_remark(&b, &p->remarks.items[i]);
		r = add_line(&lines, LOG_WARNING, &b);
	}
	word_trouble(&b, &p->config, &p->seen, &p->plan);
	if (r >= 0)
		r = add_line(&lines, LOG_ERR, &b);
	for (size_t i = 0; r >= 0 && i < p->plan.n_findings; i++) {
		word_finding(&b, &p->config, &p->plan.findings[i]);
		r = add_line(&lines, LOG_WARNING, &b);
	}
	if (r >= 0)
		r = add_verdicts(&lines, p);
	if (r < 0)
		return r;
	strv_sort(lines);
	*ret = TAKE_PTR(lines);
	return 0;
}

/* Both lists are sorted. */
static void log_new(char *const *now, char *const *before)
{
	for (; now && *now; now++) {
		int c = 1;

		while (before && *before && (c = strcmp(*before, *now)) < 0)
			before++;
		if (!before || !*before || c != 0)
			log_msg((*now)[0] - '0', "%s", *now + 1);
	}
}

int report_pass(struct report *r, const struct pass *p)
{
	_cleanup_strv_ char **now = NULL;
	int k = 0;

	for (size_t i = 0; k >= 0 && i < p->outcome.n_changes; i++)
		k = log_change(p, &p->outcome.changes[i]);
	if (k < 0)
		return k;
	if (p->outcome.directory == PLAN_DIRECTORY_MAKE && !p->outcome.directory_error)
		log_msg(LOG_NOTICE, "made %s", p->config.links);
	if (p->outcome.directory == PLAN_DIRECTORY_TAKE_OVER && !p->outcome.directory_error)
		log_msg(LOG_NOTICE, "took %s over: it belongs to root now, mode 0755",
			p->config.links);
	if (p->outcome.directory_error) {
		_cleanup_buf_ struct buf b = BUF_INIT;

		word_directory_error(&b, &p->outcome, p->config.links);
		log_msg(LOG_ERR, "%s", buf_text(&b));
	}
	if (p->outcome.sync_error)
		log_errno(LOG_ERR, p->outcome.sync_error, "Cannot write %s to disk",
			  p->config.links);
	if (p->outcome.names_error)
		log_errno(LOG_WARNING, p->outcome.names_error,
			  "Cannot write the record of link names below " STATE_VAR_DIR);
	if (p->seen.held) /* half a transaction is no condition */
		return 0;
	k = conditions(p, &now);
	if (k < 0)
		return k;
	log_new(now, r->said);
	strv_free(r->said);
	r->said = TAKE_PTR(now);
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
