/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/plan.h"

#include "base/str.h"

#include <inttypes.h>

/* An entry as it will be once a link was made or retargeted. */
static int project_link(const struct plan_link *p, struct link *ret)
{
	const struct file_facts *f = &p->candidate->facts;
	struct link l = {
		.name = strdup(p->name),
		.kind = LINK_SYMLINK,
		.text = strdup(p->text),
		.target = strdup(p->text),
		.ctime_nsec = INT64_MAX,
		.resolved = f->resolved ? strdup(f->resolved) : NULL,
		.identity = f->identity ? strdup(f->identity) : NULL,
		.target_device = f->signature.device,
		.target_inode = f->signature.inode,
		.target_ctime_nsec = f->signature.ctime_nsec,
	};

	if (!l.name || !l.text || !l.target || (f->resolved && !l.resolved) ||
	    (f->identity && !l.identity)) {
		link_done(&l);
		return -ENOMEM;
	}
	*ret = l;
	return 0;
}

static struct link *find_entry(struct links_facts *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->items[i].name, name) == 0)
			return &l->items[i];
	return NULL;
}

static int project_one(const struct plan_link *p, struct links_facts *links)
{
	struct link *at = find_entry(links, p->name), made;
	int r;

	if (p->action == LINK_REMOVE && at) {
		link_done(at);
		memmove(at, at + 1, (size_t)(links->items + links->n - at - 1) * sizeof(*at));
		links->n--;
		return 0;
	}
	if (p->action != LINK_CREATE && p->action != LINK_REPLACE)
		return 0;
	r = project_link(p, &made);
	if (r < 0)
		return r;
	if (at) {
		link_done(at);
	} else {
		struct link *grown =
			reallocarray(links->items, links->n + 1, sizeof(*links->items));

		if (!grown) {
			link_done(&made);
			return -ENOMEM;
		}
		links->items = grown;
		at = grown + links->n++;
	}
	*at = made;
	return 0;
}

int plan_project(const struct plan *p, struct snapshot *s)
{
	struct remembered_names names = {.error = p->names.error};

	for (size_t i = 0; i < p->n_links; i++) {
		int r = project_one(&p->links[i], &s->links);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < p->names.n; i++) {
		int r = remembered_names_add(&names, &p->names.items[i]);

		if (r < 0) {
			remembered_names_done(&names);
			return r;
		}
	}
	remembered_names_done(&s->names);
	s->names = names;
	if (p->directory == PLAN_DIRECTORY_MAKE)
		s->links.state = LINKS_FINE;
	trust_facts_done(&s->links.trust);
	snapshot_sort(s);
	return 0;
}

static void print_trust(struct buf *b, const struct trust_facts *t)
{
	buf_printf(b, " trust=%d:%o:%u", t->trust, t->mode, t->owner);
}

static void print_candidate(struct buf *b, const struct candidate *k)
{
	const struct file_facts *f = &k->facts;

	buf_add(b, "candidate ");
	buf_escape(b, k->path);
	buf_printf(b, " kind=%d inode=%" PRIu64 " readable=%d error=%d writing=%d", f->kind,
		   f->signature.inode, f->readable, f->read_error, f->being_written);
	print_trust(b, &f->trust);
	buf_printf(b, " elf=%d:%d:%d:%u:%u:%u note=", f->elf.form, f->elf.object, f->elf.entry,
		   f->elf.class, f->elf.data, f->elf.machine);
	buf_escape(b, f->elf.note_version);
	buf_add(b, " is ");
	buf_escape(b, f->identity);
	buf_add(b, " at ");
	buf_escape(b, f->resolved);
	for (size_t i = 0; f->missing && f->missing[i]; i++) {
		buf_add(b, f->missing_unsure ? " may lack " : " lacks ");
		buf_escape(b, f->missing[i]);
	}
	buf_add(b, "\n");
}

static void print_link(struct buf *b, const struct link *l)
{
	buf_add(b, "link ");
	buf_escape(b, l->name);
	buf_printf(b, " kind=%d to ", l->kind);
	buf_escape(b, l->text);
	buf_add(b, " is ");
	buf_escape(b, l->resolved);
	buf_printf(b, " %" PRIu64 " ", l->target_inode);
	buf_escape(b, l->identity);
	buf_add(b, "\n");
}

static void print_config(struct buf *b, const struct config *c)
{
	buf_printf(b, "config unversioned=%d owner=%d links=", c->unversioned,
		   c->require_root_owned);
	buf_escape(b, c->links);
	buf_add(b, " names=");
	buf_escape(b, c->link_name);
	for (size_t i = 0; i < c->n_plugins; i++) {
		const struct config_plugin *p = &c->plugins[i];

		buf_printf(b, " %s:%d:", p->key, p->enabled);
		buf_escape(b, p->link_name);
		buf_add(b, ":");
		buf_escape(b, p->version);
	}
	buf_add(b, "\n");
}

int plan_fingerprint(const struct config *c, const struct snapshot *s, uint64_t *ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	int r;

	print_config(&b, c);
	buf_add(&b, s->held ? "held\n" : "");
	buf_printf(&b, "server %d ", s->server.state);
	buf_escape(&b, s->server.version);
	buf_printf(&b, " %u %u %u\n", s->server.class, s->server.data, s->server.machine);
	for (size_t i = 0; i < s->n_stores; i++) {
		buf_add(&b, "store ");
		buf_escape(&b, s->stores[i].path);
		buf_printf(&b, " absent=%d error=%d\n", s->stores[i].absent, s->stores[i].error);
	}
	for (size_t i = 0; i < s->n_candidates; i++)
		print_candidate(&b, &s->candidates[i]);
	buf_printf(&b, "links %d", s->links.state);
	print_trust(&b, &s->links.trust);
	buf_add(&b, "\n");
	for (size_t i = 0; i < s->links.n; i++)
		print_link(&b, &s->links.items[i]);
	buf_printf(&b, "names error=%d\n", s->names.error);
	for (size_t i = 0; i < s->names.n; i++) {
		const struct remembered *m = &s->names.items[i];

		buf_printf(&b, "name %s %d ", m->key, m->flags);
		buf_escape(&b, m->link);
		buf_printf(&b, " %s ", m->file_for ? m->file_for : "");
		buf_escape(&b, m->file);
		buf_add(&b, "\n");
	}
	r = buf_take(&b, &text);
	if (r < 0)
		return r;
	*ret = str_hash(STR_HASH_INIT, text, strlen(text));
	return 0;
}
