/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/facts.h"

#include "base/str.h"
#include "sys/clock.h"
#include "sys/elf.h"
#include "sys/watch.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <time.h>

#define NSEC_PER_SEC 1000000000
/* A tick of the kernel's coarse clock, at most (HZ=100). */
#define GRAIN_NSEC (NSEC_PER_SEC / 100)
/* Of file systems that keep whole seconds, or two. */
#define COARSE_GRAIN_NSEC (2LL * NSEC_PER_SEC)

static bool is_coarse(const struct signature *s)
{
	return s->ctime_nsec % NSEC_PER_SEC == 0;
}

bool facts_are_young(const struct signature *s, int64_t now_nsec)
{
	int64_t age;

	return !__builtin_sub_overflow(now_nsec, s->ctime_nsec, &age) && age >= 0 &&
	       age < (is_coarse(s) ? COARSE_GRAIN_NSEC : GRAIN_NSEC);
}

static int64_t now_nsec(void)
{
	return (int64_t)(clock_usec(CLOCK_REALTIME) * NSEC_PER_USEC);
}

/* Within a tick an event tells of a change; where times are kept by the second it may be long after
 * that the same second's second change is made, by another name or another machine. */
bool facts_are_unfinished(const struct file_facts *f)
{
	return f->being_written || (f->read_error != 0 && f->readable) ||
	       (f->many_names && !f->followed) || (f->young && is_coarse(&f->signature));
}

static bool waits_for_the_clock(const struct file_facts *f)
{
	return (f->being_written && f->many_names) || (f->young && is_coarse(&f->signature));
}

bool facts_any_wait_for_the_clock(const struct snapshot *s)
{
	if (s->server.doubt == SERVER_DOUBT_NOT_RUN)
		return true;
	for (size_t i = 0; i < s->n_candidates; i++)
		if (waits_for_the_clock(&s->candidates[i].facts))
			return true;
	return false;
}

bool facts_leases_tell(uint64_t type)
{
	static const uint64_t silent[] = {
		AFS_FS_MAGIC,     AFS_SUPER_MAGIC,  CEPH_SUPER_MAGIC, CIFS_SUPER_MAGIC,
		CODA_SUPER_MAGIC, FUSE_SUPER_MAGIC, NFS_SUPER_MAGIC,  SMB2_SUPER_MAGIC,
		SMB_SUPER_MAGIC,  V9FS_MAGIC,
	};

	for (size_t i = 0; i < ELEMENTSOF(silent); i++)
		if ((uint32_t)type == (uint32_t)silent[i])
			return false;
	return true;
}

/* Has anybody the file open for writing (rule 13)? A lease for reading is refused then; on files
 * that are not ours to lease the answer is "unknown", which passes. */
static bool is_being_written(int fd)
{
	const struct timespec moment = {.tv_nsec = 1000 * 1000};
	struct statfs fs;

	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0) {
		if (errno != EAGAIN || fstatfs(fd, &fs) < 0 ||
		    !facts_leases_tell((uint64_t)fs.f_type))
			return false;
		/* The kernel tells of a close just before it lets go of the file. */
		(void)nanosleep(&moment, NULL);
		if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
			return errno == EAGAIN;
	}
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	return false;
}

/* Reads one opened regular file. */
static int read_file(int fd, struct file_facts *f)
{
	struct signature after;
	struct stat st;
	int r;

	f->being_written = is_being_written(fd);
	r = elf_read(fd, &f->elf);
	if (fs_is_fatal(r))
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
	f->young = facts_are_young(&after, now_nsec());
	return 0;
}

/* Learns a file that is there: the entry itself, or what the symlink leads to. */
static int learn(const struct facts_place *p, const struct stat *st, struct file_facts *f)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	_cleanup_close_ int fd = -EBADF;
	struct stat now;
	int r = 0;

	f->kind = S_ISREG(st->st_mode) ? FILE_REGULAR : FILE_OTHER;
	fs_signature(st, &f->signature);
	if (f->kind == FILE_REGULAR) {
		if (f->followed)
			fd = root_open_path(p->root, f->resolved, flags);
		else
			fd = openat(p->dir_fd, p->file, flags | O_CLOEXEC);
		if (fd < 0) {
			int e = f->followed ? fd : -errno;

			if (fs_is_fatal(e))
				return e;
			f->read_error = -e;
		} else if (fstat(fd, &now) < 0) {
			return -errno;
		} else {
			fs_signature(&now, &f->signature); /* what was opened is what is judged */
			if (S_ISREG(now.st_mode))
				r = read_file(fd, f);
			else
				f->kind = FILE_OTHER;
		}
	}
	f->readable = (f->signature.mode & S_IRUSR) != 0;
	return r < 0 ? r : file_facts_identify(f);
}

/* Owner and mode bits as they are now, directories first. */
static int judge(const struct facts_place *p, const struct stat *st, struct trust_facts *ret)
{
	if (p->dir_trust->trust == TRUST_FINE)
		return fs_judge(st, p->path, p->flags, ret);
	*ret = *p->dir_trust;
	ret->path = strdup(p->dir_trust->path);
	return ret->path ? 0 : -ENOMEM;
}

static bool trust_equal(const struct trust_facts *a, const struct trust_facts *b)
{
	return a->trust == b->trust && a->mode == b->mode && a->owner == b->owner &&
	       a->group == b->group && str_eq(a->path, b->path);
}

/* A symlink: where does it lead, and is all the way there to be trusted? */
static int follow(const struct facts_place *p, struct walk *w, struct file_facts *f)
{
	unsigned before = watch_turn(p->watch, WATCH_TARGETS);
	int r = watch_walk(p->watch, p->root, p->path, p->flags, w);

	if (r >= 0 && w->error == 0 && S_ISDIR(w->st.st_mode))
		r = watch_visit(p->watch, w->fd, w->resolved, "", false);
	(void)watch_turn(p->watch, before);
	if (r < 0)
		return r;
	f->followed = true;
	if (w->error == ELOOP)
		f->kind = FILE_LOOP;
	else if (w->error == ENOENT || w->error == ENOTDIR)
		f->kind = FILE_DANGLING;
	else if (w->error != 0)
		f->read_error = w->error;
	f->trust = w->trust;
	w->trust = (struct trust_facts){0};
	return 0;
}

/* Is what is known of the contents still true? */
static bool is_known(const struct file_facts *f, const struct file_facts *now,
		     const struct stat *st, enum facts_how how)
{
	struct signature s;

	fs_signature(st, &s);
	if (how == FACTS_ANEW || !signature_equal(&s, &f->signature) || f->being_written ||
	    f->read_error != 0 || f->followed != now->followed ||
	    !str_eq(f->resolved, now->resolved))
		return false;
	return !f->young ||
	       (how == FACTS_IF_CHANGED && (!is_coarse(&s) || facts_are_young(&s, now_nsec())));
}

static int bring_up(const struct facts_place *p, enum facts_how how, const struct stat *st,
		    struct file_facts *now, struct file_facts *f)
{
	if (is_known(f, now, st, how)) {
		bool same = trust_equal(&f->trust, &now->trust) && f->many_names == now->many_names;

		trust_facts_done(&f->trust);
		f->trust = now->trust;
		f->many_names = now->many_names;
		now->trust = (struct trust_facts){0};
		return same ? FACTS_SAME : FACTS_CHANGED;
	}
	return learn(p, st, now);
}

int facts_look(const struct facts_place *p, enum facts_how how, struct file_facts *f)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	_cleanup_(file_facts_done) struct file_facts now = {.readable = true};
	struct stat st;
	int r;

	if (fstatat(p->dir_fd, p->file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR ? FACTS_GONE : -errno;
	now.many_names = S_ISLNK(st.st_mode) || st.st_nlink > 1;
	if (S_ISLNK(st.st_mode)) {
		r = follow(p, &w, &now);
		if (r >= 0 && w.error == 0) {
			now.resolved = now.led_to = TAKE_PTR(w.resolved);
			r = bring_up(p, how, &w.st, &now, f);
		}
	} else {
		r = judge(p, &st, &now.trust);
		now.resolved = p->path;
		if (r >= 0)
			r = bring_up(p, how, &st, &now, f);
	}
	if (r != 0)
		return r;
	file_facts_done(f);
	*f = now;
	now = (struct file_facts){0};
	return FACTS_CHANGED;
}

int facts_judge_entry(const struct root *r, const char *links, const struct stat *st,
		      enum walk_flags flags, struct link *k)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	_cleanup_free_ char *path = NULL;
	const char *beside = k->target ? path_below(k->target, links) : NULL;
	int e;

	if (beside && !strchr(beside, '/'))
		return 0; /* judged as the entry that it is */
	if (asprintf(&path, "%s/%s", links, k->text ? k->text : k->name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (!k->text)
		return fs_judge(st, path, flags, &k->trust);
	e = fs_walk(r, *k->text == '/' ? k->text : path, flags, NULL, NULL, &w);
	k->trust = w.trust;
	w.trust = (struct trust_facts){0};
	return e;
}
