/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/snapshot.h"

#include "base/str.h"

#include <inttypes.h>

static const char *const server_state_codes[SERVER_STATE_MAX] = {
	[SERVER_ABSENT] = "absent", [SERVER_KNOWN] = "known", [SERVER_UNKNOWN] = "unknown"};
DEFINE_TO_STRING(server_state, server_state_codes);

static const char *const version_source_codes[VERSION_SOURCE_MAX] = {
	[VERSION_SOURCE_CONFIG] = "config",
	[VERSION_SOURCE_PROGRAM] = "program",
	[VERSION_SOURCE_DPKG] = "dpkg",
	[VERSION_SOURCE_RPM] = "rpm"};
DEFINE_TO_STRING(version_source, version_source_codes);

static const char *const unit_state_codes[UNIT_STATE_MAX] = {
	[UNIT_NO_MANAGER] = "no-manager", [UNIT_MISSING] = "missing",
	[UNIT_INACTIVE] = "inactive",     [UNIT_ACTIVE] = "active",
	[UNIT_CHANGING] = "changing",     [UNIT_UNKNOWN] = "unknown"};
DEFINE_TO_STRING(unit_state, unit_state_codes);

void elf_facts_done(struct elf_facts *f)
{
	free(f->note_version);
	free(f->package_note);
	free(f->build_id);
	free(f->interpreter);
	strv_free(f->needed);
	free(f->search_path);
	*f = (struct elf_facts){0};
}

bool signature_equal(const struct signature *a, const struct signature *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->mtime_nsec == b->mtime_nsec && a->ctime_nsec == b->ctime_nsec &&
	       a->mode == b->mode && a->owner == b->owner;
}

void trust_facts_done(struct trust_facts *t)
{
	free(t->path);
	*t = (struct trust_facts){0};
}

void file_facts_done(struct file_facts *f)
{
	trust_facts_done(&f->trust);
	elf_facts_done(&f->elf);
	strv_free(f->missing);
	free(f->missing_question);
	free(f->identity);
	free(f->led_to);
	*f = (struct file_facts){0};
}

int file_facts_identify(struct file_facts *f)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (f->elf.build_id)
		buf_printf(&b, "build-id=%s,size=%" PRIu64, f->elf.build_id, f->signature.size);
	else
		buf_printf(&b, "inode=%" PRIu64 ",size=%" PRIu64 ",mtime=%" PRId64,
			   f->signature.inode, f->signature.size, f->signature.mtime_nsec);
	free(TAKE_PTR(f->identity));
	return buf_take(&b, &f->identity);
}

void server_facts_done(struct server_facts *s)
{
	free(s->version);
	free(s->doubt_text);
	file_facts_done(&s->program);
	*s = (struct server_facts){0};
}

void candidate_done(struct candidate *c)
{
	free(c->path);
	name_done(&c->name);
	file_facts_done(&c->facts);
	*c = (struct candidate){0};
}

void link_done(struct link *l)
{
	free(l->name);
	if (l->resolved != l->target)
		free(l->resolved);
	if (l->target != l->text)
		free(l->target);
	free(l->text);
	free(l->key);
	free(l->identity);
	trust_facts_done(&l->trust);
	*l = (struct link){0};
}

void links_facts_done(struct links_facts *l)
{
	trust_facts_done(&l->trust);
	trust_facts_done(&l->parents);
	for (size_t i = 0; i < l->n; i++)
		link_done(&l->items[i]);
	free(l->items);
	strv_free(l->leftovers);
	*l = (struct links_facts){0};
}

void remembered_names_done(struct remembered_names *r)
{
	free(r->items);
	free(r->text);
	*r = (struct remembered_names){0};
}

static int compare_remembered(const struct remembered *a, const struct remembered *b)
{
	int c = strcmp(a->key, b->key);

	return c ? c : strcmp(a->link, b->link);
}

const struct remembered *remembered_names_find(const struct remembered_names *r, const char *key,
					       const char *link)
{
	size_t i = str_lower_bound(r->items, r->n, sizeof(*r->items),
				   offsetof(struct remembered, key), key);

	for (; i < r->n && strcmp(r->items[i].key, key) == 0; i++)
		if (strcmp(r->items[i].link, link) == 0)
			return &r->items[i];
	return NULL;
}

int remembered_names_add(struct remembered_names *r, const struct remembered *item)
{
	size_t at = r->n;

	if (GROW(r->items, r->n) < 0)
		return -ENOMEM;
	for (; at > 0 && compare_remembered(&r->items[at - 1], item) > 0; at--)
		r->items[at] = r->items[at - 1];
	r->items[at] = *item;
	r->n++;
	return 0;
}

void unit_facts_done(struct unit_facts *u)
{
	free(u->name);
	strv_free(u->names);
	free(u->sub_state);
	free(u->invocation);
	free(u->record);
	free(u->record_invocation);
	free(u->forbidden);
	*u = (struct unit_facts){0};
}

const char *unit_facts_id(const struct unit_facts *u)
{
	return u->names && u->names[0] ? u->names[0] : u->name;
}

bool unit_facts_is_called(const struct unit_facts *u, const char *name)
{
	return str_eq(u->name, name) || strv_has(u->names, name);
}

int snapshot_share(struct snapshot *s, struct snapshot *ret)
{
	if (!s->holders) {
		s->holders = malloc(sizeof(*s->holders));
		if (!s->holders)
			return -ENOMEM;
		*s->holders = 1;
	}
	++*s->holders;
	*ret = *s;
	return 0;
}

bool snapshot_is_shared(const struct snapshot *s)
{
	return s->holders && *s->holders > 1;
}

void snapshot_done(struct snapshot *s)
{
	if (s->holders && --*s->holders > 0) {
		*s = (struct snapshot){0};
		return;
	}
	free(s->holders);
	server_facts_done(&s->server);
	for (size_t i = 0; i < s->n_stores; i++) {
		free(s->stores[i].path);
		free(s->stores[i].error_path);
	}
	free(s->stores);
	for (size_t i = 0; i < s->n_candidates; i++)
		candidate_done(&s->candidates[i]);
	free(s->candidates);
	links_facts_done(&s->links);
	remembered_names_done(&s->names);
	*s = (struct snapshot){0};
}

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->store != y->store)
		return x->store < y->store ? -1 : 1;
	return strcmp(x->path, y->path);
}

static int compare_links(const void *a, const void *b)
{
	return strcmp(((const struct link *)a)->name, ((const struct link *)b)->name);
}

void snapshot_sort(struct snapshot *s)
{
	if (s->n_candidates > 0)
		qsort(s->candidates, s->n_candidates, sizeof(*s->candidates), compare_candidates);
	if (s->links.n > 0)
		qsort(s->links.items, s->links.n, sizeof(*s->links.items), compare_links);
}

const struct link *snapshot_find_link(const struct snapshot *s, const char *name)
{
	struct link wanted = {.name = (char *)(uintptr_t)name};

	if (s->links.n == 0)
		return NULL;
	return bsearch(&wanted, s->links.items, s->links.n, sizeof(wanted), compare_links);
}
