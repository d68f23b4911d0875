/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* status: the most important thing first, then the facts. */
#include "prog/ctl.h"

#include "base/str.h"
#include "core/wording.h"
#include "sys/pkglock.h"
#include "sys/state.h"

#include <time.h>

struct status {
	struct pass pass;
	struct units units;
	size_t linked; /* candidates that have their link */
	size_t not_linked;
	size_t foreign;
	size_t by_gate[GATE_MAX];
	int daemon; /* its pid, or 0 */
	char *daemon_text;
	char *last_reload;
	struct lock_facts lock; /* who is at work on packages */
	int lock_error;
	char *lock_path;       /* if only the daemon's word is known */
	uint64_t waiting_usec; /* since when the daemon waits for it, 0: it does not */
	char *nobody;          /* answers: why, or NULL */
	char **unseen;
};

static void status_done(struct status *s)
{
	pass_done(&s->pass);
	units_done(&s->units);
	free(s->daemon_text);
	free(s->last_reload);
	free(s->lock_path);
	free(s->nobody);
	strv_free(s->unseen);
}

static void count(struct status *s)
{
	const struct pass *p = &s->pass;

	for (size_t i = 0; i < p->seen.n_candidates; i++) {
		bool now = false;
		const struct plan_link *l = ctl_link_of(p, &p->seen.candidates[i], &now);

		if (l && now && l->action == LINK_KEEP) {
			s->linked++;
			continue;
		}
		s->not_linked++;
		s->by_gate[p->plan.verdicts[i].gate]++;
	}
	for (size_t i = 0; i < p->plan.n_links; i++)
		s->foreign += p->plan.links[i].action == LINK_FOREIGN;
}

/* What an ordinary user cannot know is said, so that nobody takes the rest for all. */
static int find_unseen(struct ctl *c, struct status *s)
{
	size_t unreadable = 0;
	int r = 0;

	for (size_t i = 0; i < s->pass.seen.n_candidates; i++) {
		int error = s->pass.seen.candidates[i].facts.read_error;

		unreadable += error == EACCES || error == EPERM;
	}
	if (unreadable > 0) {
		_cleanup_free_ char *text = NULL;

		if (asprintf(&text, "the contents of %zu file%s that this user may not read",
			     unreadable, unreadable == 1 ? "" : "s") < 0) {
			text = NULL;
			return -ENOMEM;
		}
		r = strv_add(&s->unseen, text);
	}
	if (r >= 0 && geteuid() != 0)
		r = strv_add(&s->unseen, "whether a file is being written (only root can ask)");
	if (r >= 0 && s->lock_error && !s->lock.path)
		r = strv_add(&s->unseen,
			     "whether a package manager is at work (only root can ask)");
	if (r >= 0 && c->manager_error)
		r = strv_add(&s->unseen, "the service manager, which did not answer");
	return r;
}

/* Who holds a package manager's lock, as it is now; who may not ask has the daemon's word. */
static int look_lock(struct ctl *c, const char *daemon, struct status *s)
{
	_cleanup_free_ char *since = ctl_text_value(daemon, "held-since");
	_cleanup_free_ char *pid = NULL, *command = NULL;

	s->lock_error = pkglock_ask(&c->root, &s->lock);
	if (s->lock_error == -ENOMEM)
		return -ENOMEM;
	if (!since || (!s->lock_error && !s->lock.path))
		return 0;
	s->waiting_usec = strtoull(since, NULL, 10);
	if (!s->lock_error)
		return 0;
	s->lock_path = ctl_text_value(daemon, "held-lock");
	pid = ctl_text_value(daemon, "held-pid");
	command = ctl_text_value(daemon, "held-command");
	s->lock.path = s->lock_path;
	s->lock.pid = pid ? (int)strtol(pid, NULL, 10) : 0;
	(void)snprintf(s->lock.command, sizeof(s->lock.command), "%s", command ? command : "");
	return 0;
}

static int read_texts(struct ctl *c, struct status *s)
{
	_cleanup_free_ char *daemon = NULL;
	int r = ctl_last_reload(c, &s->last_reload);

	s->daemon = state_daemon_pid(&c->root);
	if (r >= 0 && s->daemon > 0 && state_read_text(&c->root, STATE_FILE_STATUS, &daemon) >= 0 &&
	    daemon)
		s->daemon_text = ctl_text_value(daemon, "state");
	return r < 0 ? r : look_lock(c, daemon, s);
}

static int status_look(struct ctl *c, struct status *s)
{
	int r = ctl_look(c, &s->pass);

	if (r >= 0)
		r = ctl_units(c, &s->pass, &s->units);
	if (r >= 0)
		r = ctl_nobody_answers(c, &s->nobody);
	if (r >= 0)
		r = read_texts(c, s);
	if (r < 0)
		return r;
	count(s);
	return find_unseen(c, s);
}

/* ---- the first line ---- */

/* If it is left undone, that is the gravest about it. */
static const char *owed_word(const struct units *u)
{
	static const char *const words[DECIDE_WHAT_MAX] = {
		[DECIDE_REFUSE] = ", and refused",
		[DECIDE_FORBIDDEN] = ", and forbidden by a policy",
		[DECIDE_GIVE_UP] = ", and was tried in vain",
	};

	for (size_t i = 0; i < u->n; i++)
		if (owed_is(&u->items[i].next.owed) && words[u->items[i].next.what])
			return words[u->items[i].next.what];
	return "";
}

/* Also at the next start, so that waiting for that is no cure. */
static bool lacks_hook(const struct units *u)
{
	for (size_t i = 0; i < u->n; i++)
		if (hook_find(&u->items[i].unit) > HOOK_NOT_YET)
			return true;
	return false;
}

static int headline(struct status *s, enum colour *ret_colour, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *trouble = NULL;
	const struct pass *p = &s->pass;
	size_t pending = ctl_pending(p);
	int r = wording_plan_trouble(&p->config, &p->seen, &p->plan, &trouble);

	if (r < 0)
		return r;
	*ret_colour = COLOUR_BAD;
	if (s->nobody)
		buf_add(&b, "NOBODY ANSWERS: ");
	buf_add(&b, s->nobody);
	for (size_t i = 0; i < p->plan.n_findings; i++) {
		_cleanup_free_ char *text = NULL;

		if (p->plan.findings[i].code != FINDING_UNTRUSTED_ENTRY)
			continue;
		r = wording_finding(&p->config, &p->plan.findings[i], &text);
		if (r < 0)
			return r;
		buf_add(&b, b.len > 0 ? "; " : "NOT SAFE: ");
		buf_add(&b, text);
	}
	for (char **m = p->plan.missed; m && *m; m++) {
		_cleanup_free_ char *why = NULL;

		r = ctl_missed_reason(p, *m, &why);
		if (r < 0)
			return r;
		buf_printf(&b, "%sPLUGIN %s HAS NO LINK: ", b.len > 0 ? "; " : "", *m);
		buf_add(&b, why);
	}
	if (*trouble)
		buf_add(&b, b.len > 0 ? "; " : "NOT KNOWN OR REFUSED: ");
	buf_add(&b, trouble);
	if (b.len > 0)
		return buf_take(&b, ret);
	*ret_colour = COLOUR_WARN;
	if (pending > 0)
		buf_printf(&b, "%zu change%s to be made (vsmtp-pluginctl plan shows %s)", pending,
			   pending == 1 ? " is" : "s are", pending == 1 ? "it" : "them");
	if (units_owed(&s->units))
		buf_printf(&b, "%sa reload is owed%s", b.len > 0 ? "; " : "links are right; ",
			   owed_word(&s->units));
	if (b.len == 0 && lacks_hook(&s->units)) {
		buf_add(&b, "links are right; the start hook is not in force");
	} else if (b.len == 0) {
		*ret_colour = COLOUR_GOOD;
		buf_add(&b, "in sync");
	}
	return buf_take(&b, ret);
}

/* ---- as text ---- */

static int links_words(const struct status *s, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	size_t n = 0;

	buf_escape(&b, s->pass.config.links);
	buf_printf(&b, ": %zu linked, %zu not linked", s->linked, s->not_linked);
	for (enum gate g = GATE_LINKED; g < GATE_MAX; g++) {
		if (s->by_gate[g] == 0)
			continue;
		buf_printf(&b, "%s%zu %s", n++ == 0 ? " (" : ", ", s->by_gate[g],
			   g == GATE_LINKED ? "pending" : gate_to_string(g));
	}
	buf_printf(&b, "%s, %zu foreign", n > 0 ? ")" : "", s->foreign);
	return buf_take(&b, ret);
}

static void add_time(struct buf *b, uint64_t usec)
{
	time_t seconds = (time_t)(usec / USEC_PER_SEC);
	char text[64];
	struct tm tm;

	if (usec > 0 && localtime_r(&seconds, &tm) &&
	    strftime(text, sizeof(text), "%a %Y-%m-%d %H:%M:%S %Z", &tm) > 0)
		buf_printf(b, " since %s", text);
}

static int unit_words(const struct status *s, size_t i, char **ret)
{
	const struct unit_facts *u = &s->units.items[i].unit;
	const struct decide_facts f = units_facts(&s->units, &s->pass, i);
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *next = NULL;
	int r = wording_decision(&f, &s->units.items[i].next, &next);

	if (r < 0)
		return r;
	buf_escape(&b, u->name);
	if (u->sub_state) {
		buf_add(&b, " ");
		buf_escape(&b, u->sub_state);
		add_time(&b, u->start_usec);
	}
	buf_add(&b, ": ");
	buf_add(&b, next);
	return buf_take(&b, ret);
}

static int print_remarks(struct ctl *c, const struct pass *p)
{
	for (size_t i = 0; i < p->plan.n_findings; i++) {
		_cleanup_free_ char *text = NULL;

		if (p->plan.findings[i].code == FINDING_UNTRUSTED_ENTRY)
			continue; /* the first line says it */
		if (wording_finding(&p->config, &p->plan.findings[i], &text) < 0)
			return -ENOMEM;
		output_warning(&c->output, p->plan.findings[i].trust.trust ? "Not safe" : "Link",
			       text);
	}
	for (size_t i = 0; i < p->remarks.n; i++) {
		_cleanup_free_ char *text = NULL;

		if (wording_remark(&p->remarks.items[i], &text) < 0)
			return -ENOMEM;
		output_field(&c->output, "Config", text);
	}
	return 0;
}

static int print_daemon(struct ctl *c, const struct status *s)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *text = NULL;

	if (s->daemon > 0)
		buf_printf(&b, "runs (pid %d)%s", s->daemon, s->daemon_text ? ": " : "");
	else
		buf_add(&b, "does not run");
	buf_add(&b, s->daemon > 0 ? s->daemon_text : NULL);
	if (buf_take(&b, &text) < 0)
		return -ENOMEM;
	output_field(&c->output, "Daemon", text);
	return 0;
}

static int print_lock(struct ctl *c, const struct status *s)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *lock = NULL, *text = NULL;

	if (!s->lock.path)
		return 0;
	if (wording_lock(&s->lock, &lock) < 0)
		return -ENOMEM;
	buf_add(&b, lock);
	if (s->waiting_usec > 0) {
		buf_add(&b, "; the daemon waits for it");
		add_time(&b, s->waiting_usec);
	} else if (s->daemon > 0) {
		buf_add(&b, "; the daemon does not wait for it");
	}
	if (buf_take(&b, &text) < 0)
		return -ENOMEM;
	output_field(&c->output, "Packages", text);
	return 0;
}

static int print_facts(struct ctl *c, const struct status *s)
{
	_cleanup_free_ char *server = NULL, *links = NULL;
	int r = wording_server(&s->pass.config, &s->pass.seen.server, &server);

	if (r >= 0)
		r = links_words(s, &links);
	if (r < 0)
		return r;
	output_field(&c->output, "Server", server);
	output_field(&c->output, "Links", links);
	for (size_t i = 0; i < s->units.n; i++) {
		_cleanup_free_ char *unit = NULL, *hook = NULL;

		r = unit_words(s, i, &unit);
		if (r >= 0)
			r = wording_hook(&s->units.items[i].unit, &hook);
		if (r < 0)
			return r;
		output_field(&c->output, "Unit", unit);
		if (*hook)
			output_warning(&c->output, "Hook", hook);
	}
	if (s->last_reload)
		output_field(&c->output, "Last reload", s->last_reload);
	r = print_daemon(c, s);
	if (r >= 0)
		r = print_lock(c, s);
	if (r >= 0)
		r = print_remarks(c, &s->pass);
	for (char **u = s->unseen; r >= 0 && u && *u; u++)
		output_field(&c->output, "Not seen", *u);
	return r;
}

static int print_status(struct ctl *c, struct status *s)
{
	_cleanup_free_ char *head = NULL;
	enum colour colour = COLOUR_NONE;
	int r = headline(s, &colour, &head);

	if (r < 0)
		return r;
	printf("%s%s ", output_colour(&c->output, colour),
	       c->output.flags & OUTPUT_UTF8 ? "\u25cf" : "*");
	output_wrap(&c->output, 2, colour, head);
	return print_facts(c, s);
}

/* ---- as JSON ---- */

static int doc_status(struct ctl *c, struct status *s)
{
	_cleanup_doc_ struct doc d = {0};
	_cleanup_free_ char *head = NULL;
	enum colour colour = COLOUR_NONE;
	struct json_object *o;
	int r = headline(s, &colour, &head);

	doc_init(&d, "status");
	if (r < 0)
		return r;
	doc_words(&d, d.top, "summary", head);
	doc_truth(&d, d.top, "in-sync", colour == COLOUR_GOOD);
	ctl_doc_server(&d, &s->pass);
	o = doc_object(&d, d.top, "links");
	doc_name(&d, o, "directory", s->pass.config.links);
	doc_number(&d, o, "linked", (int64_t)s->linked);
	doc_number(&d, o, "not-linked", (int64_t)s->not_linked);
	doc_number(&d, o, "foreign", (int64_t)s->foreign);
	doc_number(&d, o, "pending", (int64_t)ctl_pending(&s->pass));
	r = ctl_doc_units(&d, &s->pass, &s->units);
	if (r < 0)
		return r;
	doc_truth(&d, d.top, "owed", units_owed(&s->units));
	doc_words(&d, d.top, "nobody-answers", s->nobody);
	doc_words(&d, d.top, "last-reload", s->last_reload);
	o = doc_object(&d, d.top, "daemon");
	doc_number(&d, o, "pid", s->daemon);
	doc_words(&d, o, "text", s->daemon_text);
	o = doc_object(&d, d.top, "package-lock");
	doc_name(&d, o, "path", s->lock.path);
	doc_number(&d, o, "pid", s->lock.pid);
	doc_name(&d, o, "command", *s->lock.command ? s->lock.command : NULL);
	doc_number(&d, o, "waiting-since", (int64_t)s->waiting_usec);
	ctl_doc_trouble(c, &d, &s->pass);
	o = doc_array(&d, d.top, "not-seen");
	for (char **u = s->unseen; u && *u; u++)
		doc_add_words(&d, o, *u);
	return doc_print(&d);
}

int verb_status(struct ctl *c)
{
	_cleanup_(status_done) struct status s = {0};
	int r = status_look(c, &s);

	if (r >= 0)
		r = ctl_has(c, CTL_JSON) ? doc_status(c, &s) : print_status(c, &s);
	return r;
}
