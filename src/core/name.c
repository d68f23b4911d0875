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

static const char *const layout_codes[LAYOUT_MAX] = {"A", "B", "C"};
DEFINE_TO_STRING(layout, layout_codes);

void name_done(struct name *n)
{
	if (!n)
		return;
	free(n->name);
	*n = (struct name){0};
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

static void fold(char *key)
{
	for (char *p = strchr(key, '_'); p; p = strchr(p, '_'))
		*p = '-';
}

char *name_key(const char *name)
{
	char *key = strdup(name);

	if (key)
		fold(key);
	return key;
}

bool name_is_version_dir(const char *dir)
{
	return version_is_in_name(dir, strlen(dir));
}

/* What a file name says, as pieces of it. */
struct reading {
	const char *name;
	size_t len;
	const char *version; /* or NULL */
	size_t version_len;
	bool prefixed;
	enum name_problem problem;
};

/* What follows `[lib]vsmtp-plugin-` with either separator, "" if the last separator is missing too,
 * NULL if the text does not begin like that. */
static const char *after_prefix(const char *stem, const char *end)
{
	const char *p = str_after(stem, "lib");

	p = str_after(p ? p : stem, "vsmtp");
	if (!p || !is_separator(*p))
		return NULL;
	p = str_after(p + 1, "plugin");
	if (!p || (p != end && !is_separator(*p)))
		return NULL;
	return p == end ? p : p + 1;
}

static const char *next_dash(const char *p, const char *end)
{
	return memchr(p, '-', (size_t)(end - p));
}

/* Cuts NAME and VERSION apart: at the first `-` after which all is a version (rule 1). */
static void split_version(const char *end, struct reading *ret)
{
	const char *rest = ret->name;

	for (const char *p = next_dash(rest, end); p; p = next_dash(p + 1, end))
		if (version_is_in_name(p + 1, (size_t)(end - p - 1))) {
			ret->len = (size_t)(p - rest);
			ret->version = p + 1;
			ret->version_len = (size_t)(end - p - 1);
			return;
		}
}

/* The first `-` with a digit behind it, or NULL. */
static const char *find_version_like(const char *rest, const char *end)
{
	for (const char *p = next_dash(rest, end); p; p = next_dash(p + 1, end))
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
 * who writes a version means one. */
static void read_rest(const char *end, struct reading *ret)
{
	const char *like;

	/* The prefix and a version, and nothing between them. */
	if (version_is_in_name(ret->name, ret->len)) {
		ret->problem = NAME_EMPTY;
		return;
	}
	split_version(end, ret);
	like = ret->version ? NULL : find_version_like(ret->name, end);
	ret->problem = judge(ret->name, like ? (size_t)(like - ret->name) : ret->len);
	if (ret->problem == NAME_FINE && like)
		ret->problem = NAME_BAD_VERSION;
}

/* False if no file of that name is a candidate. */
static bool read_file(const char *file, struct reading *ret)
{
	struct reading r = {.name = file};
	const char *end, *rest;

	if (file[0] == '.' || !str_ends(file, ".so"))
		return false;
	end = file + strlen(file) - strlen(".so");
	rest = after_prefix(file, end);
	r.prefixed = rest != NULL;
	r.name = rest ? rest : file;
	r.len = (size_t)(end - r.name);
	if (rest)
		read_rest(end, &r);
	else
		r.problem = judge(file, r.len);
	if (r.problem != NAME_FINE) {
		r.name = file;
		r.len = (size_t)(end - file);
	}
	*ret = r;
	return true;
}

static char *put(char **at, const char *s, size_t len)
{
	char *text = *at;

	memcpy(text, s, len);
	text[len] = 0;
	*at += len + 1;
	return text;
}

/* With `-` where it has its `~`. */
static char *put_version(char **at, const char *s, size_t len)
{
	char *text = put(at, s, len), *tilde = strchr(text, '~');

	if (tilde)
		*tilde = '-';
	return text;
}

int name_parse(const char *dir, const char *file, struct name *ret)
{
	struct name n = {.layout = dir ? LAYOUT_B : LAYOUT_C};
	size_t dir_len = dir ? strlen(dir) : 0;
	struct reading r;
	char *at;

	if (!read_file(file, &r) || (dir && (!r.prefixed || !version_is_in_name(dir, dir_len))))
		return 0;
	at = malloc(2 * (r.len + 1) + r.version_len + 1 + dir_len + 1);
	if (!at)
		return -ENOMEM;
	n.problem = r.problem;
	n.name = put(&at, r.name, r.len);
	n.key = put(&at, r.name, r.len);
	fold(n.key);
	if (r.version)
		n.file_version = put_version(&at, r.version, r.version_len);
	if (dir)
		n.dir_version = put_version(&at, dir, dir_len);
	else if (r.version)
		n.layout = LAYOUT_A;
	*ret = n;
	return 1;
}

bool name_names(const char *file, const char *key)
{
	struct reading r;

	if (!read_file(file, &r) || r.problem != NAME_FINE || strlen(key) != r.len)
		return false;
	for (size_t i = 0; i < r.len; i++)
		if ((r.name[i] == '_' ? '-' : r.name[i]) != key[i])
			return false;
	return true;
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

const char *name_default_link(const struct name *n, const char *file, struct pool *p)
{
	char *link;

	if (n->layout != LAYOUT_A)
		return file;
	link = pool_join(p, "vsmtp-plugin-", n->name);
	return link ? pool_join(p, link, ".so") : NULL;
}

bool name_is_default_link(const struct name *n, const char *file, const char *link)
{
	const char *rest = str_after(link, "vsmtp-plugin-");

	if (n->layout != LAYOUT_A)
		return strcmp(file, link) == 0;
	rest = rest ? str_after(rest, n->name) : NULL;
	return rest && strcmp(rest, ".so") == 0;
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
