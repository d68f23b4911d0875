/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden.h"

#include "base/str.h"
#include "core/version.h"

static bool number(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return *text && !*end && errno == 0;
}

struct choice {
	const char *word;
	int value;
};

static bool choose(const struct choice *choices, const char *word, int *ret)
{
	for (; choices->word; choices++)
		if (strcmp(choices->word, word) == 0) {
			*ret = choices->value;
			return true;
		}
	return false;
}

static const struct choice forms[] = {
	{"not-elf", ELF_FORM_NOT_ELF}, {"truncated", ELF_FORM_TRUNCATED}, {NULL, 0}};
static const struct choice objects[] = {
	{"not-dyn", ELF_OBJECT_NOT_DYN},       {"pie", ELF_OBJECT_PIE},
	{"noopen", ELF_OBJECT_NOOPEN},         {"abi", ELF_OBJECT_FOREIGN_ABI},
	{"no-dynamic", ELF_OBJECT_NO_DYNAMIC}, {NULL, 0},
};
static const struct choice entry_points[] = {
	{"none", ELF_ENTRY_NONE}, {"transport", ELF_ENTRY_TRANSPORT}, {NULL, 0}};
static const struct choice kinds[] = {
	{"other", FILE_OTHER}, {"dangling", FILE_DANGLING}, {"loop", FILE_LOOP}, {NULL, 0}};
static const struct choice trusts[] = {
	{"owner", TRUST_OWNER}, {"writable", TRUST_WRITABLE}, {NULL, 0}};
static const struct choice states[] = {
	{"missing", LINKS_MISSING},
	{"no-parent", LINKS_NO_PARENT},
	{"symlink", LINKS_SYMLINK},
	{"not-dir", LINKS_NOT_DIR},
	{"error", LINKS_ERROR},
	{"untrusted", LINKS_FINE},
	{NULL, 0},
};

static int read_word(struct file_facts *f, const char *word)
{
	if (strcmp(word, "unreadable") == 0)
		f->readable = false;
	else if (strcmp(word, "being-written") == 0)
		f->being_written = true;
	else if (strcmp(word, "malformed-note") == 0)
		f->elf.note_malformed = true;
	else
		return -EINVAL;
	return 0;
}

static int read_number(struct file_facts *f, const char *key, uint64_t n)
{
	if (strcmp(key, "inode") == 0)
		f->signature.inode = n;
	else if (strcmp(key, "machine") == 0)
		f->elf.machine = (uint16_t)n;
	else if (strcmp(key, "class") == 0)
		f->elf.class = (uint8_t)n;
	else if (strcmp(key, "data") == 0)
		f->elf.data = (uint8_t)n;
	else if (strcmp(key, "read-error") == 0)
		f->read_error = (int)n;
	else
		return -EINVAL;
	return 0;
}

static int read_option(struct file_facts *f, char *option)
{
	char *value = strchr(option, '=');
	int choice = 0;
	uint64_t n;

	if (!value)
		return read_word(f, option);
	*value++ = 0;
	if (strcmp(option, "note") == 0)
		return version_is_valid(value) ? str_replace(&f->elf.note_version, value) : -EINVAL;
	if (strcmp(option, "build") == 0)
		return str_replace(&f->elf.build_id, value);
	f->missing_unsure = f->missing_unsure || strcmp(option, "unseen") == 0;
	if (strcmp(option, "missing") == 0 || strcmp(option, "unseen") == 0)
		return strv_add(&f->missing, value);
	if (strcmp(option, "form") == 0 && choose(forms, value, &choice))
		f->elf.form = (enum elf_form)choice;
	else if (strcmp(option, "object") == 0 && choose(objects, value, &choice))
		f->elf.object = (enum elf_object)choice;
	else if (strcmp(option, "entry") == 0 && choose(entry_points, value, &choice))
		f->elf.entry = (enum elf_entry)choice;
	else if (strcmp(option, "kind") == 0 && choose(kinds, value, &choice))
		f->kind = (enum file_kind)choice;
	else if (strcmp(option, "trust") == 0 && choose(trusts, value, &choice))
		f->trust.trust = (enum trust)choice;
	else
		return number(value, &n) ? read_number(f, option, n) : -EINVAL;
	return 0;
}

static uint64_t inode_of(const char *path)
{
	return (str_hash(STR_HASH_INIT, path, strlen(path)) >> 8) | (1ULL << 40);
}

static int read_facts(const char *path, char **options, struct file_facts *f)
{
	f->signature = (struct signature){
		.device = 1, .inode = inode_of(path), .size = 4096, .mode = 0100644};
	f->readable = f->judged = true;
	f->elf.entry = ELF_ENTRY_MODULE;
	f->elf.machine = 62;
	f->elf.class = 2;
	f->elf.data = 1;
	for (; *options; options++) {
		int r = read_option(f, *options);

		if (r < 0)
			return r;
	}
	if (f->kind == FILE_DANGLING || f->kind == FILE_LOOP) {
		f->signature = (struct signature){0};
		return 0;
	}
	f->resolved = f->led_to = strdup(path);
	if (!f->resolved)
		return -ENOMEM;
	return file_facts_identify(f);
}

/* 1 if the store's file is a candidate, 0 if it is none, -EINVAL if it is in no store. */
static int read_name(const struct world *w, struct candidate *k)
{
	int found = -EINVAL;

	for (size_t i = 0; i < w->snapshot.n_stores; i++) {
		const char *rest = path_below(k->path, w->snapshot.stores[i].path);
		const char *slash = rest ? strchr(rest, '/') : NULL;
		_cleanup_free_ char *dir = slash ? strndup(rest, (size_t)(slash - rest)) : NULL;
		int r;

		if (!rest)
			continue;
		found = 0;
		if (slash && strchr(slash + 1, '/'))
			continue;
		k->store = i;
		k->file = slash ? slash + 1 : rest;
		if (slash && !dir)
			return -ENOMEM;
		r = name_parse(dir, k->file, &k->name);
		if (r != 0)
			return r;
	}
	return found;
}

static int read_file(struct world *w, char **words)
{
	struct candidate k = {0}, **list = &w->others, *grown;
	size_t *n = &w->n_others;
	int r = words[0] ? str_replace(&k.path, words[0]) : -EINVAL;

	if (r >= 0)
		r = read_facts(words[0], words + 1, &k.facts);
	if (r >= 0)
		r = read_name(w, &k);
	if (r > 0) {
		list = &w->snapshot.candidates;
		n = &w->snapshot.n_candidates;
	}
	grown = r < 0 ? NULL : reallocarray(*list, *n + 1, sizeof(k));
	if (!grown) {
		candidate_done(&k);
		return r < 0 ? r : -ENOMEM;
	}
	*list = grown;
	grown[(*n)++] = k;
	return 0;
}

static int read_server(struct world *w, char **words)
{
	struct server_facts *s = &w->snapshot.server;
	_cleanup_(file_facts_done) struct file_facts f = {0};
	int r;

	if (!words[0])
		return -EINVAL;
	r = read_facts("/usr/sbin/vsmtp", words + 1, &f);
	if (r < 0)
		return r;
	s->class = f.elf.class;
	s->data = f.elf.data;
	s->machine = f.elf.machine;
	s->state = SERVER_ABSENT;
	if (strcmp(words[0], "absent") == 0)
		return 0;
	s->state = SERVER_UNKNOWN;
	if (strcmp(words[0], "unknown") == 0)
		return 0;
	s->state = SERVER_KNOWN;
	return version_is_valid(words[0]) ? str_replace(&s->version, words[0]) : -EINVAL;
}

static int read_store(struct world *w, char **words)
{
	uint64_t n = 0;

	for (size_t i = 0; words[0] && i < w->snapshot.n_stores; i++) {
		struct store_facts *s = &w->snapshot.stores[i];

		if (strcmp(s->path, words[0]) != 0)
			continue;
		if (words[1] && strcmp(words[1], "absent") == 0)
			s->absent = true;
		else if (words[1] && strcmp(words[1], "error") == 0 && words[2] &&
			 number(words[2], &n))
			s->error = (int)n;
		else if (words[1])
			return -EINVAL;
		return 0;
	}
	return -EINVAL;
}

static const struct file_facts *find_file(const struct world *w, const char *path)
{
	for (size_t i = 0; i < w->snapshot.n_candidates; i++)
		if (strcmp(w->snapshot.candidates[i].path, path) == 0)
			return &w->snapshot.candidates[i].facts;
	for (size_t i = 0; i < w->n_others; i++)
		if (strcmp(w->others[i].path, path) == 0)
			return &w->others[i].facts;
	return NULL;
}

static int add_link(struct world *w, struct link *l)
{
	struct links_facts *links = &w->snapshot.links;
	struct link *grown = reallocarray(links->items, links->n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	links->items = grown;
	grown[links->n++] = *l;
	*l = (struct link){0};
	return 0;
}

/* What the entry leads to: a file of the text, or anything with the inode that was said. */
static int read_target(const struct world *w, struct link *l, const char *path, char **options)
{
	const struct file_facts *f = find_file(w, path);
	_cleanup_(file_facts_done) struct file_facts said = {0};
	int r = read_facts(path, options, &said);

	if (r < 0)
		return r;
	if (!f || *options)
		f = &said;
	l->dangling = l->kind == LINK_SYMLINK && f == &said && !*options;
	if (l->dangling || !f->resolved) {
		l->dangling = true;
		return 0;
	}
	l->target_device = f->signature.device;
	l->target_inode = f->signature.inode;
	r = str_replace(&l->identity, f->identity);
	return r < 0 ? r : str_replace(&l->resolved, f->resolved);
}

static int read_link(struct world *w, char **words)
{
	_cleanup_(link_done) struct link l = {.kind = LINK_SYMLINK};
	int r;

	if (!words[0] || !words[1] || strcmp(words[1], "->") != 0 || !words[2])
		return -EINVAL;
	r = str_replace(&l.name, words[0]);
	if (r >= 0)
		r = str_replace(&l.text, words[2]);
	if (r >= 0)
		r = path_normalize(w->config.links, words[2], &l.target);
	if (r >= 0)
		r = plan_claim_link(&w->config, &l);
	if (r >= 0)
		r = read_target(w, &l, l.target, words + 3);
	return r < 0 ? r : add_link(w, &l);
}

static int read_entry(struct world *w, char **words)
{
	_cleanup_(link_done) struct link l = {.kind = LINK_OTHER};
	_cleanup_free_ char *path = NULL;
	int r;

	if (!words[0])
		return -EINVAL;
	r = str_replace(&l.name, words[0]);
	if (r >= 0)
		r = path_normalize(w->config.links, words[0], &path);
	if (r >= 0)
		r = read_target(w, &l, path, words + 1);
	return r < 0 ? r : add_link(w, &l);
}

static int read_leftover(struct world *w, char **words)
{
	return words[0] ? strv_add(&w->snapshot.links.leftovers, words[0]) : -EINVAL;
}

static int read_links(struct world *w, char **words)
{
	struct links_facts *l = &w->snapshot.links;
	int state;

	if (!words[0] || !choose(states, words[0], &state))
		return -EINVAL;
	l->state = (enum links_state)state;
	if (strcmp(words[0], "untrusted") == 0)
		l->trust.trust = TRUST_OWNER;
	l->error = l->state == LINKS_ERROR ? EIO : 0;
	return 0;
}

static const struct choice flags[] = {
	{"found", 0},
	{"chosen", REMEMBERED_CHOSEN},
	{"found,parked", REMEMBERED_PARKED},
	{"chosen,parked", REMEMBERED_CHOSEN | REMEMBERED_PARKED},
	{NULL, 0},
};

int world_keep_name(struct world *w, struct remembered *m)
{
	const char **texts[] = {&m->key, &m->link, &m->file, &m->file_for};

	for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
		if (!*texts[i])
			continue;
		*texts[i] = pool_copy(&w->texts, *texts[i]);
		if (!*texts[i])
			return -ENOMEM;
	}
	return 0;
}

static int read_remembered(struct world *w, char **words)
{
	struct remembered m = {.key = words[0]};
	int f;

	if (!words[0] || !words[1] || !words[2] || !choose(flags, words[1], &f))
		return -EINVAL;
	m.link = words[2];
	m.flags = (enum remembered_flags)f;
	if (words[3]) {
		m.file_for = str_after(words[3], "for=");
		m.file = words[4];
		if (!m.file_for || !m.file)
			return -EINVAL;
	}
	f = world_keep_name(w, &m);
	return f < 0 ? f : remembered_names_add(&w->snapshot.names, &m);
}

static int read_names_error(struct world *w, char **words)
{
	uint64_t n = 0;

	if (!words[0] || !number(words[0], &n))
		return -EINVAL;
	w->snapshot.names.error = (int)n;
	return 0;
}

static int read_held(struct world *w, char **words)
{
	w->snapshot.held = true;
	return words[0] ? -EINVAL : 0;
}

static const struct fact {
	const char *word;
	unsigned turn; /* links need the files they lead to */
	int (*read)(struct world *w, char **words);
} facts[] = {
	{"server", 0, read_server},
	{"store", 0, read_store},
	{"file", 0, read_file},
	{"link", 1, read_link},
	{"entry", 1, read_entry},
	{"leftover", 1, read_leftover},
	{"links", 0, read_links},
	{"name", 0, read_remembered},
	{"names-error", 0, read_names_error},
	{"held", 0, read_held},
};

/* Words are escaped as the plan prints them, so that a name may hold a blank. */
static int read_line(struct world *w, const char *line, unsigned turn)
{
	_cleanup_strv_ char **words = NULL;
	int r = strv_add_words(&words, line);

	for (char **word = words; r >= 0 && word && *word; word++) {
		char *plain = NULL;

		r = str_unescape(*word, strlen(*word), &plain);
		if (r >= 0) {
			free(*word);
			*word = plain;
		}
	}
	for (size_t i = 0; r >= 0 && i < ELEMENTSOF(facts); i++)
		if (strcmp(words[0], facts[i].word) == 0)
			return facts[i].turn == turn ? facts[i].read(w, words + 1) : 0;
	return r < 0 ? r : -EINVAL;
}

static int read_lines(struct world *w, const char *text, unsigned turn)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		_cleanup_free_ char *line = strndup(text, n);
		int r = line ? read_line(w, line, turn) : -ENOMEM;

		if (r == -EINVAL)
			w->error = TAKE_PTR(line);
		if (r < 0)
			return r;
		text += n + (text[n] == '\n');
	}
	return 0;
}

static int add_stores(struct world *w)
{
	size_t n = strv_len(w->config.stores);

	w->snapshot.stores = calloc(n + 1, sizeof(*w->snapshot.stores));
	if (!w->snapshot.stores)
		return -ENOMEM;
	w->snapshot.n_stores = n;
	for (size_t i = 0; i < n; i++) {
		int r = str_replace(&w->snapshot.stores[i].path, w->config.stores[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

int world_read_facts(struct world *w, const char *lines)
{
	int r = add_stores(w);

	for (unsigned turn = 0; r >= 0 && turn < 2; turn++)
		r = read_lines(w, lines, turn);
	if (r >= 0)
		snapshot_sort(&w->snapshot);
	return r;
}
