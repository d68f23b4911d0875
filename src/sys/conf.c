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

#define ETC "/etc/vsmtp-plugind"
#define LIB "/usr/lib/vsmtp-plugind"

/* In order of weight. None that a daemon may write: a Program= there would be run by the privileged
 * start hook. */
static const char *const main_files[] = {ETC "/plugind.conf", LIB "/plugind.conf"};
static const char *const directories[] = {ETC "/plugind.conf.d", LIB "/plugind.conf.d"};

static const char *base_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

int conf_visit(const struct root *r, fs_visit_fn visit, void *userdata)
{
	int k = 0;

	for (size_t i = 0; k >= 0 && i < ELEMENTSOF(main_files); i++) {
		_cleanup_(walk_done) struct walk w = WALK_INIT;

		k = fs_walk(r, main_files[i], 0, visit, userdata, &w);
	}
	for (size_t i = 0; k >= 0 && i < ELEMENTSOF(directories); i++) {
		_cleanup_(walk_done) struct walk w = WALK_INIT;

		k = fs_walk(r, directories[i], 0, visit, userdata, &w);
		if (k >= 0 && w.error == 0 && S_ISDIR(w.st.st_mode))
			k = visit(userdata, w.fd, directories[i], NULL, true);
	}
	return MIN(k, 0);
}

/* Where everything that is read goes. */
struct loading {
	const struct root *root;
	struct config *config;
	struct config_remarks *remarks;
};

/* What is there and cannot be read, or is not root's alone (rule 12), makes the whole not known
 * (rule 9): it may be what disables a plugin. */
static int say(struct loading *l, enum config_problem problem, const char *path,
	       const struct walk *w)
{
	if (problem == CONFIG_NOT_READ || problem == CONFIG_UNTRUSTED)
		l->config->not_known = true;
	return config_remarks_add(l->remarks, &(struct config_remark){.problem = problem,
								      .file = path,
								      .error = w->error,
								      .trust = w->trust});
}

static bool leads_nowhere(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

/* A symlink to /dev/null says "nothing here, and I mean it". Its text decides as well, since the
 * tree of an image need not have that device. 1, 0; -ENOENT: there is no such entry; -errno. */
static int is_mask(const struct root *r, const char *path)
{
	_cleanup_free_ char *dir = strndup(path, (size_t)(base_name(path) - path)), *text = NULL,
			    *target = NULL;
	_cleanup_close_ int dir_fd = -EBADF;
	int q;

	if (!dir)
		return -ENOMEM;
	dir_fd = root_open_path(r, dir, O_PATH | O_DIRECTORY);
	q = dir_fd < 0 ? dir_fd : fs_readlink(dir_fd, base_name(path), &text);
	if (q == -EINVAL) /* no symlink */
		return 0;
	if (q >= 0)
		q = path_normalize(dir, text, &target);
	if (q < 0)
		return fs_is_fatal(q) ? q : -ENOENT;
	return str_eq(target, "/dev/null");
}

static bool is_null_device(const struct walk *w)
{
	return w->error == 0 && S_ISCHR(w->st.st_mode) && w->st.st_rdev == makedev(1, 3);
}

/* One file. 1: it had its say (or is masked); 0: there is none, or it was passed over; -errno. */
static int load_file(struct loading *l, const char *path)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = fs_walk(l->root, path, 0, NULL, NULL, &w);

	if (r < 0)
		return r;
	if (is_null_device(&w))
		return 1;
	if (w.error != 0 || !S_ISREG(w.st.st_mode)) {
		r = is_mask(l->root, path);
		if (r > 0 || fs_is_fatal(r))
			return r;
		/* Gone since it was listed, or never there: nothing to say. */
		if (leads_nowhere(w.error))
			return r < 0 ? 0 : say(l, CONFIG_LEADS_NOWHERE, path, &w);
		if (w.error == 0)
			return say(l, CONFIG_NOT_REGULAR, path, &w);
	}
	if (w.error == 0 && w.trust.trust != TRUST_FINE)
		return say(l, CONFIG_UNTRUSTED, path, &w);
	if (w.error == 0) {
		r = fs_read(l->root, path, FILE_SIZE_MAX, &text, &len);
		if (r == -ENOENT || fs_is_fatal(r)) /* gone meanwhile */
			return r == -ENOENT ? 0 : r;
		w.error = -r;
	}
	if (w.error != 0)
		return say(l, CONFIG_NOT_READ, path, &w);
	r = config_parse(l->config, path, text, len, l->remarks);
	return r < 0 ? r : 1;
}

/* Adds the path of a drop-in, if no earlier directory has one of that name. */
static int add_drop_in(char ***paths, const char *dir, const char *file)
{
	_cleanup_free_ char *path = NULL;

	for (char **p = *paths; p && *p; p++)
		if (str_eq(base_name(*p), file))
			return 0;
	if (asprintf(&path, "%s/%s", dir, file) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return strv_add(paths, path);
}

static int list_directory(struct loading *l, const char *dir, char ***paths)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	_cleanup_strv_ char **files = NULL;
	int r = fs_walk(l->root, dir, 0, NULL, NULL, &w);

	if (r < 0 || w.error == ENOENT)
		return r;
	if (w.error == 0 && !S_ISDIR(w.st.st_mode))
		w.error = ENOTDIR;
	if (leads_nowhere(w.error))
		return say(l, CONFIG_LEADS_NOWHERE, dir, &w);
	if (w.error == 0 && w.trust.trust != TRUST_FINE)
		return say(l, CONFIG_UNTRUSTED, dir, &w);
	if (w.error == 0) {
		r = fs_list(w.fd, &files);
		if (fs_is_fatal(r))
			return r;
		w.error = -r;
	}
	if (w.error != 0)
		return say(l, CONFIG_NOT_READ, dir, &w);
	for (char **f = files; r >= 0 && f && *f; f++)
		/* Hidden ones are work files of editors and package managers. */
		if ((*f)[0] != '.' && str_ends(*f, DROP_IN_SUFFIX))
			r = add_drop_in(paths, dir, *f);
	return r;
}

/* By name alone, whatever the directory: names are unique by now. */
static int compare_drop_ins(const void *a, const void *b)
{
	return strcmp(base_name(*(char *const *)a), base_name(*(char *const *)b));
}

static int load_all(struct loading *l)
{
	_cleanup_strv_ char **drop_ins = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ELEMENTSOF(main_files); i++)
		r = load_file(l, main_files[i]);
	for (size_t i = 0; r >= 0 && i < ELEMENTSOF(directories); i++)
		r = list_directory(l, directories[i], &drop_ins);
	if (drop_ins)
		qsort(drop_ins, strv_len(drop_ins), sizeof(*drop_ins), compare_drop_ins);
	for (char **d = drop_ins; r >= 0 && d && *d; d++)
		r = load_file(l, *d);
	return MIN(r, 0);
}

int conf_load(const struct root *r, struct config *ret, struct config_remarks *remarks)
{
	_cleanup_(config_done) struct config c = {0};
	struct loading l = {.root = r, .config = &c, .remarks = remarks};
	int q = config_init(&c);

	if (q >= 0)
		q = load_all(&l);
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
	buf_printf(&b, "%s/zz-pluginctl-", directories[0]);
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
	q = fs_mkdir(r, ETC);
	if (q >= 0)
		q = fs_mkdir(r, directories[0]);
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
