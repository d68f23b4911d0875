/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/observe.h"

#include "sys/elf.h"
#include "sys/look.h"
#include "sys/state.h"

/* More turns than this because directories are exchanged under our eyes: their events tell. */
#define TURNS_MAX 3

int observer_new(const struct root *root, enum server_flags flags, struct observer **ret)
{
	struct observer *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->root = root;
	o->flags = flags;
	o->doubt = DOUBT_ALL;
	*ret = o;
	return 0;
}

struct observer *observer_free(struct observer *o)
{
	if (o) {
		dirs_done(o);
		entries_clear(&o->links);
		snapshot_done(&o->seen);
		server_memory_done(&o->server);
		loader_memory_done(&o->loader);
		free(o);
	}
	return NULL;
}

void observer_set_watch(struct observer *o, struct watch *w)
{
	o->watch = w;
}

void observer_doubt_all(struct observer *o)
{
	o->doubt |= DOUBT_ALL;
}

void observer_forget(struct observer *o)
{
	o->doubt |= DOUBT_ALL | DOUBT_FORGET;
	server_memory_done(&o->server);
	loader_memory_done(&o->loader);
}

/* ---- what is in doubt ---- */

void entries_clear(struct entries *e)
{
	free(e->names);
	pool_done(&e->texts);
	*e = (struct entries){0};
}

int entries_add(struct entries *e, const char *name)
{
	for (size_t i = e->n; i > 0 && i + 4 > e->n; i--)
		if (strcmp(e->names[i - 1], name) == 0)
			return 0;
	if (e->n >= ENTRIES_MAX)
		e->all = true;
	if (e->all)
		return 0;
	if (GROW(e->names, e->n) < 0)
		return -ENOMEM;
	e->names[e->n] = pool_copy(&e->texts, name);
	if (!e->names[e->n])
		return -ENOMEM;
	e->n++;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void entries_sort(struct entries *e)
{
	size_t n = 0;

	if (e->n > 1)
		qsort(e->names, e->n, sizeof(*e->names), compare_names);
	for (size_t i = 0; i < e->n; i++)
		if (n == 0 || strcmp(e->names[n - 1], e->names[i]) != 0)
			e->names[n++] = e->names[i];
	e->n = n;
}

static int doubt_dir(struct observer *o, struct dir *d, const char *dir, const char *name)
{
	int r;

	if (!name || strcmp(dir, d->path) != 0) {
		d->doubt.all = true;
		return 1;
	}
	if (!d->version && name_is_version_dir(name))
		r = dirs_doubt_version(o, d->store, name);
	else
		r = entries_add(&d->doubt, name);
	return r < 0 ? r : 1;
}

static int doubt_links(struct observer *o, const char *name)
{
	int r = 0;

	if (name)
		r = entries_add(&o->links, name);
	else
		o->links.all = true;
	return r < 0 ? r : 1;
}

int observer_doubt(void *userdata, unsigned subject, const char *dir, const char *name)
{
	struct observer *o = userdata;

	switch (subject) {
	case WATCH_SERVER:
		o->doubt |= DOUBT_SERVER;
		return 1;
	case WATCH_LIBRARIES:
		o->doubt |= DOUBT_SERVER | DOUBT_LIBRARIES;
		return 1;
	case WATCH_NAMES:
		if (name && strcmp(name, STATE_FILE_NAMES) != 0)
			return 0;
		o->doubt |= name ? DOUBT_NAMES : DOUBT_NAMES_WAY;
		return 1;
	case WATCH_TARGETS:
		o->doubt |= DOUBT_TARGETS;
		return 1;
	case WATCH_LINKS:
		return doubt_links(o, name);
	default:
		for (size_t i = 0; i < o->n_dirs; i++)
			if (o->dirs[i].subject == subject)
				return doubt_dir(o, &o->dirs[i], dir, name);
		return 0;
	}
}

/* ---- the look ---- */

void look_done(struct look *l)
{
	for (size_t i = 0; i < l->n_fresh; i++)
		candidate_done(&l->s->candidates[l->s->n_candidates + i]);
	for (size_t i = 0; i < l->n_fresh_links; i++)
		link_done(&l->s->links.items[l->s->links.n + i]);
	free(l->changed);
	free(l->linked);
	buf_done(&l->path);
}

static int look_server(struct look *l)
{
	struct observer *o = l->o;
	struct server_facts s = {0};
	bool same;
	int r;

	/* What kept it from being run (ETXTBSY) may be over without an event. */
	if (!(l->doubt & (DOUBT_SERVER | DOUBT_ALL)) && !watch_is_blind(o->watch, WATCH_SERVER) &&
	    l->s->server.doubt != SERVER_DOUBT_NOT_RUN)
		return 0;
	watch_begin(o->watch, WATCH_SERVER);
	r = server_read(&o->server, o->root, l->c, o->flags, o->watch ? watch_visit : NULL,
			o->watch, &s);
	if (r < 0)
		return r;
	watch_end(o->watch, WATCH_SERVER);
	l->moved = true;
	same = signature_equal(&s.program.signature, &l->s->server.program.signature);
	server_facts_done(&l->s->server);
	l->s->server = s;
	if (!same)
		l->doubt |= DOUBT_LIBRARIES;
	return 0;
}

/* The record is replaced whole, so its directory tells. */
static int arm_names(struct look *l)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	struct watch *watch = l->o->watch;
	int r;

	if (!watch)
		return 0;
	watch_begin(watch, WATCH_NAMES);
	r = watch_walk(watch, l->o->root, STATE_VAR_DIR, 0, &w);
	if (r >= 0 && w.error == 0 && S_ISDIR(w.st.st_mode))
		r = watch_visit(watch, w.fd, w.resolved, NULL, true);
	if (r >= 0)
		watch_end(watch, WATCH_NAMES);
	return r;
}

static int look_names(struct look *l)
{
	bool all = (l->doubt & (DOUBT_NAMES_WAY | DOUBT_ALL)) != 0 ||
		   watch_is_blind(l->o->watch, WATCH_NAMES);
	struct remembered_names n = {0};
	int r = 0;

	if (!all && !(l->doubt & DOUBT_NAMES) && !l->s->names.error)
		return 0;
	if (all)
		r = arm_names(l);
	if (r >= 0)
		r = state_read_names(l->o->root, &n);
	if (r < 0)
		return r;
	l->moved = true;
	remembered_names_done(&l->s->names);
	l->s->names = n;
	return 0;
}

/* The server's loader judges files of that kind only. */
static bool needs_libraries(const struct look *l, const struct candidate *k)
{
	const struct file_facts *f = &k->facts;
	const struct server_facts *s = &l->s->server;

	return k->name.problem == NAME_FINE && f->kind == FILE_REGULAR && f->judged &&
	       f->trust.trust == TRUST_FINE && !f->being_written && f->elf.form == ELF_FORM_FINE &&
	       f->elf.object == ELF_OBJECT_SHARED && s->is_elf && f->elf.class == s->class &&
	       f->elf.data == s->data && f->elf.machine == s->machine;
}

static int look_libraries_of(struct look *l, struct candidate *k)
{
	struct file_facts *f = &k->facts;
	const struct loader_question q = {.path = k->path, .origin = l->c->links, .elf = &f->elf};
	int r = 0;

	if (k->libraries_known && !(l->doubt & (DOUBT_LIBRARIES | DOUBT_ALL)))
		return 0;
	strv_free(TAKE_PTR(f->missing));
	free(TAKE_PTR(f->missing_question));
	f->missing_unsure = false;
	k->libraries_known = l->moved = true;
	if (!needs_libraries(l, k))
		return 0;
	k->libraries_known = false;
	if (!l->libraries_checked)
		r = loader_check_memory(&l->o->loader, l->o->root, &l->s->server);
	l->libraries_checked = true;
	if (r >= 0)
		r = loader_find_missing(&l->o->loader, l->o->root, &l->s->server, &q, &f->missing,
					&f->missing_question);
	f->missing_unsure = f->missing && (l->o->flags & SERVER_CONFINED);
	return r;
}

/* While something is not found ldconfig(8) may mend it. */
static int watch_cache(struct look *l, bool wanted)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	struct observer *o = l->o;
	int r = 0;

	if (!o->watch || (wanted == o->cache_watched && !(l->doubt & DOUBT_LIBRARIES)))
		return 0;
	watch_begin(o->watch, WATCH_LIBRARIES);
	if (wanted)
		r = watch_walk(o->watch, o->root, LOADER_CACHE, 0, &w);
	if (r < 0)
		return r;
	watch_end(o->watch, WATCH_LIBRARIES);
	o->cache_watched = wanted;
	return 0;
}

/* A negative answer is asked for again at each look. */
static int look_libraries(struct look *l)
{
	bool open = l->s->server.state == SERVER_UNKNOWN;
	int r = 0;

	if (!root_is_host(l->o->root))
		return 0;
	for (size_t i = 0; r >= 0 && i < l->s->n_candidates; i++) {
		struct candidate *k = &l->s->candidates[i];

		r = look_libraries_of(l, k);
		k->libraries_known = !k->facts.missing && !k->facts.missing_question;
		open = open || k->facts.missing;
	}
	return r < 0 ? r : watch_cache(l, open);
}

static int look_once(struct look *l)
{
	struct observer *o = l->o;
	bool targets = o->watch && (l->doubt & (DOUBT_TARGETS | DOUBT_ALL));
	int r = look_server(l);

	if (targets)
		watch_begin(o->watch, WATCH_TARGETS);
	if (r >= 0)
		r = look_stores(l);
	if (r >= 0)
		r = look_links(l);
	if (r >= 0 && targets)
		watch_end(o->watch, WATCH_TARGETS);
	if (r >= 0)
		r = look_names(l);
	return r < 0 ? r : look_libraries(l);
}

/* What was seen belongs to others as well: it stays as it is. */
static void begin_anew(struct observer *o)
{
	uint64_t state = o->seen.state;

	snapshot_done(&o->seen);
	o->seen.state = state;
	dirs_done(o);
	o->doubt |= DOUBT_ALL | DOUBT_FORGET;
}

int observe(struct observer *o, const struct config *c, struct snapshot *ret)
{
	int r = 0;

	if (snapshot_is_shared(&o->seen))
		begin_anew(o);
	for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
		_cleanup_(look_done) struct look l = {
			.o = o,
			.c = c,
			.s = &o->seen,
			.flags = c->require_root_owned ? 0 : WALK_ANY_OWNER,
			.doubt = o->doubt | (o->watch ? 0 : DOUBT_ALL),
		};

		o->doubt |= DOUBT_ALL | DOUBT_FORGET; /* until this look has succeeded */
		r = look_once(&l);
		if (r < 0)
			return r;
		o->seen.state += l.moved || l.listed || l.n_changed > 0;
		o->doubt = 0;
		if (!watch_has_shifted(o->watch))
			break;
		o->doubt = DOUBT_ALL;
	}
	return snapshot_share(&o->seen, ret);
}
