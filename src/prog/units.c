/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/units.h"

#include "base/str.h"
#include "sys/asked.h"
#include "sys/clock.h"
#include "sys/pkglock.h"
#include "sys/record.h"

void units_done(struct units *u)
{
	for (size_t i = 0; i < u->n; i++) {
		unit_facts_done(&u->items[i].unit);
		decision_done(&u->items[i].next);
	}
	free(u->items);
	free(u->set);
	requests_done(&u->requests);
	*u = (struct units){0};
}

static bool is_known(const struct units *u, const struct unit_facts *unit)
{
	for (size_t i = 0; i < u->n; i++)
		if (unit_facts_is_called(&u->items[i].unit, unit_facts_id(unit)))
			return true;
	return false;
}

static int read_unit(const struct root *r, const char *name, const struct units_source *from,
		     struct units *u)
{
	_cleanup_(unit_facts_done) struct unit_facts unit = {0};
	int k = 0;

	if (from->manager) {
		k = unit_read(from->manager, name, &unit);
	} else {
		unit.state = from->error ? UNIT_UNKNOWN : UNIT_NO_MANAGER;
		unit.error = -from->error;
		k = str_replace(&unit.name, name);
	}
	if (k < 0 || is_known(u, &unit))
		return k;
	k = record_read_unit(r, &unit);
	if (k < 0)
		return k;
	u->items[u->n++].unit = TAKE(unit);
	return 0;
}

int units_read(const struct root *r, const struct pass *p, const struct units_source *from,
	       struct units *ret)
{
	_cleanup_(units_done) struct units u = {0};
	int k = loaded_set_make(pass_seen(p), &u.set);

	if (k >= 0)
		k = asked_read(r, &u.requests);
	if (k >= 0)
		k = record_read_starts(r, &u.starts);
	if (k >= 0 || k == -EACCES)
		k = u.lock_error = pkglock_ask(r, &u.lock);
	if (k == -EACCES)
		k = 0;
	if (k < 0)
		return k;
	u.items = calloc(strv_len(p->config.units) + 1, sizeof(*u.items));
	if (!u.items)
		return -ENOMEM;
	for (char **name = p->config.units; k >= 0 && name && *name; name++)
		k = read_unit(r, *name, from, &u);
	if (k < 0)
		return k;
	*ret = TAKE(u);
	return 0;
}

struct decide_facts units_facts(const struct units *u, const struct pass *p, size_t i)
{
	uint64_t now = clock_usec(CLOCK_BOOTTIME);

	return (struct decide_facts){
		.config = &p->config,
		.seen = pass_seen(p),
		.plan = pass_plan(p),
		.set = u->set,
		.unit = &u->items[i].unit,
		.requests = &u->requests,
		.starts = &u->starts,
		.lock = u->lock.path ? &u->lock : NULL,
		.asked_usec = now,
		.now_usec = now,
	};
}

int units_look(const struct root *r, const struct pass *p, const struct units_source *from,
	       struct units *ret)
{
	_cleanup_(units_done) struct units u = {0};
	int k = units_read(r, p, from, &u);

	for (size_t i = 0; i < u.n && k >= 0; i++) {
		const struct decide_facts f = units_facts(&u, p, i);

		k = decide(&f, &u.items[i].next);
	}
	if (k < 0)
		return k;
	*ret = TAKE(u);
	return 0;
}

bool units_owed(const struct units *u)
{
	for (size_t i = 0; i < u->n; i++)
		if (owed_is(&u->items[i].next.owed))
			return true;
	return false;
}
