/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words for what a unit is owed, and for what is done about it. */
#include "core/worder.h"

static const char *not_running(const struct unit_facts *u)
{
	switch (u->state) {
	case UNIT_NO_MANAGER:
		return "no service manager to ask";
	case UNIT_MISSING:
		return "there is no such unit";
	case UNIT_INACTIVE:
		return "not running, so nothing is owed";
	case UNIT_ACTIVE:
	case UNIT_CHANGING:
	case UNIT_UNKNOWN:
	case UNIT_STATE_MAX:
	default:
		return "nothing is owed";
	}
}

static void word_owed(struct buf *b, const struct unit_facts *u, const struct owed *o)
{
	switch (o->why) {
	case OWED_NOTHING:
		buf_add(b, "runs with all of it; nothing is owed");
		return;
	case OWED_NOT_RUNNING:
		buf_add(b, not_running(u));
		return;
	case OWED_NOT_KNOWN:
		if (u->state == UNIT_NO_MANAGER) {
			buf_add(b, not_running(u));
			return;
		}
		buf_add(b, "the service manager did not answer: ");
		word_error(b, u->error);
		return;
	case OWED_SET_CHANGED:
		buf_add(b, "a reload is owed, since its start: ");
		buf_add(b, o->detail);
		return;
	case OWED_NEWER:
		buf_add(b, "a reload is owed; changed after its start: ");
		buf_add(b, o->detail);
		return;
	case OWED_REQUESTED:
		buf_add(b, "a reload is owed: somebody asked for it");
		return;
	case OWED_WHY_MAX:
	default:
		return;
	}
}

int wording_owed(const struct unit_facts *u, const struct owed *o, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	word_owed(&b, u, o);
	return buf_take(&b, ret);
}

int wording_refusal(const struct config *c, const struct snapshot *s, const struct plan *p,
		    enum decide_why why, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (why == DECIDE_WHY_ACTION_NONE) {
		buf_add(&b, "Action=none leaves restarts to the administrator: systemctl restart");
	} else if (why == DECIDE_WHY_SERVER_ABSENT) {
		buf_add(&b, "there is no program to start: ");
		buf_escape(&b, c->program);
	} else if (why == DECIDE_WHY_SERVER_UNTRUSTED && !s->server.program.trust.path) {
		word_doubt(&b, c, &s->server);
	} else if (why == DECIDE_WHY_SERVER_UNTRUSTED) {
		word_trust(&b, &s->server.program.trust);
		buf_add(&b, "; cure: ");
		word_trust_cure(&b, c->require_root_owned, &s->server.program.trust);
	} else if (why == DECIDE_WHY_NOT_KNOWN || why == DECIDE_WHY_DIRECTORY) {
		return wording_plan_trouble(c, s, p, ret);
	}
	return buf_take(&b, ret);
}

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

int wording_decision(const struct decide_facts *f, const struct decision *d, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *refusal = NULL;
	const char *more = why_not_now(d);
	int r;

	word_owed(&b, f->unit, &d->owed);
	if (d->what == DECIDE_REFUSE) {
		r = wording_refusal(f->config, f->seen, f->plan, d->why, &refusal);
		if (r < 0)
			return r;
		buf_add(&b, "; it runs on as it is: ");
		buf_add(&b, refusal);
	} else if (more) {
		buf_printf(&b, "; %s", more);
	}
	return buf_take(&b, ret);
}

int wording_hook(const struct unit_facts *u, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	enum hook_state state = hook_find(u);

	if (state == HOOK_RAN)
		return buf_take(&b, ret);
	buf_add(&b, "the start hook did not run at the last start of ");
	buf_escape(&b, unit_facts_id(u));
	buf_add(&b, " (hook-not-in-force), so its links may have been wrong then: ");
	if (state == HOOK_MISSING) {
		buf_add(&b, "the unit has none; cure: copy "
			    "vsmtp.service.d/10-vsmtp-plugind.conf to /etc/systemd/system/");
		buf_escape(&b, unit_facts_id(u));
		buf_add(&b, ".d, then systemctl daemon-reload");
	} else if (state == HOOK_HIDDEN) {
		buf_add(&b, "its RootDirectory= hides vsmtp-pluginctl; cure: run vsmtp-pluginctl "
			    "sync in a unit that it is After= and Wants=, or do without "
			    "RootDirectory=");
	} else if (state == HOOK_FAILED) {
		if (u->hook_status != 0)
			buf_printf(&b, "it ended with status %d", u->hook_status);
		else
			buf_add(&b, "it left no record, as when vsmtp-pluginctl was not there");
		buf_add(&b, "; cure: journalctl -u ");
		buf_escape(&b, unit_facts_id(u));
		buf_add(&b, " says why");
	} else {
		buf_add(&b, "it left no record, as when the kit came later; from its next start on "
			    "it does; if not, journalctl -u ");
		buf_escape(&b, unit_facts_id(u));
		buf_add(&b, " says why");
	}
	return buf_take(&b, ret);
}
