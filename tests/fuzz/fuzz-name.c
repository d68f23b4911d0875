/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/str.h"
#include "core/name.h"
#include "core/version.h"
#include "fuzz.h"

/* Input: file, directory, template, link text, each on a line of its own. */

static void check_fine(const struct name *n, const char *dir, const char *file)
{
	_cleanup_(pool_done) struct pool memory = {0};
	_cleanup_free_ char *printed = NULL;
	struct name again = {0};
	const char *link;

	must(name_is_valid(n->name));
	link = name_default_link(n, file, &memory);
	must(str_ends(link, ".so") && link[0] != '.' && !strchr(link, '/'));
	if (n->layout != LAYOUT_A) {
		must(str_eq(link, file));
		return;
	}
	/* Printed in the documented form it is understood as the same. */
	must(asprintf(&printed, "libvsmtp-plugin-%s-%s.so", n->name, n->file_version) > 0);
	must(name_parse(dir, printed, &again) == 1);
	must(again.problem == NAME_FINE && again.layout == LAYOUT_A);
	must(str_eq(again.name, n->name) && str_eq(again.file_version, n->file_version));
	name_done(&again);
}

static void check_parse(const char *dir, const char *file)
{
	_cleanup_free_ char *key = NULL;
	struct name n = {0};
	int r = name_parse(dir, file, &n);

	must(r == 0 || r == 1);
	if (r == 0) {
		must(!n.name && !n.key && !n.file_version && !n.dir_version);
		return;
	}
	must(file[0] != '.' && str_ends(file, ".so"));
	must(n.layout < LAYOUT_MAX && n.problem < NAME_PROBLEM_MAX);
	must((n.layout == LAYOUT_B) == (dir != NULL));
	must(!n.dir_version == !dir);
	must(!n.file_version || version_is_valid(n.file_version));
	must(!n.dir_version || version_is_valid(n.dir_version));
	key = name_key(n.name);
	must(str_eq(key, n.key));
	must(name_names(file, n.key) == (n.problem == NAME_FINE));
	if (n.problem == NAME_FINE)
		check_fine(&n, dir, file);
	else
		must(strlen(n.name) + 3 == strlen(file) &&
		     strncmp(n.name, file, strlen(n.name)) == 0);
	name_done(&n);
}

static void check_template(const char *template, const char *name)
{
	int plugin = name_check_template(template, NAME_TEMPLATE_PLUGIN);
	int general = name_check_template(template, NAME_TEMPLATE_GENERAL);
	_cleanup_free_ char *link = NULL, *x = NULL;

	must(plugin == 0 || plugin == -EINVAL);
	must(general == 0 || general == -EINVAL);
	must(general < 0 || plugin == 0);
	must(name_expand_template(template, "x", &x) == plugin);
	if (name_expand_template(template, name, &link) < 0) {
		must(!link);
		return;
	}
	must(strlen(link) <= 255 && strlen(link) > 3 && str_ends(link, ".so"));
	must(!strchr(link, '/') && link[0] != '.');
	must(!name_is_temporary(link));
}

static void check_paths(const char *base, const char *target)
{
	_cleanup_free_ char *path = NULL, *again = NULL, *odd = NULL;
	const char *below;

	must(path_normalize(base, target, &path) == 0);
	must(path[0] == '/');
	must(!strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../"));
	must(!str_ends(path, "/..") && !str_ends(path, "/."));
	must(str_eq(path, "/") || !str_ends(path, "/"));
	must(path_normalize("/elsewhere", path, &again) == 0);
	must(str_eq(path, again));
	must(asprintf(&odd, "/no/../%s/./", path) > 0);
	free(TAKE_PTR(again));
	must(path_normalize("/", odd, &again) == 0);
	must(str_eq(path, again));

	must(!path_below(path, path));
	below = path_below(path, "/usr/lib/vsmtp");
	must(!below || (*below && strncmp(path, "/usr/lib/vsmtp/", 15) == 0));
	must(!!path_below(path, "/") == !str_eq(path, "/"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *file = fuzz_take_text(&data, &size);
	_cleanup_free_ char *dir = fuzz_take_text(&data, &size);
	_cleanup_free_ char *template = fuzz_take_text(&data, &size);
	_cleanup_free_ char *target = fuzz_take_text(&data, &size);

	check_parse(NULL, file);
	check_parse(dir, file);
	check_parse("2.2.1", file);
	check_template(template, name_is_valid(dir) ? dir : "mysql");
	check_paths("/etc/vsmtp/plugins", target);
	check_paths(dir, target);
	return 0;
}
