/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/pkgdb.h"

#include "base/str.h"
#include "core/version.h"
#include "sys/child.h"
#include "sys/server.h"
#include <fcntl.h>

#define DPKG_QUERY "/usr/bin/dpkg-query"
#define RPM "/usr/bin/rpm"

/* The databases: dpkg's, and where rpm has kept its own, by age of the distribution. */
static const struct {
	const char *program;
	const char *path;
} databases[] = {
	{DPKG_QUERY, "/var/lib/dpkg/status"},       {RPM, "/usr/lib/sysimage/rpm/rpmdb.sqlite"},
	{RPM, "/usr/lib/sysimage/rpm/Packages.db"}, {RPM, "/var/lib/rpm/rpmdb.sqlite"},
	{RPM, "/var/lib/rpm/Packages.db"},          {RPM, "/var/lib/rpm/Packages"},
};

int pkgdb_stamp(const struct root *r, uint64_t *ret)
{
	*ret = STR_HASH_INIT;
	for (size_t i = 0; i < ELEMENTSOF(databases); i++) {
		struct signature s;
		int e = fs_sign(r, databases[i].path, &s);

		if (e < 0)
			return e;
		*ret = str_hash(*ret, &s, sizeof(s));
	}
	return 0;
}

/* Is there a regular file, and has nobody but root written it (rule 12)? */
static int is_trusted(const struct root *r, const char *path, enum walk_flags flags, bool *ret)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	int e = fs_walk(r, path, flags, NULL, NULL, &w);

	*ret = e == 0 && w.error == 0 && w.trust.trust == TRUST_FINE && S_ISREG(w.st.st_mode);
	return e;
}

/* May a program be asked? It is always the host's; one of its databases must be there. */
static int may_ask(const struct root *r, const char *program, enum walk_flags flags, bool *ret)
{
	_cleanup_(root_done) struct root host = ROOT_INIT;
	int e = root_open(NULL, &host);

	*ret = false;
	for (size_t i = 0; e == 0 && !*ret && i < ELEMENTSOF(databases); i++)
		if (str_eq(databases[i].program, program))
			e = is_trusted(r, databases[i].path, flags, ret);
	return e == 0 && *ret ? is_trusted(&host, program, 0, ret) : e;
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

/* Asks `PROGRAM [--root=DIR] WORD... ABOUT...`. *ret is what it printed; NULL if it did not run to
 * its end, or failed, which says nothing where several were asked about: dpkg-query -S fails if one
 * of them is nobody's. */
static int ask(const struct root *r, const char *const *words, char *const *about, char **ret)
{
	_cleanup_(child_answer_done) struct child_answer a = {0};
	_cleanup_strv_ char **argv = NULL;
	_cleanup_free_ char *root = NULL;
	const char *const envp[] = {NULL};
	int e = strv_add(&argv, words[0]);

	if (e == 0 && !root_is_host(r)) {
		if (asprintf(&root, "--root=%s", r->prefix) < 0) {
			root = NULL;
			return -ENOMEM;
		}
		e = strv_add(&argv, root);
	}
	while (e == 0 && *++words)
		e = strv_add(&argv, *words);
	for (size_t i = 0; e == 0 && about[i]; i++)
		e = strv_add(&argv, about[i]);
	if (e == 0)
		e = child_ask((const char *const *)argv, envp, SERVER_ASK_MAX,
			      SERVER_ASK_TIMEOUT_USEC, &a);
	if (e == 0 && a.end == CHILD_EXITED && (a.number == 0 || (about[0] && about[1])))
		*ret = TAKE_PTR(a.text);
	return e;
}

/* `PACKAGE[:ARCH][, PACKAGE...]: /PATH` -> PACKAGE[:ARCH]. A path that is diverted belongs to
 * nobody that we could name: NULL. */
static int dpkg_owner(const char *text, char **ret)
{
	const char *end = strstr(text, ": /");

	if (!end || strstr(text, "diversion ") || memchr(text, '\n', (size_t)(end - text)) ||
	    text[0] == '-')
		return 0;
	*ret = strndup(text, MIN(strcspn(text, ","), (size_t)(end - text)));
	return *ret ? 0 : -ENOMEM;
}

static int ask_dpkg(const struct root *r, char *const *paths, char **ret)
{
	static const char *const search[] = {DPKG_QUERY, "-S", NULL};
	static const char *const show[] = {DPKG_QUERY, "-W", "-f", "${Version}\n", NULL};
	_cleanup_free_ char *found = NULL, *owner = NULL;
	int e = ask(r, search, paths, &found);

	if (e == 0 && found)
		e = dpkg_owner(found, &owner);
	return e == 0 && owner ? ask(r, show, (char *const[]){owner, NULL}, ret) : e;
}

static int ask_rpm(const struct root *r, char *const *paths, char **ret)
{
	static const char *const query[] = {RPM, "-qf", "--qf", "%{VERSION}\n", NULL};
	int e = 0;

	for (; *paths && e == 0 && !*ret; paths++)
		e = ask(r, query, (char *const[]){*paths, NULL}, ret);
	return e;
}

static const struct {
	const char *program;
	enum version_source source;
	int (*ask)(const struct root *r, char *const *paths, char **ret);
} managers[] = {
	{DPKG_QUERY, VERSION_SOURCE_DPKG, ask_dpkg},
	{RPM, VERSION_SOURCE_RPM, ask_rpm},
};

int pkgdb_version(const struct root *r, const char *path, const char *resolved,
		  enum walk_flags flags, char **ret_version, enum version_source *ret_source)
{
	_cleanup_strv_ char **paths = NULL;
	char *version = NULL;
	int e = add_spellings(&paths, path);

	if (e == 0)
		e = add_spellings(&paths, resolved);
	*ret_source = VERSION_SOURCE_NONE;
	for (size_t i = 0; e == 0 && paths && !version && i < ELEMENTSOF(managers); i++) {
		_cleanup_free_ char *text = NULL;
		bool may;

		e = may_ask(r, managers[i].program, flags, &may);
		if (e == 0 && may)
			e = managers[i].ask(r, paths, &text);
		if (e < 0 || !text)
			continue;
		text[strcspn(text, "\n")] = '\0'; /* the first line; may be no version */
		e = version_from_package(text, &version);
		e = e == -EINVAL ? 0 : e;
		*ret_source = version ? managers[i].source : VERSION_SOURCE_NONE;
	}
	if (e == 0)
		*ret_version = version;
	return e;
}
