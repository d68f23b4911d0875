/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/name.h"
#include "base/str.h"
#include "core/version.h"

#define NAME_LENGTH_MAX 255

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_separator(char c)
{
	return c == '-' || c == '_';
}

DEFINE_TO_STRING(layout, LAYOUT_MAX, "A", "B", "C");

void name_done(struct name *n)
{
	if (!n)
		return;
	free(n->name);
	free(n->key);
	free(n->file_version);
	free(n->dir_version);
	*n = (struct name){0};
}

static void name_donep(struct name *n)
{
	name_done(n);
}

static bool is_valid_len(const char *name, size_t len)
{
	if (len == 0 || !is_alnum(name[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(name[i]) && !is_separator(name[i]))
			return false;
	return true;
}

bool name_is_valid(const char *name)
{
	return is_valid_len(name, strlen(name));
}

char *name_key(const char *name)
{
	char *key = strdup(name);

	for (char *p = key; p && *p; p++)
		if (*p == '_')
			*p = '-';
	return key;
}

int name_is_version_dir(const char *dir)
{
	_cleanup_free_ char *version = NULL;
	int r = version_from_name(dir, strlen(dir), &version);

	return r == -EINVAL ? 0 : r < 0 ? r : 1;
}

/* What follows `[lib]vsmtp-plugin-` with either separator, "" if the last separator is missing too,
 * NULL if the text does not begin like that. */
static const char *after_prefix(const char *stem)
{
	const char *p = str_after(stem, "lib");

	p = str_after(p ? p : stem, "vsmtp");
	if (!p || !is_separator(*p))
		return NULL;
	p = str_after(p + 1, "plugin");
	if (!p || (*p && !is_separator(*p)))
		return NULL;
	return *p ? p + 1 : p;
}

/* Cuts NAME and VERSION apart: at the first `-` after which all is a version (rule 1). */
static int split_version(char *rest, char **ret_version)
{
	for (char *p = strchr(rest, '-'); p; p = strchr(p + 1, '-')) {
		int r = version_from_name(p + 1, strlen(p + 1), ret_version);

		if (r == 0)
			*p = 0;
		if (r != -EINVAL)
			return r;
	}
	return 0;
}

/* The first `-` with a digit behind it, or NULL. */
static const char *find_version_like(const char *rest)
{
	for (const char *p = strchr(rest, '-'); p; p = strchr(p + 1, '-'))
		if (p[1] >= '0' && p[1] <= '9')
			return p;
	return NULL;
}

static enum name_problem judge(const char *rest, size_t len)
{
	if (len == 0)
		return NAME_EMPTY;
	return is_valid_len(rest, len) ? NAME_FINE : NAME_BAD_CHARACTER;
}

/* Reads NAME and VERSION from what follows the prefix. Near misses are never taken for layout C:
 * who writes a version means one. 0 or -ENOMEM. */
static int parse_rest(const char *rest, struct name *n)
{
	_cleanup_free_ char *copy = strdup(rest);
	const char *like;
	int r;

	if (!copy)
		return -ENOMEM;
	/* The prefix and a version, and nothing between them. */
	r = name_is_version_dir(rest);
	if (r > 0)
		n->problem = NAME_EMPTY;
	if (r != 0)
		return MIN(r, 0);
	r = split_version(copy, &n->file_version);
	if (r < 0)
		return r;
	like = n->file_version ? NULL : find_version_like(copy);
	n->problem = judge(copy, like ? (size_t)(like - copy) : strlen(copy));
	if (n->problem == NAME_FINE && like)
		n->problem = NAME_BAD_VERSION;
	if (n->problem == NAME_FINE)
		n->name = TAKE_PTR(copy);
	return 0;
}

static enum layout layout_of(const struct name *n)
{
	if (n->dir_version)
		return LAYOUT_B;
	return n->file_version ? LAYOUT_A : LAYOUT_C;
}

int name_parse(const char *dir, const char *file, struct name *ret)
{
	_cleanup_(name_donep) struct name n = {0};
	_cleanup_free_ char *stem = NULL;
	const char *rest;
	int r;

	if (file[0] == '.' || !str_ends(file, ".so"))
		return 0;
	stem = strndup(file, strlen(file) - strlen(".so"));
	if (!stem)
		return -ENOMEM;
	rest = after_prefix(stem);
	if (dir) {
		if (!rest)
			return 0;
		r = version_from_name(dir, strlen(dir), &n.dir_version);
		if (r < 0)
			return r == -EINVAL ? 0 : r;
	}

	if (rest) {
		r = parse_rest(rest, &n);
		if (r < 0)
			return r;
	} else
		n.problem = judge(stem, strlen(stem));
	n.layout = layout_of(&n);
	if (!n.name)
		n.name = TAKE_PTR(stem);
	n.key = name_key(n.name);
	if (!n.key)
		return -ENOMEM;
	*ret = n;
	n = (struct name){0};
	return 1;
}

/* No slash, no leading dot, no control byte, not empty, not too long. */
static bool is_link_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > NAME_LENGTH_MAX || name[0] == '.')
		return false;
	for (const char *p = name; *p; p++)
		if (*p == '/' || (unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return true;
}

int name_check_template(const char *template, enum name_template kind)
{
	_cleanup_free_ char *expanded = NULL;
	bool has_name = false;

	for (const char *p = strchr(template, '%'); p && p[1]; p = strchr(p + 2, '%'))
		if (p[1] == 'n')
			has_name = true;
	if (kind == NAME_TEMPLATE_GENERAL && !has_name)
		return -EINVAL;
	/* The shortest NAME there can be. */
	return name_expand_template(template, "x", &expanded);
}

int name_expand_template(const char *template, const char *name, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *expanded = NULL;
	int r;

	if (!*template)
		return -EINVAL;
	for (const char *p = template; *p; p++) {
		if (*p != '%') {
			buf_add_len(&b, p, 1);
			continue;
		}
		p++;
		if (*p == 'n')
			buf_add(&b, name);
		else if (*p == '%')
			buf_add_len(&b, p, 1);
		else
			return -EINVAL;
	}
	if (b.len < 3 || memcmp(b.data + b.len - 3, ".so", 3) != 0)
		buf_add(&b, ".so");
	r = buf_take(&b, &expanded);
	if (r < 0)
		return r;
	if (!is_link_name(expanded))
		return -EINVAL;
	*ret = TAKE_PTR(expanded);
	return 0;
}

int name_default_link(const struct name *n, const char *file, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (n->layout == LAYOUT_A)
		buf_printf(&b, "vsmtp-plugin-%s.so", n->name);
	else
		buf_add(&b, file);
	return buf_take(&b, ret);
}

static void drop_last_component(struct buf *b)
{
	while (b->len > 0 && b->data[--b->len] != '/')
		;
}

static void add_components(struct buf *b, const char *path)
{
	for (const char *p = path; *p;) {
		size_t n;

		p += strspn(p, "/");
		n = strcspn(p, "/");
		if (n == 2 && memcmp(p, "..", 2) == 0) {
			drop_last_component(b);
		} else if (n > 0 && !(n == 1 && *p == '.')) {
			buf_add(b, "/");
			buf_add_len(b, p, n);
		}
		p += n;
	}
}

int path_normalize(const char *base, const char *target, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (target[0] != '/')
		add_components(&b, base);
	add_components(&b, target);
	if (b.len == 0)
		buf_add(&b, "/");
	return buf_take(&b, ret);
}

const char *path_below(const char *path, const char *dir)
{
	const char *rest = str_after(path, dir);

	if (!rest)
		return NULL;
	/* The top of the tree is the one directory that ends in a slash. */
	if (!str_ends(dir, "/")) {
		if (*rest != '/')
			return NULL;
		rest++;
	}
	return *rest ? rest : NULL;
}

bool name_is_temporary(const char *file)
{
	const char *rest = str_after(file, NAME_TEMPORARY_PREFIX);

	return rest && *rest;
}
