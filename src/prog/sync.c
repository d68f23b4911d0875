/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/sync.h"

#include "base/str.h"
#include "prog/log.h"
#include "sys/apply.h"
#include "sys/conf.h"
#include "sys/state.h"

/* Who waits longer says for whom. */
#define LOCK_NOTICE_USEC (1 * USEC_PER_SEC)

void pass_done(struct pass *p)
{
	outcome_done(&p->outcome);
	plan_done(&p->plan);
	snapshot_done(&p->seen);
	config_remarks_done(&p->remarks);
	config_done(&p->config);
	*p = (struct pass){0};
}

int pass_configure(const struct root *r, struct pass *p)
{
	return conf_load(r, &p->config, &p->remarks);
}

int pass_observe(struct observer *o, struct pass *p)
{
	bool held = p->seen.held;
	int k = observe(o, &p->config, &p->seen);

	p->seen.held = held;
	return k;
}

int pass_plan(struct pass *p, uint64_t *idle)
{
	int k;

	if (*idle != 0 && *idle == p->seen.state && !p->seen.held)
		return 0;
	*idle = 0;
	k = plan_make(&p->config, &p->seen, &p->plan);
	if (k < 0)
		return k;
	if (!p->seen.held && plan_is_idle(&p->plan, &p->seen))
		*idle = p->seen.state;
	return 1;
}

int pass_look(const struct root *r, struct observer *o, struct pass *ret)
{
	struct pass p = {.seen.held = ret->seen.held};
	int k = pass_configure(r, &p);

	if (k >= 0)
		k = pass_observe(o, &p);
	if (k >= 0)
		k = plan_make(&p.config, &p.seen, &p.plan);
	if (k < 0)
		pass_done(&p);
	else
		*ret = p;
	return k;
}

/* A courtesy to who watches the number: a full /run must not stop the links. What a killed process
 * left in our directories goes as well. */
void pass_count(const struct root *r, const struct pass *p)
{
	if (outcome_count(&p->outcome, CHANGE_DONE) == 0)
		return;
	(void)!state_count_change(r);
	state_sweep(r);
}

int pass_apply(const struct root *r, struct pass *p)
{
	int k = apply(r, &p->config, &p->seen, &p->plan, &p->outcome);

	if (k >= 0)
		pass_count(r, p);
	return k;
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

int pass_lock(const struct root *r)
{
	struct lock_holder holder = {0};
	char who[128];
	int fd = state_lock(r, LOCK_NOTICE_USEC, &holder);

	if (fd == -ENOENT) { /* the run directory was taken away: it is made again */
		fd = state_prepare(r);
		if (fd >= 0)
			fd = state_lock(r, LOCK_NOTICE_USEC, &holder);
	}
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
		return fd;
	}
	if (fd < 0 && fd != -EINTR)
		log_errno(LOG_ERR, fd, "Cannot take the lock in " STATE_RUN_DIR "%s",
			  (fd == -EACCES || fd == -EPERM) && root_is_host(r) ? " (this needs root)"
									     : "");
	return fd;
}

int pass_run(const struct root *r, struct observer *o, struct pass *ret)
{
	_cleanup_close_ int lock = -EBADF;
	_cleanup_(pass_done) struct pass p = {0};
	int k = state_prepare(r);

	if (k < 0)
		return k;
	lock = pass_lock(r);
	if (lock < 0)
		return lock;
	k = pass_look(r, o, &p);
	if (k >= 0)
		k = pass_apply(r, &p);
	if (k < 0)
		return k;
	*ret = p;
	p = (struct pass){0};
	return 0;
}

int pass_exit_code(const struct pass *p)
{
	const struct outcome *o = &p->outcome;

	if (p->plan.directory == PLAN_DIRECTORY_REFUSED || o->directory_error || o->sync_error ||
	    outcome_count(o, CHANGE_FAILED) > 0 || outcome_count(o, CHANGE_MOVED) > 0 ||
	    plan_unread(&p->plan, &p->seen))
		return 1;
	if (p->config.not_known)
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
