/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/surroundings.h"

#include "sys/conf.h"
#include "sys/pkglock.h"

void surroundings_done(struct surroundings *s)
{
	config_remarks_done(&s->remarks);
	config_done(&s->config);
}

void surroundings_doubt(struct surroundings *s)
{
	s->config_in_doubt = s->locks_in_doubt = true;
}

static int read_config(struct surroundings *s, const struct root *root, struct watch *w)
{
	struct config_remarks remarks = {0};
	struct config config = {0};
	int r;

	watch_begin(w, WATCH_CONFIG);
	r = conf_visit(root, watch_visit, w);
	if (r >= 0)
		r = conf_load(root, &config, &remarks);
	if (r < 0) {
		config_remarks_done(&remarks);
		config_done(&config);
		return r;
	}
	watch_end(w, WATCH_CONFIG);
	surroundings_done(s);
	s->config = config;
	s->remarks = remarks;
	s->config_in_doubt = false;
	return 1;
}

static int arm_locks(struct surroundings *s, const struct root *root, struct watch *w)
{
	int r;

	watch_begin(w, WATCH_LOCKS);
	r = pkglock_visit(root, watch_visit, w);
	if (r < 0)
		return r;
	watch_end(w, WATCH_LOCKS);
	s->locks_in_doubt = false;
	return 0;
}

int surroundings_read(struct surroundings *s, const struct root *root, struct watch *w)
{
	int r = 0;

	if (s->locks_in_doubt || watch_is_blind(w, WATCH_LOCKS))
		r = arm_locks(s, root, w);
	if (r >= 0 && (s->config_in_doubt || watch_is_blind(w, WATCH_CONFIG)))
		r = read_config(s, root, w);
	return r;
}

void surroundings_lend(const struct surroundings *s, struct pass *p)
{
	p->config = s->config;
	p->remarks = s->remarks;
	p->lent = true;
}
