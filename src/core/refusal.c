/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/refusal.h"

enum refusal refusal_find(const struct config *c, const struct snapshot *s, const struct plan *p)
{
	if (c->action == ACTION_NONE)
		return REFUSAL_ACTION_NONE;
	if (s->server.state == SERVER_ABSENT)
		return REFUSAL_SERVER_ABSENT;
	/* Also if Version= or a package database knows its version. */
	if (s->server.program.trust.trust != TRUST_FINE ||
	    s->server.doubt == SERVER_DOUBT_UNTRUSTED)
		return REFUSAL_SERVER_UNTRUSTED;
	if (p->not_known)
		return REFUSAL_NOT_KNOWN;
	return p->directory == PLAN_DIRECTORY_REFUSED ? REFUSAL_DIRECTORY : REFUSAL_NONE;
}
