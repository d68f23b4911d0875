/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/outcome.h"

DEFINE_TO_STRING(change_result, CHANGE_RESULT_MAX, [CHANGE_DONE] = "done", [CHANGE_MOVED] = "moved",
		 [CHANGE_FAILED] = "failed");

void outcome_done(struct outcome *o)
{
	free(o->changes);
	*o = (struct outcome){0};
}

size_t outcome_count(const struct outcome *o, enum change_result result)
{
	size_t n = 0;

	for (size_t i = 0; i < o->n_changes; i++)
		n += o->changes[i].result == result;
	return n;
}

size_t outcome_count_events(const struct outcome *o)
{
	size_t n = o->names_written;

	for (size_t i = 0; i < o->n_changes; i++)
		if (o->changes[i].result == CHANGE_DONE)
			n += o->changes[i].action == LINK_REPLACE ? 2 : 1;
	return n;
}

bool outcome_has_error(const struct outcome *o, int error)
{
	if (o->directory_error == error)
		return true;
	for (size_t i = 0; i < o->n_changes; i++)
		if (o->changes[i].result == CHANGE_FAILED && o->changes[i].error == error)
			return true;
	return false;
}

static bool passes_by_itself(int error)
{
	return error != 0 && error != EACCES && error != EPERM && error != EROFS;
}

bool outcome_is_owed(const struct outcome *o)
{
	if (passes_by_itself(o->directory_error) || passes_by_itself(o->names_error) ||
	    passes_by_itself(o->sync_error))
		return true;
	for (size_t i = 0; i < o->n_changes; i++)
		if (o->changes[i].result == CHANGE_FAILED && passes_by_itself(o->changes[i].error))
			return true;
	return false;
}
