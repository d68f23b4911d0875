/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/sync.h"

#include "base/str.h"
#include "sys/apply.h"
#include "sys/conf.h"
#include "sys/state.h"

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
	return k < 0 ? k : plan_make(&p->config, &p->seen, &p->plan);
}

int pass_look(const struct root *r, struct observer *o, struct pass *ret)
{
	struct pass p = {.seen.held = ret->seen.held};
	int k = pass_configure(r, &p);

	if (k >= 0)
		k = pass_observe(o, &p);
	if (k < 0)
		pass_done(&p);
	else
		*ret = p;
	return k;
}

/* A courtesy to who watches the number: a full /run must not stop the links. */
void pass_count(const struct root *r, const struct pass *p)
{
	if (outcome_count(&p->outcome, CHANGE_DONE) > 0)
		(void)!state_count_change(r);
}

int pass_apply(const struct root *r, struct pass *p)
{
	int k = apply(r, &p->config, &p->seen, &p->plan, &p->outcome);

	if (k >= 0)
		pass_count(r, p);
	return k;
}

int pass_run(const struct root *r, struct observer *o, struct pass *ret)
{
	_cleanup_close_ int lock = -EBADF;
	_cleanup_(pass_done) struct pass p = {0};
	int k = state_prepare(r);

	if (k < 0)
		return k;
	lock = state_lock(r);
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
	    outcome_count(o, CHANGE_FAILED) > 0 || outcome_count(o, CHANGE_MOVED) > 0)
		return 1;
	/* An image whose server cannot be asked, with nothing to hold back, is in order (EDGES). */
	if (p->plan.not_known) {
		for (size_t i = 0; i < p->plan.n_links; i++)
			if (p->plan.links[i].action == LINK_HOLD)
				return 1;
		if (p->seen.server.doubt != SERVER_DOUBT_NOT_ASKED)
			return 1;
	}
	return strv_len(p->plan.missed) > 0 ? 4 : 0;
}
