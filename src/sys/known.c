/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/known.h"

#include "base/str.h"
#include "sys/elf.h"

#include <fcntl.h>
#include <time.h>

#define LD_SO_CACHE "/etc/ld.so.cache"
/* So many newcomers are searched one by one before the list is sorted again. */
#define TAIL_MAX 64

/* What was learnt of a file; trust and missing libraries are judged anew. */
struct memory {
	char *path;
	uint64_t pass; /* last asked for in */
	struct file_facts facts;
	uint64_t libraries; /* the stamp under which facts.missing was found, 0 none */
};

struct known {
	const struct root *root;
	struct memory *items; /* sorted by path up to n_sorted, then as they came */
	size_t n;
	size_t n_sorted;
	size_t room;
	uint64_t pass;
	uint64_t libraries; /* stamp of this pass, 0 not taken yet */
};

static void memory_done(struct memory *m)
{
	free(m->path);
	file_facts_done(&m->facts);
}

int known_new(const struct root *root, struct known **ret)
{
	struct known *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->root = root;
	*ret = k;
	return 0;
}

void known_forget(struct known *k)
{
	for (size_t i = 0; i < k->n; i++)
		memory_done(&k->items[i]);
	free(TAKE_PTR(k->items));
	k->n = k->n_sorted = k->room = 0;
}

struct known *known_free(struct known *k)
{
	if (k) {
		known_forget(k);
		free(k);
	}
	return NULL;
}

void known_begin(struct known *k)
{
	k->pass++;
	k->libraries = 0;
}

static int compare_memories(const void *a, const void *b)
{
	return strcmp(((const struct memory *)a)->path, ((const struct memory *)b)->path);
}

void known_end(struct known *k, enum known_end how)
{
	size_t n = 0;

	for (size_t i = 0; how == KNOWN_FORGET_UNSEEN && i < k->n; i++) {
		if (k->items[i].pass != k->pass)
			memory_done(&k->items[i]);
		else
			k->items[n++] = k->items[i];
	}
	if (how == KNOWN_FORGET_UNSEEN)
		k->n = n;
	else if (k->n - k->n_sorted < TAIL_MAX)
		return;
	if (k->n > 0)
		qsort(k->items, k->n, sizeof(*k->items), compare_memories);
	k->n_sorted = k->n;
}

static struct memory *find(struct known *k, const char *path)
{
	struct memory wanted = {.path = (char *)(uintptr_t)path};
	struct memory *m = k->n_sorted == 0 ? NULL
					    : bsearch(&wanted, k->items, k->n_sorted,
						      sizeof(wanted), compare_memories);

	for (size_t i = k->n_sorted; !m && i < k->n && k->n - k->n_sorted <= TAIL_MAX; i++)
		if (strcmp(k->items[i].path, path) == 0)
			m = &k->items[i];
	return m;
}

static int copy_text(char **to, const char *from)
{
	return str_replace(to, from);
}

/* Copies what a look learnt; not trust, not missing libraries. */
static int copy_facts(struct file_facts *to, const struct file_facts *from)
{
	struct file_facts f = *from;
	int r;

	f.trust = (struct trust_facts){0};
	f.missing = NULL;
	f.missing_question = f.identity = f.resolved = NULL;
	f.elf.note_version = f.elf.package_note = f.elf.build_id = f.elf.interpreter = NULL;
	f.elf.needed = NULL;
	r = copy_text(&f.identity, from->identity);
	if (r >= 0)
		r = copy_text(&f.resolved, from->resolved);
	if (r >= 0)
		r = copy_text(&f.elf.note_version, from->elf.note_version);
	if (r >= 0)
		r = copy_text(&f.elf.package_note, from->elf.package_note);
	if (r >= 0)
		r = copy_text(&f.elf.build_id, from->elf.build_id);
	if (r >= 0)
		r = strv_copy(&f.elf.needed, from->elf.needed);
	if (r < 0)
		file_facts_done(&f);
	else
		*to = f;
	return r;
}

static int remember(struct known *k, const char *path, const struct file_facts *facts)
{
	struct memory *m = find(k, path), made = {.pass = k->pass};
	int r = copy_facts(&made.facts, facts);

	if (r < 0)
		return r;
	if (m) {
		file_facts_done(&m->facts);
		m->facts = made.facts;
		m->pass = k->pass;
		m->libraries = 0;
		return 0;
	}
	made.path = strdup(path);
	if (made.path && k->n == k->room) {
		size_t room = k->room ? k->room * 2 : 16;
		struct memory *grown = reallocarray(k->items, room, sizeof(*grown));

		if (grown) {
			k->items = grown;
			k->room = room;
		}
	}
	if (!made.path || k->n == k->room) {
		memory_done(&made);
		return -ENOMEM;
	}
	k->items[k->n++] = made;
	return 0;
}

/* Has anybody the file open for writing (rule 13)? A lease for reading is refused then; on files
 * that are not ours to lease the answer is "unknown", which passes. */
static bool is_being_written(int fd)
{
	const struct timespec moment = {.tv_nsec = 1000 * 1000};

	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0) {
		if (errno != EAGAIN)
			return false;
		/* The kernel tells of a close just before it lets go of the file. */
		(void)nanosleep(&moment, NULL);
		if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
			return errno == EAGAIN;
	}
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	return false;
}

static bool is_fatal(int error)
{
	return error == ENOMEM || error == EMFILE || error == ENFILE;
}

/* Reads one opened regular file. */
static int read_file(int fd, struct file_facts *f)
{
	struct signature after;
	struct stat st;
	int r;

	f->being_written = is_being_written(fd);
	r = elf_read(fd, &f->elf);
	if (r < 0 && is_fatal(-r))
		return r;
	if (r < 0)
		f->read_error = -r;
	else
		f->judged = true;
	if (fstat(fd, &st) < 0)
		return -errno;
	fs_signature(&st, &after);
	if (!signature_equal(&after, &f->signature)) { /* it moved under our eyes */
		f->being_written = true;
		f->signature = after;
	}
	return 0;
}

/* Learns a file that is there: `at` is it, or what the symlink leads to. */
static int learn(struct known *k, int dir_fd, const char *file, const struct walk *followed,
		 struct file_facts *f)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	_cleanup_close_ int fd = -EBADF;
	struct stat st;
	int r = 0;

	if (f->kind == FILE_REGULAR) {
		if (followed)
			fd = root_open_path(k->root, followed->resolved, flags);
		else
			fd = openat(dir_fd, file, flags | O_CLOEXEC);
		if (fd < 0) {
			int e = followed ? -fd : errno;

			if (is_fatal(e))
				return -e;
			f->read_error = e;
		} else if (fstat(fd, &st) < 0) {
			return -errno;
		} else {
			fs_signature(&st, &f->signature); /* what was opened is what is judged */
			if (S_ISREG(st.st_mode))
				r = read_file(fd, f);
			else
				f->kind = FILE_OTHER;
		}
	}
	return r < 0 ? r : file_facts_identify(f);
}

/* Owner and mode bits as they are now, directories first. */
static int judge(const struct stat *st, const char *path, const struct trust_facts *above,
		 enum walk_flags flags, struct file_facts *f)
{
	trust_facts_done(&f->trust);
	if (above->trust != TRUST_FINE) {
		f->trust = *above;
		f->trust.path = strdup(above->path);
		return f->trust.path ? 0 : -ENOMEM;
	}
	return fs_judge(st, path, flags, &f->trust);
}

static int join(const char *dir, const char *file, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	buf_add(&b, dir);
	if (!str_ends(dir, "/"))
		buf_add(&b, "/");
	buf_add(&b, file);
	return buf_take(&b, ret);
}

/* A symlink: where does it lead, and is all the way there to be trusted? */
static int follow(struct known *k, const char *path, enum walk_flags flags, struct walk *w,
		  struct file_facts *f)
{
	int r = fs_walk(k->root, path, flags, NULL, NULL, w);

	if (r < 0)
		return r;
	if (w->error == ELOOP)
		f->kind = FILE_LOOP;
	else if (w->error == ENOENT || w->error == ENOTDIR)
		f->kind = FILE_DANGLING;
	else if (w->error != 0)
		f->read_error = w->error;
	return 0;
}

static int look(struct known *k, int dir_fd, const char *file, const char *path,
		const struct stat *st, const struct walk *followed, struct file_facts *f)
{
	const struct memory *m = find(k, path);
	struct signature now;
	int r;

	if (!m && followed) /* a new link to a file that is known by its own path */
		m = find(k, followed->resolved);
	fs_signature(st, &now);
	if (m && signature_equal(&now, &m->facts.signature) && !m->facts.being_written &&
	    m->facts.read_error == 0 &&
	    (!followed || str_eq(m->facts.resolved, followed->resolved))) {
		struct trust_facts trust = f->trust;

		((struct memory *)(uintptr_t)m)->pass = k->pass;
		f->trust = (struct trust_facts){0};
		r = copy_facts(f, &m->facts);
		f->trust = trust;
		return r;
	}
	f->kind = S_ISREG(st->st_mode) ? FILE_REGULAR : FILE_OTHER;
	f->signature = now;
	f->resolved = strdup(followed ? followed->resolved : path);
	if (!f->resolved)
		return -ENOMEM;
	r = learn(k, dir_fd, file, followed, f);
	f->readable = (f->signature.mode & S_IRUSR) != 0;
	return r < 0 ? r : remember(k, path, f);
}

int known_look(struct known *k, int dir_fd, const char *dir_path, const char *file,
	       const struct trust_facts *dir_trust, enum walk_flags flags, struct file_facts *ret)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	_cleanup_(file_facts_done) struct file_facts f = {.readable = true};
	_cleanup_free_ char *path = NULL;
	struct stat st;
	int r;

	if (fstatat(dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	r = join(dir_path, file, &path);
	if (r >= 0 && !S_ISLNK(st.st_mode)) {
		r = judge(&st, path, dir_trust, flags, &f);
		if (r >= 0)
			r = look(k, dir_fd, file, path, &st, NULL, &f);
	} else if (r >= 0) {
		r = follow(k, path, flags, &w, &f);
		if (r >= 0 && w.error == 0)
			r = look(k, dir_fd, file, path, &w.st, &w, &f);
		if (r >= 0 && w.trust.trust != TRUST_FINE) {
			trust_facts_done(&f.trust);
			f.trust = w.trust;
			w.trust = (struct trust_facts){0};
		}
	}
	if (r < 0)
		return r;
	f.many_names = S_ISLNK(st.st_mode) || st.st_nlink > 1;
	*ret = f;
	f = (struct file_facts){0};
	return 1;
}

/* Changes with the server's program and with the loader's cache: what resolves may change too. */
static uint64_t libraries_stamp(const struct known *k, const struct server_facts *s)
{
	struct signature g[2] = {s->program.signature};
	_cleanup_close_ int fd = root_open_path(k->root, LD_SO_CACHE, O_PATH);
	struct stat st;
	uint64_t h;

	if (fd >= 0 && fstat(fd, &st) == 0)
		fs_signature(&st, &g[1]);
	h = STR_HASH_INIT;
	for (size_t i = 0; i < ELEMENTSOF(g); i++) {
		h = str_hash(h, &g[i].inode, sizeof(g[i].inode));
		h = str_hash(h, &g[i].size, sizeof(g[i].size));
		h = str_hash(h, &g[i].ctime_nsec, sizeof(g[i].ctime_nsec));
	}
	return h ? h : 1;
}

int known_find_missing(struct known *k, struct server_memory *m, const struct server_facts *s,
		       const char *path, struct file_facts *f)
{
	const struct elf_facts *e = &f->elf;
	struct memory *was;
	int r;

	if (f->kind != FILE_REGULAR || !f->judged || f->trust.trust != TRUST_FINE ||
	    f->being_written || e->form != ELF_FORM_FINE || e->object != ELF_OBJECT_SHARED ||
	    !s->is_elf || e->class != s->class || e->data != s->data || e->machine != s->machine ||
	    !root_is_host(k->root))
		return 0;
	if (k->libraries == 0)
		k->libraries = libraries_stamp(k, s);
	was = find(k, path);
	if (was && was->libraries == k->libraries) {
		r = strv_copy(&f->missing, was->facts.missing);
		return r < 0 ? r : str_replace(&f->missing_question, was->facts.missing_question);
	}
	r = server_find_missing(m, k->root, s, path, e, &f->missing, &f->missing_question);
	if (r < 0 || !was)
		return r;
	strv_free(TAKE_PTR(was->facts.missing));
	r = strv_copy(&was->facts.missing, f->missing);
	if (r >= 0)
		r = str_replace(&was->facts.missing_question, f->missing_question);
	if (r >= 0)
		was->libraries = k->libraries;
	return r;
}
