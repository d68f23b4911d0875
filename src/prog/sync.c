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
	    outcome_count(o, CHANGE_FAILED) > 0 || outcome_count(o, CHANGE_MOVED) > 0 ||
	    plan_unread(&p->plan, &p->seen))
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

void units_done(struct units *u)
{
	for (size_t i = 0; i < u->n; i++) {
		unit_facts_done(&u->items[i].unit);
		owed_done(&u->items[i].owed);
	}
	free(u->items);
	free(u->set);
	*u = (struct units){0};
}

static int look_at_unit(const struct root *r, const struct snapshot *s, const char *name,
			struct unit_manager *manager, struct units *u)
{
	struct unit_owed *at = &u->items[u->n];
	int k;

	if (manager) {
		k = unit_read(manager, name, &at->unit);
	} else {
		at->unit = (struct unit_facts){.state = UNIT_NO_MANAGER, .name = strdup(name)};
		k = at->unit.name ? 0 : -ENOMEM;
	}
	if (k < 0)
		return k;
	u->n++;
	k = state_read_unit(r, &at->unit);
	return k < 0 ? k : owed_decide(&at->unit, s, u->set, &at->owed);
}

int units_look(const struct root *r, const struct config *c, const struct snapshot *s,
	       struct unit_manager *manager, struct units *ret)
{
	struct units u = {0};
	int k = loaded_set_make(s, &u.set);

	if (k >= 0) {
		u.items = calloc(strv_len(c->units) + 1, sizeof(*u.items));
		k = u.items ? 0 : -ENOMEM;
	}
	for (char **name = c->units; k >= 0 && name && *name; name++)
		k = look_at_unit(r, s, *name, manager, &u);
	if (k < 0)
		units_done(&u);
	else
		*ret = u;
	return k;
}

bool units_owed(const struct units *u)
{
	for (size_t i = 0; i < u->n; i++)
		if (owed_is(&u->items[i].owed))
			return true;
	return false;
}
