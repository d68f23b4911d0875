/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/outcome.h"

void outcome_done(struct outcome *o)
{
	for (size_t i = 0; i < o->n_changes; i++) {
		struct change *c = &o->changes[i];

		free(c->name);
		free(c->key);
		free(c->text);
		free(c->was);
		free(c->why);
	}
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

bool outcome_is_read_only(const struct outcome *o)
{
	if (o->directory_error == EROFS)
		return true;
	/* If the record could not be written for that, the directory was not even tried. */
	for (size_t i = 0; i < o->n_changes && o->names_error != EROFS; i++)
		if (o->changes[i].result == CHANGE_FAILED && o->changes[i].error == EROFS)
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
