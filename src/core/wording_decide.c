/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words for what a unit is owed, and for what is done about it. */
#include "core/wording.h"

void word_owed(struct buf *b, const struct unit_facts *u, const struct owed *o)
{
	static const char *const words[OWED_WHY_MAX] = {
		[OWED_NOTHING] = "runs with all of it; nothing is owed",
		[OWED_SET_CHANGED] = "a reload is owed, since its start: ",
		[OWED_NEWER] = "a reload is owed; changed after its start: ",
		[OWED_REQUESTED] = "a reload is owed: somebody asked for it",
		[OWED_NOT_KNOWN] = "the service manager did not answer: ",
	};
	static const char *const not_running[UNIT_STATE_MAX] = {
		[UNIT_NO_MANAGER] = "no service manager to ask",
		[UNIT_MISSING] = "there is no such unit",
		[UNIT_INACTIVE] = "not running, so nothing is owed",
		[UNIT_ACTIVE] = "nothing is owed",
		[UNIT_CHANGING] = "nothing is owed",
		[UNIT_UNKNOWN] = "nothing is owed",
	};

	if (o->why == OWED_NOT_RUNNING ||
	    (o->why == OWED_NOT_KNOWN && u->state == UNIT_NO_MANAGER)) {
		buf_add(b, not_running[u->state]);
		return;
	}
	if (o->why == OWED_NOTHING && u->state == UNIT_CHANGING)
		buf_add(b, "starting, stopping or reloading; nothing is owed");
	else
		buf_add(b, words[o->why]);
	if (o->why == OWED_NOT_KNOWN)
		word_error(b, u->error);
	else if (o->why == OWED_SET_CHANGED || o->why == OWED_NEWER)
		buf_add(b, o->detail); /* escaped already */
}

void word_refusal(struct buf *b, const struct config *c, const struct snapshot *s,
		  const struct plan *p, enum decide_why why)
{
	const struct trust_facts *trust = &s->server.program.trust;

	if (why == DECIDE_WHY_ACTION_NONE) {
		buf_add(b, "Action=none leaves restarts to the administrator: systemctl restart");
	} else if (why == DECIDE_WHY_SERVER_ABSENT) {
		buf_printf(b, "there is no program to start: %s", c->program);
	} else if (why == DECIDE_WHY_SERVER_UNTRUSTED && !trust->path) {
		word_doubt(b, c, &s->server);
	} else if (why == DECIDE_WHY_SERVER_UNTRUSTED) {
		word_trust(b, trust);
		buf_add(b, "; cure: ");
		word_trust_cure(b, c->require_root_owned, trust);
	} else if (why == DECIDE_WHY_NOT_KNOWN || why == DECIDE_WHY_DIRECTORY) {
		word_trouble(b, c, s, p);
	}
}

/* What keeps it from being done now, or NULL. */
static const char *why_not_now(const struct decision *d)
{
	switch (d->what) {
	case DECIDE_FORBIDDEN:
		return "a policy forbade it, and leaves it to you: vsmtp-pluginctl reload";
	case DECIDE_GIVE_UP:
		return d->why == DECIDE_WHY_FAILED
			       ? "it was tried, and failed: left until somebody asks again"
			       : "it was done three times, and still is: left until somebody asks "
				 "again";
	case DECIDE_WAIT_FOR_JOB:
		return "waiting for somebody else's job on it";
	case DECIDE_WAIT:
		return d->why == DECIDE_WHY_SETTLING ? "waiting until nothing moves"
		       : d->why == DECIDE_WHY_HELD   ? "waiting while a package manager is at work"
		       : d->why == DECIDE_WHY_DISTANCE
			       ? "waiting, since the last restart was just now"
			       : "asking again soon";
	case DECIDE_REFUSE:
	case DECIDE_NOTHING:
	case DECIDE_RELOAD:
	case DECIDE_RESTART:
	case DECIDE_WHAT_MAX:
	default:
		return NULL;
	}
}

void word_decision(struct buf *b, const struct decide_facts *f, const struct decision *d)
{
	const char *more = why_not_now(d);

	word_owed(b, f->unit, &d->owed);
	if (d->what == DECIDE_REFUSE) {
		buf_add(b, "; it runs on as it is: ");
		word_refusal(b, f->config, f->seen, f->plan, d->why);
	} else if (more) {
		buf_printf(b, "; %s", more);
	}
}

void word_hook(struct buf *b, const struct unit_facts *u)
{
	const char *unit = unit_facts_id(u);
	enum hook_state state = hook_find(u);

	if (state == HOOK_RAN)
		return;
	buf_printf(b,
		   "the start hook did not run at the last start of %s (hook-not-in-force), so its "
		   "links may have been wrong then: ",
		   unit);
	if (state == HOOK_MISSING)
		buf_printf(
			b,
			"the unit has none; cure: copy "
			"vsmtp.service.d/10-vsmtp-plugind.conf to /etc/systemd/system/%s.d, then "
			"systemctl daemon-reload",
			unit);
	else if (state == HOOK_HIDDEN)
		buf_add(b, "its RootDirectory= hides vsmtp-pluginctl; cure: run vsmtp-pluginctl "
			   "sync in a unit that it is After= and Wants=, or do without "
			   "RootDirectory=");
	else if (state == HOOK_FAILED && u->hook_status != 0)
		buf_printf(b, "it ended with status %d; cure: journalctl -u %s says why",
			   u->hook_status, unit);
	else
		buf_printf(b, "it left no record, as when %s; %sjournalctl -u %s says why",
			   state == HOOK_FAILED ? "vsmtp-pluginctl was not there"
						: "the kit came later",
			   state == HOOK_FAILED ? "cure: "
						: "from its next start on it does; if not, ",
			   unit);
}
