/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* status: the most important thing first, then the facts. */
#include "prog/ctl.h"

#include "sys/state.h"

#include <time.h>

enum {
	SUMMARY,
	LINKS,
	LAST_RELOAD,
	DAEMON,
	PACKAGES,
	NOT_SEEN,
};

static const struct face faces[] = {
	[SUMMARY] = {"summary", PLACE_LINE, SHOW_BULLET, .wrap = true, .indent = 2},
	[LINKS] = {NULL, PLACE_FIELD, "Links"},
	[LAST_RELOAD] = {"last-reload", PLACE_FIELD, "Last reload"},
	[DAEMON] = {NULL, PLACE_FIELD, "Daemon"},
	[PACKAGES] = {NULL, PLACE_FIELD, "Packages"},
	[NOT_SEEN] = {"", PLACE_FIELD, "Not seen"},
};

struct status {
	struct pass pass;
	struct units units;
	size_t linked; /* candidates that have their link */
	size_t not_linked;
	size_t foreign;
	size_t by_gate[GATE_MAX];
	int daemon; /* its pid, or 0 */
	char *daemon_text;
	struct lock_facts lock; /* who is at work on packages */
	char *lock_path;        /* if only the daemon's word is known */
	uint64_t waiting_usec;  /* since when the daemon waits for it, 0: it does not */
	struct buf nobody;      /* answers: why, or nothing */
};

static void status_done(struct status *s)
{
	pass_done(&s->pass);
	units_done(&s->units);
	free(s->daemon_text);
	free(s->lock_path);
	buf_done(&s->nobody);
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

/* Who holds a package manager's lock, as it is now; who may not ask has the daemon's word. */
static void look_lock(const char *daemon, struct status *s)
{
	_cleanup_free_ char *since = ctl_text_value(daemon, "held-since");
	_cleanup_free_ char *pid = NULL, *command = NULL;

	s->lock = s->units.lock;
	if (!since || (!s->units.lock_error && !s->lock.path))
		return;
	s->waiting_usec = strtoull(since, NULL, 10);
	if (!s->units.lock_error)
		return;
	s->lock_path = ctl_text_value(daemon, "held-lock");
	pid = ctl_text_value(daemon, "held-pid");
	command = ctl_text_value(daemon, "held-command");
	s->lock.path = s->lock_path;
	s->lock.pid = pid ? (int)strtol(pid, NULL, 10) : 0;
	(void)snprintf(s->lock.command, sizeof(s->lock.command), "%s", command ? command : "");
}

static void read_texts(struct ctl *c, struct status *s)
{
	_cleanup_free_ char *daemon = NULL;

	s->daemon = state_role_pid(&c->root, STATE_ROLE_DAEMON);
	if (s->daemon > 0 && state_read_text(&c->root, STATE_FILE_STATUS, &daemon) >= 0 && daemon)
		s->daemon_text = ctl_text_value(daemon, "state");
	look_lock(daemon, s);
}

static int status_look(struct ctl *c, struct status *s)
{
	int r = ctl_look(c, &s->pass);

	if (r >= 0)
		r = ctl_units(c, &s->pass, &s->units);
	if (r >= 0)
		r = ctl_word_nobody(&s->nobody, c);
	if (r < 0)
		return r;
	read_texts(c, s);
	count(s);
	return 0;
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

/* Whether mail will run is not seen before it does. */
static const char *between_states(const struct units *u)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->items[i].unit.state == UNIT_CHANGING)
			return u->items[i].unit.name;
	return NULL;
}

/* Returns its colour. */
static enum colour word_headline(struct buf *b, const struct status *s)
{
	const struct pass *p = &s->pass;
	size_t pending = plan_changes(&p->plan), start = b->len, before;
	const char *unit = between_states(&s->units);
	_cleanup_buf_ struct buf trouble = BUF_INIT;

	word_trouble(&trouble, &p->config, &p->seen, &p->plan);
	if (s->nobody.len > 0)
		buf_add(b, "NOBODY ANSWERS: ");
	buf_join(b, &s->nobody);
	for (size_t i = 0; i < p->plan.n_findings; i++) {
		if (p->plan.findings[i].code != FINDING_UNTRUSTED_ENTRY)
			continue;
		buf_add(b, b->len > start ? "; " : "NOT SAFE: ");
		word_finding(b, &p->config, &p->plan.findings[i]);
	}
	for (char **m = p->plan.missed; m && *m; m++) {
		buf_printf(b, "%sPLUGIN %s HAS NO LINK: ", b->len > start ? "; " : "", *m);
		ctl_word_missed(b, p, *m);
	}
	if (trouble.len > 0)
		buf_add(b, b->len > start ? "; " : "NOT KNOWN OR REFUSED: ");
	buf_join(b, &trouble);
	if (b->len > start)
		return COLOUR_BAD;
	before = b->len;
	if (pending > 0)
		buf_printf(b, "%zu change%s to be made (vsmtp-pluginctl plan shows %s)", pending,
			   pending == 1 ? " is" : "s are", pending == 1 ? "it" : "them");
	if (units_owed(&s->units))
		buf_printf(b, "%sa reload is owed%s", b->len > before ? "; " : "links are right; ",
			   owed_word(&s->units));
	if (b->len == before && lacks_hook(&s->units))
		buf_add(b, "links are right; the start hook is not in force");
	if (b->len == before && unit)
		buf_printf(b, "links are right; %s is starting, stopping or reloading", unit);
	if (b->len > before)
		return COLOUR_WARN;
	buf_add(b, "in sync");
	return COLOUR_GOOD;
}

/* ---- the facts ---- */

static void doc_links(struct doc *d, const struct status *s)
{
	struct buf *b;
	size_t n = 0;

	doc_object(d, "links");
	doc_name(d, "directory", s->pass.config.links);
	doc_number(d, "linked", (int64_t)s->linked);
	doc_number(d, "not-linked", (int64_t)s->not_linked);
	doc_number(d, "foreign", (int64_t)s->foreign);
	doc_number(d, "pending", (int64_t)plan_changes(&s->pass.plan));
	b = doc_add(d, &faces[LINKS]);
	buf_printf(b, "%s: %zu linked, %zu not linked", s->pass.config.links, s->linked,
		   s->not_linked);
	for (enum gate g = GATE_LINKED; g < GATE_MAX; g++)
		if (s->by_gate[g] > 0)
			buf_printf(b, "%s%zu %s", n++ == 0 ? " (" : ", ", s->by_gate[g],
				   g == GATE_LINKED ? "pending" : gate_to_string(g));
	buf_printf(b, "%s, %zu foreign", n > 0 ? ")" : "", s->foreign);
	doc_end(d);
}

static void doc_daemon(struct doc *d, const struct status *s)
{
	doc_object(d, "daemon");
	doc_number(d, "pid", s->daemon);
	buf_add(doc_words(d, "text"), s->daemon_text);
	if (s->daemon > 0)
		buf_printf(doc_add(d, &faces[DAEMON]), "runs (pid %d)%s", s->daemon,
			   s->daemon_text ? ": " : "");
	else
		buf_add(doc_add(d, &faces[DAEMON]), "does not run");
	buf_add(&d->text, s->daemon > 0 ? s->daemon_text : NULL);
	doc_end(d);
}

static void doc_lock(struct doc *d, const struct status *s)
{
	struct buf *b;

	doc_object(d, "package-lock");
	doc_name(d, "path", s->lock.path);
	doc_number(d, "pid", s->lock.pid);
	doc_name(d, "command", *s->lock.command ? s->lock.command : NULL);
	doc_number(d, "waiting-since", (int64_t)s->waiting_usec);
	b = doc_add(d, &faces[PACKAGES]);
	if (s->lock.path)
		word_lock(b, &s->lock);
	if (s->lock.path && s->waiting_usec > 0) {
		buf_add(b, "; the daemon waits for it");
		ctl_word_since(b, s->waiting_usec);
	} else if (s->lock.path && s->daemon > 0) {
		buf_add(b, "; the daemon does not wait for it");
	}
	doc_end(d);
}

/* What an ordinary user cannot know is said, so that nobody takes the rest for all. */
static void doc_unseen(struct doc *d, const struct ctl *c, const struct status *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->pass.seen.n_candidates; i++) {
		int error = s->pass.seen.candidates[i].facts.read_error;

		n += error == EACCES || error == EPERM;
	}
	doc_array(d, "not-seen");
	if (n > 0)
		buf_printf(doc_add(d, &faces[NOT_SEEN]),
			   "the contents of %zu file%s that this user may not read", n,
			   n == 1 ? "" : "s");
	if (geteuid() != 0)
		buf_add(doc_add(d, &faces[NOT_SEEN]),
			"whether a file is being written (only root can ask)");
	if (s->units.lock_error && !s->lock.path)
		buf_add(doc_add(d, &faces[NOT_SEEN]),
			"whether a package manager is at work (only root can ask)");
	if (c->manager_error)
		buf_add(doc_add(d, &faces[NOT_SEEN]), "the service manager, which did not answer");
	doc_end(d);
}

int verb_status(struct ctl *c)
{
	_cleanup_(status_done) struct status s = {0};
	_cleanup_doc_ struct doc d = {0};
	enum colour colour;
	int r = status_look(c, &s);

	if (r < 0)
		return r;
	ctl_doc_init(&d, c);
	colour = word_headline(doc_add(&d, &faces[SUMMARY]), &s);
	doc_colour(&d, colour);
	doc_truth(&d, "in-sync", colour == COLOUR_GOOD);
	ctl_doc_server(&d, &s.pass);
	doc_links(&d, &s);
	ctl_doc_units(&d, &s.pass, &s.units);
	doc_truth(&d, "owed", units_owed(&s.units));
	buf_join(doc_words(&d, "nobody-answers"), &s.nobody);
	ctl_word_last_reload(doc_add(&d, &faces[LAST_RELOAD]), c);
	doc_daemon(&d, &s);
	doc_lock(&d, &s);
	ctl_doc_trouble(&d, &s.pass);
	doc_unseen(&d, c, &s);
	return doc_show(&d, &c->output);
}
