/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/pass.h"

#include "base/str.h"
#include "core/loaded.h"
#include "prog/log.h"
#include "prog/report.h"
#include "sys/apply.h"
#include "sys/booted.h"
#include "sys/conf.h"
#include "sys/pkglock.h"
#include "sys/record.h"
#include "sys/state.h"

#include <inttypes.h>

/* Who waits longer says for whom. */
#define LOCK_NOTICE_USEC (1 * USEC_PER_SEC)
#define LOCK_LIMIT_USEC (30 * USEC_PER_SEC)

void pass_done(struct pass *p)
{
	outcome_done(&p->outcome);
	plan_done(&p->plan_again);
	snapshot_done(&p->seen_again);
	plan_done(&p->plan);
	snapshot_done(&p->seen);
	if (!p->lent) {
		config_remarks_done(&p->remarks);
		config_done(&p->config);
	}
	*p = (struct pass){0};
}

/* ---- the lock ---- */

static int say_cannot(const struct root *r, int error, const char *what)
{
	bool right = error == -EACCES || error == -EPERM || error == -EROFS;

	return log_errno(LOG_ERR, error, "%s%s", what,
			 right && root_is_host(r) ? " (this needs root)" : "");
}

static void word_holder(const struct lock_holder *h, char *text, size_t size)
{
	_cleanup_free_ char *command = str_escape(h->command);

	if (h->pid > 0)
		(void)snprintf(text, size, "%s (pid %d)",
			       command && *command ? command : "a process that is gone", h->pid);
	else
		(void)snprintf(text, size, "somebody");
}

/* Takes the lock of all passes and says who holds it if that takes long. An fd whose closing lets
 * go, or -errno, said. */
static int take_lock(const struct pass_how *how)
{
	const struct root *r = how->root;
	struct lock_holder holder = {0};
	char who[128];
	int fd = -ENOENT, k = 0;

	if (how->prepare) /* the daemon's directories are there, unless somebody takes them away */
		fd = state_lock(r, LOCK_NOTICE_USEC, &holder);
	if (fd == -ENOENT)
		k = state_prepare(r);
	if (k < 0)
		return say_cannot(r, k, "Cannot do a pass: cannot make " STATE_RUN_DIR);
	if (fd == -ENOENT)
		fd = state_lock(r, LOCK_NOTICE_USEC, &holder);
	if (fd == -ETIMEDOUT) {
		word_holder(&holder, who, sizeof(who));
		log_msg(LOG_NOTICE,
			"Waiting for %s, which holds " STATE_RUN_DIR "/lock, at most %llu s", who,
			(unsigned long long)(LOCK_LIMIT_USEC / USEC_PER_SEC));
		fd = state_lock(r, LOCK_LIMIT_USEC - LOCK_NOTICE_USEC, &holder);
	}
	if (fd == -ETIMEDOUT) {
		word_holder(&holder, who, sizeof(who));
		log_msg(LOG_ERR,
			"%s still holds " STATE_RUN_DIR "/lock: nothing was done; see what keeps "
			"it, or end it",
			who);
	} else if (fd < 0 && fd != -EINTR) {
		say_cannot(r, fd, "Cannot take the lock in " STATE_RUN_DIR);
	}
	return fd;
}

/* ---- looking ---- */

static int plan(const struct pass_how *how, struct pass *p)
{
	int r;

	p->idle = how->idle && *how->idle != 0 && *how->idle == p->seen.state && !p->seen.held;
	if (p->idle)
		return 0;
	r = plan_make(&p->config, &p->seen, &p->plan);
	if (how->idle)
		*how->idle = r >= 0 && !p->seen.held && plan_is_idle(&p->plan, &p->seen)
				     ? p->seen.state
				     : 0;
	return r;
}

static int look(const struct pass_how *how, struct pass *p)
{
	struct lock_facts manager = {0};
	int r = how->prepare ? how->prepare(how->userdata, p)
			     : conf_load(how->root, &p->config, &p->remarks);

	if (how->flags & PASS_HOLD)
		p->seen.held = pkglock_ask(how->root, &manager) >= 0 && manager.path;
	if (r >= 0)
		r = observe(how->observer, &p->config, &p->seen);
	if (r >= 0)
		r = plan(how, p);
	return r < 0 && r != -ENOMEM ? log_errno(LOG_ERR, r, "Cannot look at plugins and links")
				     : r;
}

/* What was done stands, and is told, even if nobody can say what came of it. */
static void look_again(const struct pass_how *how, struct pass *p)
{
	p->seen_again.held = p->seen.held;
	p->again_error = observe(how->observer, &p->config, &p->seen_again);
	if (p->again_error >= 0)
		p->again_error = plan_make(&p->config, &p->seen_again, &p->plan_again);
	p->again = p->again_error >= 0;
	if (!p->again)
		log_errno(LOG_ERR, p->again_error, "Cannot look at what came of the changes");
}

/* ---- changing ---- */

static int is_expected(const struct pass_how *how, const struct pass *p)
{
	uint64_t now = 0;
	int r = plan_fingerprint(&p->config, &p->seen, &now);

	if (r < 0 || now == how->fingerprint)
		return r;
	log_msg(LOG_ERR,
		"the world has moved since that plan (it is %016" PRIx64
		" now): nothing was changed, look at vsmtp-pluginctl plan again",
		now);
	return 1;
}

/* All of ours go, and no name is remembered. */
static void plan_to_clean(const struct snapshot *s, struct plan *p)
{
	for (size_t i = 0; i < p->n_links; i++) {
		struct plan_link *l = &p->links[i];

		l->action = !l->seen || l->action == LINK_FOREIGN ? LINK_FOREIGN : LINK_REMOVE;
		l->renamed = l->named = false;
		l->reason = NULL;
		l->text = NULL;
	}
	p->names.n = 0; /* the list is in the plan's memory */
	p->names_changed = p->names_first = s->names.n > 0;
	if (p->directory != PLAN_DIRECTORY_LEFT)
		p->directory =
			s->links.state == LINKS_FINE ? PLAN_DIRECTORY_FINE : PLAN_DIRECTORY_REFUSED;
}

/* The kit goes and vSMTP stays. Of a link that is not made nothing new is remembered. */
static void plan_nothing_new(const struct snapshot *s, struct plan *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_links; i++)
		if (p->links[i].action == LINK_CREATE)
			p->links[i].action = LINK_FOREIGN;
	for (size_t i = 0; i < p->names.n; i++) {
		const struct remembered *m = &p->names.items[i];

		if (!snapshot_find_link(s, m->link))
			m = remembered_names_find(&s->names, m->key, m->link);
		if (m)
			p->names.items[n++] = *m;
	}
	p->names.n = n;
	if (p->directory == PLAN_DIRECTORY_MAKE)
		p->directory = PLAN_DIRECTORY_NO_PARENT;
}

/* What a policy forbids is written down before the lock is let go: whoever looks next finds both,
 * the links and that they are not to be loaded now. */
static int forbid(const struct root *root, const struct pass *p)
{
	_cleanup_free_ char *set = NULL;
	int r = p->again_error;

	if (r >= 0)
		r = loaded_set_make(pass_seen(p), &set);
	if (r >= 0)
		r = record_forbid(root, set);
	return r < 0 && r != -ENOMEM ? log_errno(LOG_ERR, r, "Cannot write down what is forbidden")
				     : r;
}

/* A record that is damaged says of no name whose it is: people may read it, the next is a new one. */
static int begin_names_anew(const struct pass_how *how, struct pass *p)
{
	int r = fs_rename(how->root, STATE_NAMES, STATE_FILE_NAMES_DAMAGED);

	if (r < 0) {
		log_errno(LOG_WARNING, r, "Cannot put aside the damaged " STATE_NAMES);
		return 0;
	}
	log_msg(LOG_WARNING,
		STATE_NAMES
		" is damaged from line %u on: it is " STATE_NAMES ".damaged now, and a "
		"new one begins; if a link has not the name that you gave it, find that "
		"name there and say it with LinkName=, see plugind.conf(5)",
		p->seen.names.line);
	p->seen.names.error = 0;
	plan_done(&p->plan);
	return plan_make(&p->config, &p->seen, &p->plan);
}

static int change(const struct pass_how *how, struct pass *p)
{
	int r = 0;

	if (p->seen.names.error == EBADMSG && !p->config.not_known)
		r = begin_names_anew(how, p);
	if (r < 0)
		return r;
	if (how->flags & PASS_CLEAN)
		plan_to_clean(&p->seen, &p->plan);
	if (how->flags & PASS_NOTHING_NEW)
		plan_nothing_new(&p->seen, &p->plan);
	r = apply(how->root, &p->config, &p->seen, &p->plan, &p->outcome);
	for (size_t i = 0; (how->flags & PASS_CLEAN) && i < p->outcome.n_changes; i++)
		p->outcome.changes[i].cleaned = true;
	/* A courtesy to who watches the number: a full /run must not stop the links. What a killed
	 * process left in our directories goes as well. */
	if (outcome_count(&p->outcome, CHANGE_DONE) > 0) {
		(void)!state_count_change(how->root);
		state_sweep(how->root);
	}
	if (r >= 0 && (how->flags & PASS_LOOK_AGAIN) && p->outcome.n_changes > 0)
		look_again(how, p);
	if (r >= 0 && (how->flags & PASS_FORBID) && booted(how->root))
		r = forbid(how->root, p);
	return r;
}

/* Also what was done before something went wrong. */
static int tell(const struct pass_how *how, const struct pass *p)
{
	return report_changes(p, how->flags & PASS_LOG     ? REPORT_LOG
				 : root_is_host(how->root) ? REPORT_JOURNAL
							   : REPORT_ERRORS);
}

/* What changed since the last answer is told by whoever answers, as if all of it were his. What is
 * lost here is told in the journal. */
static void take_untold(const struct pass_how *how, const struct pass *p, struct outcome *ret)
{
	if (!(how->flags & (PASS_ANSWER | PASS_CLEAN | PASS_NOTHING_NEW)))
		(void)!record_add_untold(how->root, &p->outcome);
	else if (!p->config.not_known)
		(void)!record_take_untold(how->root, ret);
	if (!(how->flags & PASS_ANSWER)) /* clean tells of itself only */
		outcome_done(ret);
}

static bool is_linked(const struct plan *p, const char *key)
{
	for (size_t i = 0; i < p->n_links; i++)
		if (p->links[i].action != LINK_REMOVE && p->links[i].action != LINK_FOREIGN &&
		    str_eq(p->links[i].key, key))
			return true;
	return false;
}

/* A plugin that lost its link before is missed as one that loses it now. */
static int tell_also(struct pass *p, struct outcome *untold)
{
	size_t n = strv_len(p->plan.missed);
	char **all = pool_new(&p->plan.memory, (n + untold->n_changes + 1) * sizeof(*all));

	if (!all)
		return -ENOMEM;
	if (n > 0)
		memcpy(all, p->plan.missed, n * sizeof(*all));
	p->plan.missed = all;
	for (size_t i = 0; i < untold->n_changes; i++) {
		const struct change *c = &untold->changes[i];
		const struct config_plugin *said =
			c->key ? config_find_plugin(&p->config, c->key) : NULL;

		if (c->action == LINK_REMOVE && c->key && !c->renamed && (!said || said->enabled) &&
		    p->seen.server.state != SERVER_ABSENT && !is_linked(&p->plan, c->key) &&
		    !strv_has(all, c->key)) {
			all[n] = pool_copy(&p->plan.memory, c->key);
			if (!all[n++])
				return -ENOMEM;
		}
	}
	strv_sort(all);
	return outcome_tell_also(&p->outcome, untold);
}

int pass_run(const struct pass_how *how, struct pass *ret)
{
	_cleanup_close_ int lock = -EBADF;
	_cleanup_(pass_done) struct pass p = {0};
	_cleanup_(outcome_done) struct outcome untold = {0};
	int r = 0, told;

	if (how->flags & PASS_CHANGE) {
		lock = take_lock(how);
		if (lock < 0)
			return lock;
	}
	r = look(how, &p);
	if (r == 0 && (how->flags & PASS_EXPECT))
		r = is_expected(how, &p);
	if (r == 0 && (how->flags & PASS_CHANGE) && !p.idle) {
		r = change(how, &p);
		if (r >= 0)
			take_untold(how, &p, &untold);
		lock = fd_close(lock);
		told = tell(how, &p);
		r = r < 0 ? r : told;
		if (r >= 0)
			r = tell_also(&p, &untold);
	}
	if (r != 0)
		return r;
	*ret = TAKE(p);
	return 0;
}

int pass_exit_code(const struct pass *p)
{
	const struct outcome *o = &p->outcome;

	if (p->plan.directory == PLAN_DIRECTORY_REFUSED || o->directory_error || o->sync_error ||
	    outcome_count(o, CHANGE_FAILED) > 0 || outcome_count(o, CHANGE_MOVED) > 0 ||
	    plan_unread(&p->plan, &p->seen))
		return 1;
	if (p->config.not_known || p->again_error < 0)
		return 1;
	/* An image whose server cannot be asked, with nothing to hold back, is in order (EDGES). */
	if (p->plan.not_known) {
		for (size_t i = 0; i < p->plan.n_links; i++)
			if (p->plan.links[i].action == LINK_HOLD)
				return 1;
		if (p->seen.server.doubt != SERVER_DOUBT_NOT_ASKED)
			return 1;
	}
	if (plan_found(&p->plan, FINDING_UNTRUSTED_ENTRY))
		return 5;
	return strv_len(p->plan.missed) > 0 ? 4 : 0;
}
