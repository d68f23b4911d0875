/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/wording.h"

#include "core/worder.h"

static const char *const gate_codes[GATE_MAX] = {
	[GATE_LINKED] = "linked",
	[GATE_NAME_NOT_UNDERSTOOD] = "name-not-understood",
	[GATE_DISABLED] = "disabled",
	[GATE_NOT_REGULAR] = "not-regular",
	[GATE_UNTRUSTED] = "untrusted",
	[GATE_UNREADABLE] = "unreadable",
	[GATE_BEING_WRITTEN] = "being-written",
	[GATE_NOT_ELF] = "not-elf",
	[GATE_TRUNCATED] = "truncated",
	[GATE_WRONG_MACHINE] = "wrong-machine",
	[GATE_NOT_SHARED_OBJECT] = "not-shared-object",
	[GATE_NO_ENTRY_POINT] = "no-entry-point",
	[GATE_VERSION_CONFLICT] = "version-conflict",
	[GATE_VERSION_UNKNOWN] = "version-unknown",
	[GATE_VERSION_MISMATCH] = "version-mismatch",
	[GATE_MISSING_LIBRARY] = "missing-library",
	[GATE_QUARANTINED] = "quarantined",
	[GATE_SHADOWED] = "shadowed",
	[GATE_NAME_TAKEN] = "name-taken",
	[GATE_FOREIGN_IN_THE_WAY] = "foreign-in-the-way",
};

const char *gate_to_string(enum gate g)
{
	return (size_t)g < ELEMENTSOF(gate_codes) ? gate_codes[g] : NULL;
}

const char *layout_to_string(enum layout l)
{
	static const char *const names[LAYOUT_MAX] = {"A", "B", "C"};

	return (size_t)l < ELEMENTSOF(names) ? names[l] : NULL;
}

static const char *const action_codes[LINK_ACTION_MAX] = {
	[LINK_KEEP] = "keep",     [LINK_CREATE] = "create", [LINK_REPLACE] = "replace",
	[LINK_REMOVE] = "remove", [LINK_HOLD] = "hold",     [LINK_FOREIGN] = "foreign",
};

const char *link_action_to_string(enum link_action a)
{
	return (size_t)a < ELEMENTSOF(action_codes) ? action_codes[a] : NULL;
}

/* ---- the configuration ---- */

static void add_cause(struct buf *b, const struct config_remark *r)
{
	switch (r->problem) {
	case CONFIG_UNKNOWN_SECTION:
		buf_add(b, "no such section");
		return;
	case CONFIG_UNKNOWN_KEY:
		buf_add(b, "no such key");
		return;
	case CONFIG_BAD_VALUE:
		buf_add(b, "bad value");
		return;
	case CONFIG_NO_SECTION:
		buf_add(b, "stands before any [Section]");
		return;
	case CONFIG_NOT_A_LINE:
		buf_add(b, "neither a comment, nor a [Section], nor KEY=VALUE");
		return;
	case CONFIG_BAD_PLUGIN:
		buf_add(b, "no NAME of a plugin (letters, digits, \"-\" and \"_\")");
		return;
	case CONFIG_NUL_BYTE:
		buf_add(b, "the line holds a NUL byte");
		return;
	case CONFIG_LEADS_NOWHERE:
	case CONFIG_NOT_READ:
		buf_add(b, "could not be read: ");
		word_error(b, r->error);
		return;
	case CONFIG_NOT_REGULAR:
		buf_add(b, "not a regular file");
		return;
	case CONFIG_UNTRUSTED:
		word_trust(b, &r->trust);
		buf_add(b, "; cure: ");
		word_trust_cure(b, true, &r->trust);
		return;
	case CONFIG_PROBLEM_MAX:
	default:
		buf_add(b, "not understood");
	}
}

/* FILE:LINE: [Section] KEY=VALUE: cause; what is used instead. */
int wording_remark(const struct config_remark *r, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	buf_escape(&b, r->file);
	if (r->line > 0)
		buf_printf(&b, ":%u", r->line);
	buf_add(&b, ": ");
	if (r->section) {
		buf_add(&b, "[");
		buf_escape(&b, r->section);
		buf_add(&b, "] ");
	}
	if (r->key) {
		buf_escape(&b, r->key);
		buf_add(&b, "=");
	}
	buf_escape(&b, r->value);
	if (r->key || r->value)
		buf_add(&b, ": ");
	add_cause(&b, r);
	if (r->used) {
		buf_add(&b, "; in force is ");
		if (r->key) {
			buf_escape(&b, r->key);
			buf_add(&b, "=");
		}
		buf_escape(&b, r->used);
	} else if (r->problem != CONFIG_NOT_READ && r->problem != CONFIG_UNTRUSTED) {
		buf_add(&b, "; ignored");
	}
	buf_add(&b, "; see plugind.conf(5)");
	return buf_take(&b, ret);
}

/* ---- changes ---- */

static void add_arrow(struct buf *b, const struct change *ch, const char *links)
{
	buf_escape(b, links);
	buf_add(b, "/");
	buf_escape(b, ch->name);
	if (ch->text) {
		buf_add(b, " -> ");
		buf_escape(b, ch->text);
	}
}

static void add_verb(struct buf *b, const struct change *ch)
{
	static const char *const done[LINK_ACTION_MAX] = {
		[LINK_KEEP] = "kept ",      [LINK_CREATE] = "made ", [LINK_REPLACE] = "changed ",
		[LINK_REMOVE] = "removed ", [LINK_HOLD] = "held ",   [LINK_FOREIGN] = "left alone ",
	};
	static const char *const not_done[LINK_ACTION_MAX] = {
		[LINK_KEEP] = "not kept: ",       [LINK_CREATE] = "not made: ",
		[LINK_REPLACE] = "not changed: ", [LINK_REMOVE] = "not removed: ",
		[LINK_HOLD] = "not held: ",       [LINK_FOREIGN] = "not left alone: ",
	};

	if ((size_t)ch->action < ELEMENTSOF(done))
		buf_add(b, (ch->result == CHANGE_DONE ? done : not_done)[ch->action]);
}

static void add_reason(struct buf *b, const struct change *ch)
{
	if (ch->was) {
		buf_add(b, " (led to ");
		buf_escape(b, ch->was);
		buf_add(b, ")");
	}
	if (ch->action == LINK_REMOVE && ch->result == CHANGE_DONE) {
		buf_add(b, ": ");
		if (ch->cleaned)
			buf_add(b, "by vsmtp-pluginctl clean");
		else if (ch->renamed)
			buf_add(b, "the plugin's link has another name now");
		else
			buf_add(b, ch->why ? ch->why : "no file of this plugin is left");
	}
	if (ch->restored && ch->key && ch->result == CHANGE_DONE) {
		buf_add(b, ": somebody had deleted it; to turn the plugin off for good: "
			   "vsmtp-pluginctl disable ");
		buf_escape(b, ch->key);
	}
}

int wording_change(const struct change *ch, const char *links, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	add_verb(&b, ch);
	add_arrow(&b, ch, links);
	add_reason(&b, ch);
	if (ch->result == CHANGE_MOVED) {
		buf_add(&b, ": it changed while we looked; the next pass sees to it");
	} else if (ch->result == CHANGE_FAILED) {
		buf_add(&b, ": ");
		word_error(&b, ch->error);
	}
	return buf_take(&b, ret);
}

int wording_directory(const struct outcome *o, const char *links, char **ret)
{
	static const char *const done[PLAN_DIRECTORY_MAX] = {
		[PLAN_DIRECTORY_MAKE] = "made the links directory ",
		[PLAN_DIRECTORY_TAKE_OVER] = "took the links directory ",
	};
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (o->directory_error)
		buf_printf(&b, "Cannot %s the links directory ",
			   o->directory == PLAN_DIRECTORY_MAKE        ? "make"
			   : o->directory == PLAN_DIRECTORY_TAKE_OVER ? "take over"
								      : "enter");
	else if (done[o->directory])
		buf_add(&b, done[o->directory]);
	else
		return buf_take(&b, ret);
	buf_escape(&b, links);
	if (o->directory_error == ESTALE) {
		buf_add(&b, ": somebody put another in its place while we looked; the next pass "
			    "sees to it");
	} else if (o->directory_error) {
		buf_add(&b, ": ");
		word_error(&b, o->directory_error);
	} else if (o->directory == PLAN_DIRECTORY_TAKE_OVER) {
		buf_add(&b, " over: it belongs to root now, mode 0755");
	}
	return buf_take(&b, ret);
}

/* ---- a plan as a whole ---- */

static void separate(struct buf *b)
{
	if (b->len > 0)
		buf_add(b, "; ");
}

static void add_not_known(struct buf *b, const struct config *c, const struct snapshot *s)
{
	if (c->not_known) {
		buf_add(b,
			"the configuration is not known (its remarks say which file): until that "
			"is cured nothing is touched, and no reload is asked for");
		return;
	}
	if (s->server.state == SERVER_UNKNOWN) {
		separate(b);
		buf_add(b, "vSMTP's version is not known: ");
		word_doubt(b, c, &s->server);
	}
	for (size_t i = 0; i < s->n_stores; i++) {
		const struct store_facts *f = &s->stores[i];

		if (f->error == 0)
			continue;
		separate(b);
		buf_add(b, "the store ");
		buf_escape(b, f->path);
		buf_add(b, " is not known whole: ");
		buf_escape(b, f->error_path ? f->error_path : f->path);
		buf_add(b, ": ");
		word_error(b, f->error);
	}
	separate(b);
	buf_add(b, "until that is cured no link is removed or changed, and no reload is asked for");
}

static void add_directory(struct buf *b, const struct config *c, const struct snapshot *s,
			  const struct plan *p)
{
	if (p->directory == PLAN_DIRECTORY_NO_PARENT && s->server.state != SERVER_ABSENT) {
		separate(b);
		buf_add(b, "there is no directory above ");
		buf_escape(b, c->links);
		buf_add(b, ": the server's package makes it");
	}
	if (p->directory != PLAN_DIRECTORY_REFUSED)
		return;
	separate(b);
	buf_add(b, "the links directory ");
	buf_escape(b, c->links);
	if (s->links.error == EPERM && s->links.state == LINKS_SYMLINK) {
		buf_add(b, " is reached over a symlink that others than root can change, which is "
			   "refused: name the directory itself with Links=");
	} else if (s->links.state == LINKS_SYMLINK) {
		buf_add(b, " is a symlink, which is refused: make it a directory, or name the "
			   "right one with Links=");
	} else if (s->links.state == LINKS_NOT_DIR) {
		buf_add(b, " is no directory: move it away");
	} else {
		buf_add(b, " could not be read: ");
		word_error(b, s->links.error);
	}
}

int wording_plan_trouble(const struct config *c, const struct snapshot *s, const struct plan *p,
			 char **ret)
{
	const struct candidate *unread = plan_unread(p, s);
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (p->not_known)
		add_not_known(&b, c, s);
	add_directory(&b, c, s, p);
	if (unread) {
		separate(&b);
		buf_escape(&b, unread->path);
		buf_add(&b, " could not be read: ");
		word_error(&b, unread->facts.read_error);
	}
	if (s->names.error != 0) {
		separate(&b);
		buf_add(&b, "the record of link names could not be read: ");
		word_error(&b, s->names.error);
	}
	return buf_take(&b, ret);
}

/* ---- package managers at work ---- */

static void word_lock(struct buf *b, const struct lock_facts *l)
{
	if (l->pid > 0 && *l->command) {
		buf_escape(b, l->command);
		buf_printf(b, " (pid %d)", l->pid);
	} else if (l->pid > 0) {
		buf_printf(b, "a package manager (pid %d)", l->pid);
	} else {
		buf_add(b, "a package manager");
	}
	buf_printf(b, " holds %s", l->path);
}

int wording_lock(const struct lock_facts *l, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	word_lock(&b, l);
	return buf_take(&b, ret);
}

int wording_hold(const struct lock_facts *l, enum hold_news news, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (news == HOLD_ENDS) {
		buf_add(&b, "The package manager is done; making links right");
		return buf_take(&b, ret);
	}
	buf_add(&b, news == HOLD_BEGINS ? "Waiting, at most HoldMaxSec=: " : "Gave up waiting: ");
	word_lock(&b, l);
	buf_add(&b, news == HOLD_BEGINS
			    ? "; until then only links that lead nowhere are removed"
			    : " for longer than HoldMaxSec=; links are made right all the same");
	return buf_take(&b, ret);
}
