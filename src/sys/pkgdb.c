/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/pkgdb.h"

#include "base/str.h"
#include "core/version.h"
#include "sys/child.h"
#include "sys/server.h"
#include <fcntl.h>

#define DPKG_QUERY "/usr/bin/dpkg-query"
#define DPKG_STATUS "/var/lib/dpkg/status"
#define RPM "/usr/bin/rpm"

/* Where rpm has kept its database, by age of the distribution. */
static const char *const rpm_files[] = {
	"/usr/lib/sysimage/rpm/rpmdb.sqlite",
	"/usr/lib/sysimage/rpm/Packages.db",
	"/var/lib/rpm/rpmdb.sqlite",
	"/var/lib/rpm/Packages.db",
	"/var/lib/rpm/Packages",
};

static uint64_t stamp_file(uint64_t hash, const struct root *r, const char *path)
{
	struct signature s = {0};
	struct stat st;
	_cleanup_close_ int fd = root_open_path(r, path, O_PATH);

	if (fd < 0 || fstat(fd, &st) < 0)
		return hash;
	fs_signature(&st, &s);
	hash = str_hash(hash, &s.inode, sizeof(s.inode));
	hash = str_hash(hash, &s.size, sizeof(s.size));
	return str_hash(hash, &s.ctime_nsec, sizeof(s.ctime_nsec));
}

uint64_t pkgdb_stamp(const struct root *r)
{
	uint64_t hash = stamp_file(STR_HASH_INIT, r, DPKG_STATUS);

	for (size_t i = 0; i < ELEMENTSOF(rpm_files); i++)
		hash = stamp_file(hash, r, rpm_files[i]);
	return hash;
}

/* Is there a regular file, and has nobody but root written it (rule 12)? */
static int is_trusted(const struct root *r, const char *path, enum walk_flags flags, bool *ret)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	int e = fs_walk(r, path, flags, NULL, NULL, &w);

	if (e < 0)
		return e;
	*ret = w.error == 0 && w.trust.trust == TRUST_FINE && S_ISREG(w.st.st_mode);
	return 0;
}

/* The query program is always the host's. */
static int may_ask(const struct root *r, const char *program, const char *database,
		   enum walk_flags flags, bool *ret)
{
	_cleanup_(root_done) struct root host = ROOT_INIT;
	int e = root_open(NULL, &host);

	*ret = false;
	if (e == 0)
		e = is_trusted(r, database, flags, ret);
	if (e == 0 && *ret)
		e = is_trusted(&host, program, 0, ret);
	return e;
}

static int add_spelling(char ***l, const char *path)
{
	/* dpkg-query takes these for a pattern, and a leading dash for an option. */
	if (path[0] != '/' || path[strcspn(path, "*?[\\")] != '\0' || strv_has(*l, path))
		return 0;
	return strv_add(l, path);
}

/* With and without /usr: a package may own either spelling of a merged directory. */
static int add_spellings(char ***l, const char *path)
{
	_cleanup_free_ char *longer = NULL;
	const char *shorter = str_after(path, "/usr/");
	int r = add_spelling(l, path);

	if (r < 0)
		return r;
	if (shorter)
		return add_spelling(l, shorter - 1);
	if (asprintf(&longer, "/usr%s", path) < 0) {
		longer = NULL;
		return -ENOMEM;
	}
	return add_spelling(l, longer);
}

/* *ret is what the program printed, NULL if it did not run to its end (or failed, unless
 * `lenient`). */
enum ask {
	ASK_STRICT,
	ASK_LENIENT, /* dpkg-query -S fails if one of several paths is nobody's */
};

static int ask(char *const *argv, enum ask how, char **ret)
{
	_cleanup_(child_answer_done) struct child_answer a = {0};
	char *envp[] = {NULL};
	int r = child_ask(argv, envp, SERVER_ASK_MAX, SERVER_ASK_TIMEOUT_USEC, &a);

	if (r < 0)
		return r;
	*ret = a.end == CHILD_EXITED && (a.number == 0 || how == ASK_LENIENT) ? TAKE_PTR(a.text)
									      : NULL;
	return 0;
}

static int start_argv(char ***argv, const char *program, const struct root *r)
{
	_cleanup_free_ char *option = NULL;
	int e = strv_add(argv, program);

	if (e < 0 || root_is_host(r))
		return e;
	if (asprintf(&option, "--root=%s", r->prefix) < 0) {
		option = NULL;
		return -ENOMEM;
	}
	return strv_add(argv, option);
}

static int add_all(char ***argv, char *const *words)
{
	int r = 0;

	for (; *words && r == 0; words++)
		r = strv_add(argv, *words);
	return r;
}

/* `PACKAGE[:ARCH][, PACKAGE...]: /PATH` -> PACKAGE[:ARCH]. A path that is diverted belongs to
 * nobody that we could name: NULL. */
static char *dpkg_owner(const char *text)
{
	const char *end = strstr(text, ": /");
	size_t n;

	if (!end || strstr(text, "diversion ") || memchr(text, '\n', (size_t)(end - text)))
		return NULL;
	n = strcspn(text, ",");
	return strndup(text, MIN(n, (size_t)(end - text)));
}

static int dpkg_version(const struct root *r, char *const *paths, char **ret_text)
{
	static char search[] = "-S", show[] = "-W", format[] = "-f", wanted[] = "${Version}\n";
	_cleanup_strv_ char **find = NULL, **get = NULL;
	_cleanup_free_ char *found = NULL, *owner = NULL;
	char *const find_words[] = {search, NULL};
	int e = start_argv(&find, DPKG_QUERY, r);

	if (e == 0)
		e = add_all(&find, find_words);
	if (e == 0)
		e = add_all(&find, paths);
	if (e == 0)
		e = ask(find, ASK_LENIENT, &found);
	if (e < 0 || !found)
		return e;
	owner = dpkg_owner(found);
	if (!owner || owner[0] == '-')
		return 0;
	char *const get_words[] = {show, format, wanted, owner, NULL};

	e = start_argv(&get, DPKG_QUERY, r);
	if (e == 0)
		e = add_all(&get, get_words);
	return e == 0 ? ask(get, ASK_STRICT, ret_text) : e;
}

static int rpm_version(const struct root *r, char *const *paths, char **ret_text)
{
	static char by_file[] = "-qf", option[] = "--qf", format[] = "%{VERSION}\n";
	int e = 0;

	for (; *paths && e == 0 && !*ret_text; paths++) {
		char *const words[] = {by_file, option, format, *paths, NULL};
		_cleanup_strv_ char **argv = NULL;

		e = start_argv(&argv, RPM, r);
		if (e == 0)
			e = add_all(&argv, words);
		if (e == 0)
			e = ask(argv, ASK_STRICT, ret_text);
	}
	return e;
}

/* The first line, as a version; *ret stays NULL if it is none. */
static int take_version(char *text, char **ret)
{
	int r;

	if (!text)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	r = version_from_package(text, ret);
	return r == -EINVAL ? 0 : r;
}

static int ask_dpkg(const struct root *r, char *const *paths, enum walk_flags flags, char **ret)
{
	_cleanup_free_ char *text = NULL;
	bool may;
	int e = may_ask(r, DPKG_QUERY, DPKG_STATUS, flags, &may);

	if (e == 0 && may)
		e = dpkg_version(r, paths, &text);
	return e == 0 ? take_version(text, ret) : e;
}

static int ask_rpm(const struct root *r, char *const *paths, enum walk_flags flags, char **ret)
{
	_cleanup_free_ char *text = NULL;
	bool may = false;
	int e = 0;

	for (size_t i = 0; i < ELEMENTSOF(rpm_files) && e == 0 && !may; i++)
		e = may_ask(r, RPM, rpm_files[i], flags, &may);
	if (e == 0 && may)
		e = rpm_version(r, paths, &text);
	return e == 0 ? take_version(text, ret) : e;
}

int pkgdb_version(const struct root *r, const char *path, const char *resolved,
		  enum walk_flags flags, char **ret_version, enum version_source *ret_source)
{
	_cleanup_strv_ char **paths = NULL;
	_cleanup_free_ char *version = NULL;
	enum version_source source = VERSION_SOURCE_DPKG;
	int e = add_spellings(&paths, path);

	if (e == 0)
		e = add_spellings(&paths, resolved);
	if (e == 0 && paths)
		e = ask_dpkg(r, paths, flags, &version);
	if (e == 0 && paths && !version) {
		source = VERSION_SOURCE_RPM;
		e = ask_rpm(r, paths, flags, &version);
	}
	if (e < 0)
		return e;
	*ret_source = version ? source : VERSION_SOURCE_NONE;
	*ret_version = TAKE_PTR(version);
	return 0;
}
