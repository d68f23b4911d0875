/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/conf.h"
#include "base/str.h"
#include "core/name.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/sysmacros.h>

#define FILE_SIZE_MAX (1024 * 1024)
#define DROP_IN_SUFFIX ".conf"
/* Longer keys are cut and told apart by their hash: a file name has 255 bytes. */
#define KEY_LENGTH_MAX 200

/* In order of weight, each followed by its drop-ins. None that a daemon may write: a Program= there
 * would be run by the privileged start hook. */
static const char *const directories[] = {
	"/etc/vsmtp-plugind",
	"/etc/vsmtp-plugind/plugind.conf.d",
	"/usr/lib/vsmtp-plugind",
	"/usr/lib/vsmtp-plugind/plugind.conf.d",
};

#define MAIN_FILE "plugind.conf"

int conf_visit(const struct root *r, fs_visit_fn visit, void *userdata)
{
	for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
		_cleanup_(walk_done) struct walk w = WALK_INIT;
		_cleanup_free_ char *file = NULL;
		bool drop_ins = str_ends(directories[i], ".d");
		int k;

		/* Of the directory itself only plugind.conf matters; the run directory holds our
		 * own files too. */
		if (asprintf(&file, "%s%s", directories[i], drop_ins ? "" : "/" MAIN_FILE) < 0)
			return -ENOMEM;
		k = fs_walk(r, file, 0, visit, userdata, &w);
		if (k >= 0 && drop_ins && w.error == 0 && S_ISDIR(w.st.st_mode))
			k = visit(userdata, w.fd, directories[i], NULL, true);
		if (k < 0)
			return k;
	}
	return 0;
}

static int say(struct config_remarks *remarks, enum config_problem problem, const char *file,
	       int error)
{
	const struct config_remark x = {
		.problem = problem, .file = (char *)(uintptr_t)file, .error = error};

	return config_remarks_add(remarks, &x);
}

/* What is there and cannot be read, or is not root's alone (rule 12), makes the whole not known
 * (rule 9): it may be what disables a plugin. */
static int not_known(struct config *c, struct config_remarks *remarks, const char *path,
		     const struct walk *w, int error)
{
	const struct config_remark x = {
		.problem = error ? CONFIG_NOT_READ : CONFIG_UNTRUSTED,
		.file = (char *)(uintptr_t)path,
		.error = error,
		.trust = error ? (struct trust_facts){0} : w->trust,
	};

	c->not_known = true;
	return config_remarks_add(remarks, &x);
}

static char *join(const char *dir, const char *file)
{
	char *path;

	return asprintf(&path, "%s/%s", dir, file) < 0 ? NULL : path;
}

/* A symlink to /dev/null says "nothing here, and I mean it". Its text decides as well, since the
 * tree of an image need not have that device. */
static bool is_mask(const struct root *r, const char *dir, const char *file, const char *path)
{
	_cleanup_close_ int dir_fd = root_open_path(r, dir, O_PATH | O_DIRECTORY), fd = -EBADF;
	_cleanup_free_ char *text = NULL, *target = NULL;
	struct stat st;

	if (dir_fd >= 0 && fs_readlink(dir_fd, file, &text) == 0 &&
	    path_normalize(dir, text, &target) == 0 && str_eq(target, "/dev/null"))
		return true;
	fd = root_open_path(r, path, O_PATH);
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

/* Is there an entry of that name at all, even one that leads nowhere? */
static bool is_entry(const struct root *r, const char *dir, const char *file)
{
	_cleanup_close_ int dir_fd = root_open_path(r, dir, O_PATH | O_DIRECTORY);
	struct stat st;

	return dir_fd >= 0 && fstatat(dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool leads_nowhere(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

/* One file. 1: it had its say (or is masked); 0: there is none, or it was passed over; -errno. */
static int load_file(const struct root *root, const char *dir, const char *file, struct config *c,
		     struct config_remarks *remarks)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	_cleanup_free_ char *path = join(dir, file), *text = NULL;
	size_t len;
	int r;

	if (!path)
		return -ENOMEM;
	r = fs_walk(root, path, 0, NULL, NULL, &w);
	if (r < 0)
		return r;
	if ((w.error != 0 || !S_ISREG(w.st.st_mode)) && is_mask(root, dir, file, path))
		return 1;
	/* Gone since it was listed, or never there: nothing to say. */
	if (w.error != 0 && leads_nowhere(w.error) && !is_entry(root, dir, file))
		return 0;
	if (leads_nowhere(w.error))
		return say(remarks, CONFIG_LEADS_NOWHERE, path, w.error);
	if (w.error == 0 && !S_ISREG(w.st.st_mode))
		return say(remarks, CONFIG_NOT_REGULAR, path, 0);
	if (w.error != 0 || w.trust.trust != TRUST_FINE)
		return not_known(c, remarks, path, &w, w.error);
	r = fs_read(root, path, FILE_SIZE_MAX, &text, &len);
	if (r == -ENOENT) /* gone meanwhile */
		return 0;
	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return r;
	if (r < 0)
		return not_known(c, remarks, path, &w, -r);
	r = config_parse(c, path, text, len, remarks);
	return r < 0 ? r : 1;
}

static int load_main(const struct root *root, struct config *c, struct config_remarks *remarks)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ELEMENTSOF(directories); i += 2)
		r = load_file(root, directories[i], MAIN_FILE, c, remarks);
	return MIN(r, 0);
}

struct drop_in {
	char *file;
	const char *dir; /* in directories */
};

struct drop_ins {
	struct drop_in *items;
	size_t n;
};

static void drop_ins_done(struct drop_ins *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i].file);
	free(l->items);
}

static bool has_file(const struct drop_ins *l, const char *file)
{
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->items[i].file, file))
			return true;
	return false;
}

static int add_drop_in(struct drop_ins *l, const char *dir, const char *file)
{
	struct drop_in *grown = reallocarray(l->items, l->n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	l->items = grown;
	grown[l->n] = (struct drop_in){.file = strdup(file), .dir = dir};
	if (!grown[l->n].file)
		return -ENOMEM;
	l->n++;
	return 0;
}

static int list_directory(const struct root *root, const char *dir, struct drop_ins *l,
			  struct config *c, struct config_remarks *remarks)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	_cleanup_strv_ char **files = NULL;
	int r = fs_walk(root, dir, 0, NULL, NULL, &w);

	if (r < 0 || w.error == ENOENT)
		return r;
	if (w.error == 0 && !S_ISDIR(w.st.st_mode))
		w.error = ENOTDIR;
	if (leads_nowhere(w.error))
		return say(remarks, CONFIG_LEADS_NOWHERE, dir, w.error);
	if (w.error != 0)
		return not_known(c, remarks, dir, &w, w.error);
	if (w.trust.trust != TRUST_FINE)
		return not_known(c, remarks, dir, &w, 0);
	r = fs_list(w.fd, &files);
	if (r < 0)
		return r == -ENOMEM || r == -EMFILE || r == -ENFILE
			       ? r
			       : not_known(c, remarks, dir, &w, -r);
	for (char **f = files; r >= 0 && f && *f; f++)
		/* Hidden ones are work files of editors and package managers. */
		if ((*f)[0] != '.' && str_ends(*f, DROP_IN_SUFFIX) && !has_file(l, *f))
			r = add_drop_in(l, dir, *f);
	return r;
}

static int compare_drop_ins(const void *a, const void *b)
{
	return strcmp(((const struct drop_in *)a)->file, ((const struct drop_in *)b)->file);
}

static int load_drop_ins(const struct root *root, struct config *c, struct config_remarks *remarks)
{
	_cleanup_(drop_ins_done) struct drop_ins l = {0};
	int r = 0;

	for (size_t i = 1; r >= 0 && i < ELEMENTSOF(directories); i += 2)
		r = list_directory(root, directories[i], &l, c, remarks);
	/* By name alone, whatever the directory: names are unique by now. */
	if (l.n > 0)
		qsort(l.items, l.n, sizeof(*l.items), compare_drop_ins);
	for (size_t i = 0; r >= 0 && i < l.n; i++)
		r = load_file(root, l.items[i].dir, l.items[i].file, c, remarks);
	return MIN(r, 0);
}

int conf_load(const struct root *r, struct config *ret, struct config_remarks *remarks)
{
	_cleanup_(config_done) struct config c = {0};
	int q = config_init(&c);

	if (q >= 0)
		q = load_main(r, &c, remarks);
	if (q >= 0)
		q = load_drop_ins(r, &c, remarks);
	if (q >= 0)
		q = config_finish(&c);
	if (q < 0)
		return q;
	*ret = c;
	c = (struct config){0};
	return 0;
}

int conf_plugin_path(const char *name, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *key = NULL;
	size_t len;

	if (!name_is_valid(name))
		return -EINVAL;
	key = name_key(name);
	if (!key)
		return -ENOMEM;
	len = strlen(key);
	buf_printf(&b, "%s/zz-pluginctl-", directories[1]);
	buf_add_len(&b, key, MIN(len, (size_t)KEY_LENGTH_MAX));
	if (len > KEY_LENGTH_MAX)
		buf_printf(&b, "-%016" PRIx64, str_hash(STR_HASH_INIT, key, len));
	buf_add(&b, DROP_IN_SUFFIX);
	return buf_take(&b, ret);
}

static int write_drop_in(const struct root *r, const char *path, const char *name,
			 const char *enabled)
{
	_cleanup_free_ char *text = NULL;
	int q;

	if (asprintf(&text, "# Written by vsmtp-pluginctl\n[Plugin %s]\nEnabled=%s\n", name,
		     enabled) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	q = fs_mkdir(r, directories[0]);
	if (q >= 0)
		q = fs_mkdir(r, directories[1]);
	return q < 0 ? q : fs_write(r, path, text, 0644, FS_WRITE_DURABLE);
}

/* Does the configuration disable the plugin? 1, 0 or -ENOMEM. */
static int is_disabled(const struct root *r, const char *name)
{
	_cleanup_(config_remarks_done) struct config_remarks remarks = {0};
	_cleanup_(config_done) struct config c = {0};
	_cleanup_free_ char *key = name_key(name);
	const struct config_plugin *p;
	int q;

	if (!key)
		return -ENOMEM;
	q = conf_load(r, &c, &remarks);
	if (q < 0 || c.not_known) /* the pass that follows says so */
		return q;
	p = config_find_plugin(&c, key);
	return p && p->enabled == 0;
}

int conf_write_plugin(const struct root *r, const char *name, enum conf_enable what)
{
	_cleanup_free_ char *path = NULL;
	int q = conf_plugin_path(name, &path);

	if (q < 0)
		return q;
	if (what == CONF_DISABLE)
		return write_drop_in(r, path, name, "no");

	q = fs_unlink(r, path);
	if (q < 0 && q != -ENOENT && q != -ENOTDIR)
		return q;
	q = is_disabled(r, name);
	return q > 0 ? write_drop_in(r, path, name, "yes") : q;
}
