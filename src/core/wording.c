/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words for the configuration, plans and changes. */
#include "core/wording.h"

void word_verdict(struct buf *b, const struct config *c, const struct snapshot *s,
		  const struct candidate *k, const struct verdict *v)
{
	word_gate(b, &(struct gate_case){.c = c, .server = &s->server, .k = k, .s = s, .v = v},
		  v->gate);
}

/* ---- the configuration ---- */

static void add_cause(struct buf *b, const struct config_remark *r)
{
	static const char *const causes[CONFIG_PROBLEM_MAX] = {
		[CONFIG_UNKNOWN_SECTION] = "no such section",
		[CONFIG_UNKNOWN_KEY] = "no such key",
		[CONFIG_BAD_VALUE] = "bad value",
		[CONFIG_NO_SECTION] = "stands before any [Section]",
		[CONFIG_NOT_A_LINE] = "neither a comment, nor a [Section], nor KEY=VALUE",
		[CONFIG_BAD_PLUGIN] = "no NAME of a plugin (letters, digits, \"-\" and \"_\")",
		[CONFIG_NUL_BYTE] = "the line holds a NUL byte",
		[CONFIG_LEADS_NOWHERE] = "could not be read: ",
		[CONFIG_NOT_READ] = "could not be read: ",
		[CONFIG_NOT_REGULAR] = "not a regular file",
	};

	buf_add(b, causes[r->problem]);
	if (r->problem == CONFIG_LEADS_NOWHERE || r->problem == CONFIG_NOT_READ) {
		word_error(b, r->error);
	} else if (r->problem == CONFIG_UNTRUSTED) {
		word_trust(b, &r->trust);
		buf_add(b, "; cure: ");
		word_trust_cure(b, true, &r->trust);
	}
}

/* FILE:LINE: [Section] KEY=VALUE: cause; what is used instead. */
void word_remark(struct buf *b, const struct config_remark *r)
{
	const char *equals = r->key ? "=" : "";

	buf_escape(b, r->file);
	if (r->line > 0)
		buf_printf(b, ":%u", r->line);
	buf_add(b, ": ");
	if (r->section)
		buf_printf(b, "[%s] ", r->section);
	buf_printf(b, "%s%s%s%s", r->key, equals, r->value, r->key || r->value ? ": " : "");
	add_cause(b, r);
	if (r->used)
		buf_printf(b, "; in force is %s%s%s", r->key, equals, r->used);
	else if (r->problem != CONFIG_NOT_READ && r->problem != CONFIG_UNTRUSTED)
		buf_add(b, "; ignored");
	buf_add(b, "; see plugind.conf(5)");
}

/* ---- changes ---- */

void word_change(struct buf *b, const struct change *ch, const char *links)
{
	static const char *const verbs[LINK_ACTION_MAX] = {
		[LINK_CREATE] = "made",
		[LINK_REPLACE] = "changed",
		[LINK_REMOVE] = "removed",
	};
	bool done = ch->result == CHANGE_DONE;

	buf_printf(b, done ? "%s %s/%s" : "not %s: %s/%s", verbs[ch->action], links, ch->name);
	if (ch->text)
		buf_printf(b, " -> %s", ch->text);
	if (ch->was)
		buf_printf(b, " (led to %s)", ch->was);
	if (ch->action == LINK_REMOVE && done)
		buf_printf(b, ": %s",
			   ch->cleaned   ? "by vsmtp-pluginctl clean"
			   : ch->renamed ? "the plugin's link has another name now"
			   : ch->why     ? ch->why
					 : "no file of this plugin is left");
	if (ch->restored && ch->key && done)
		buf_printf(b,
			   ": somebody had deleted it; to turn the plugin off for good: "
			   "vsmtp-pluginctl disable %s",
			   ch->key);
	if (ch->result == CHANGE_MOVED) {
		buf_add(b, ": it changed while we looked; the next pass sees to it");
	} else if (ch->result == CHANGE_FAILED) {
		buf_add(b, ": ");
		word_error(b, ch->error);
	}
}

void word_future(struct buf *b, enum link_action a, const char *it)
{
	if (a == LINK_REMOVE)
		buf_printf(b, "a pass removes %s", it);
	else if (a == LINK_REPLACE)
		buf_printf(b, "a pass points %s elsewhere", it);
	else if (a == LINK_HOLD)
		buf_printf(b, "%s stays while not all is known", it);
}

void word_directory(struct buf *b, const struct outcome *o, const char *links)
{
	if (o->directory_error)
		buf_printf(b, "Cannot %s the links directory %s: ",
			   o->directory == PLAN_DIRECTORY_MAKE        ? "make"
			   : o->directory == PLAN_DIRECTORY_TAKE_OVER ? "take over"
								      : "enter",
			   links);
	if (o->directory_error == ESTALE)
		buf_add(b, "somebody put another in its place while we looked; the next pass sees "
			   "to it");
	else if (o->directory_error)
		word_error(b, o->directory_error);
	else if (o->directory == PLAN_DIRECTORY_MAKE)
		buf_printf(b, "made the links directory %s", links);
	else if (o->directory == PLAN_DIRECTORY_TAKE_OVER)
		buf_printf(b, "took the links directory %s over: it belongs to root now, mode 0755",
			   links);
}

/* ---- a plan as a whole ---- */

/* What comes behind what stands there since `start`. */
static void separate(struct buf *b, size_t start)
{
	if (b->len > start)
		buf_add(b, "; ");
}

static void add_not_known(struct buf *b, const struct config *c, const struct snapshot *s)
{
	size_t start = b->len;

	if (c->not_known) {
		buf_add(b,
			"the configuration is not known (its remarks say which file): until that "
			"is cured nothing is touched, and no reload is asked for");
		return;
	}
	if (s->server.state == SERVER_UNKNOWN) {
		buf_add(b, "vSMTP's version is not known: ");
		word_doubt(b, c, &s->server);
	}
	for (size_t i = 0; i < s->n_stores; i++) {
		const struct store_facts *f = &s->stores[i];

		if (f->error == 0)
			continue;
		separate(b, start);
		buf_printf(b, "the store %s is not known whole: %s: ", f->path,
			   f->error_path ? f->error_path : f->path);
		word_error(b, f->error);
	}
	separate(b, start);
	buf_add(b, "until that is cured no link is removed or changed, and no reload is asked for");
}

static void add_refused_directory(struct buf *b, const struct config *c, const struct snapshot *s)
{
	buf_printf(b, "the links directory %s ", c->links);
	if (s->links.error == EPERM && s->links.state == LINKS_SYMLINK) {
		buf_add(b, "is reached over a symlink that others than root can change, which is "
			   "refused: name the directory itself with Links=");
	} else if (s->links.state == LINKS_SYMLINK) {
		buf_add(b, "is a symlink, which is refused: make it a directory, or name the "
			   "right one with Links=");
	} else if (s->links.state == LINKS_NOT_DIR) {
		buf_add(b, "is no directory: move it away");
	} else {
		buf_add(b, "could not be read: ");
		word_error(b, s->links.error);
	}
}

void word_trouble(struct buf *b, const struct config *c, const struct snapshot *s,
		  const struct plan *p)
{
	const struct candidate *unread = plan_unread(p, s);
	size_t start = b->len;

	if (p->not_known)
		add_not_known(b, c, s);
	if (p->directory == PLAN_DIRECTORY_NO_PARENT && s->server.state != SERVER_ABSENT) {
		separate(b, start);
		buf_printf(b, "there is no directory above %s: the server's package makes it",
			   c->links);
	} else if (p->directory == PLAN_DIRECTORY_REFUSED) {
		separate(b, start);
		add_refused_directory(b, c, s);
	}
	if (unread) {
		separate(b, start);
		buf_printf(b, "%s could not be read: ", unread->path);
		word_error(b, unread->facts.read_error);
	}
	if (s->names.error != 0) {
		separate(b, start);
		buf_add(b, "the record of link names could not be read: ");
		word_error(b, s->names.error);
	}
}

/* ---- package managers at work ---- */

void word_lock(struct buf *b, const struct lock_facts *l)
{
	buf_escape(b, l->pid > 0 && *l->command ? l->command : "a package manager");
	if (l->pid > 0)
		buf_printf(b, " (pid %d)", l->pid);
	buf_printf(b, " holds %s", l->path);
}

void word_hold(struct buf *b, const struct lock_facts *l, enum hold_news news)
{
	if (news == HOLD_ENDS) {
		buf_add(b, "The package manager is done; making links right");
		return;
	}
	buf_add(b, news == HOLD_BEGINS ? "Waiting, at most HoldMaxSec=: " : "Gave up waiting: ");
	word_lock(b, l);
	buf_add(b, news == HOLD_BEGINS
			   ? "; until then only links that lead nowhere are removed"
			   : " for longer than HoldMaxSec=; links are made right all the same");
}
