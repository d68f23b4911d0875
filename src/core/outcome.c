/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/outcome.h"

#include "base/str.h"

static const char *const change_result_codes[CHANGE_RESULT_MAX] = {
	[CHANGE_DONE] = "done", [CHANGE_MOVED] = "moved", [CHANGE_FAILED] = "failed"};
DEFINE_TO_STRING(change_result, change_result_codes);

void outcome_done(struct outcome *o)
{
	free(o->changes);
	free(o->texts);
	*o = (struct outcome){0};
}

static struct change *find(struct outcome *o, const char *name)
{
	for (size_t i = 0; i < o->n_changes; i++)
		if (o->changes[i].result == CHANGE_DONE && str_eq(o->changes[i].name, name))
			return &o->changes[i];
	return NULL;
}

int outcome_join(struct outcome *o, const struct change *later)
{
	struct change *before = find(o, later->name), made = *later;

	if (!before) {
		if (GROW(o->changes, o->n_changes) < 0)
			return -ENOMEM;
		o->changes[o->n_changes++] = made;
		return 0;
	}
	if (made.action != LINK_REMOVE)
		made.action = before->action == LINK_CREATE ? LINK_CREATE : LINK_REPLACE;
	if (made.action != LINK_REMOVE || before->was)
		made.was = before->was;
	if (made.action == LINK_REPLACE && str_eq(made.was, made.text))
		*before = o->changes[--o->n_changes];
	else
		*before = made;
	return 0;
}

static int compare_changes(const void *a, const void *b)
{
	return strcmp(((const struct change *)a)->name, ((const struct change *)b)->name);
}

int outcome_tell_also(struct outcome *o, struct outcome *untold)
{
	struct change *grown =
		reallocarray(o->changes, o->n_changes + untold->n_changes + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	o->changes = grown;
	o->texts = TAKE_PTR(untold->texts);
	for (size_t i = 0; i < o->n_changes; i++) {
		struct change *c = &grown[i], *before = find(untold, c->name);

		if (!before || c->result != CHANGE_DONE)
			continue;
		if (c->action == LINK_CREATE && before->action == LINK_REMOVE &&
		    !str_eq(c->text, before->was)) {
			c->action = LINK_REPLACE;
			c->was = before->was;
		}
		*before = untold->changes[--untold->n_changes];
	}
	for (size_t i = 0; i < untold->n_changes; i++)
		grown[o->n_changes++] = untold->changes[i];
	qsort(grown, o->n_changes, sizeof(*grown), compare_changes);
	return 0;
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
	size_t n = 0;

	for (size_t i = 0; i < o->n_changes; i++)
		if (o->changes[i].result == CHANGE_DONE)
			n += o->changes[i].action == LINK_REPLACE ? 2 : 1;
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
