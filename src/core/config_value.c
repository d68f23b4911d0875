/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/config_value.h"
#include "base/str.h"
#include "core/config.h"
#include "core/name.h"
#include "core/version.h"

#include <limits.h>
#include <strings.h>

#define UNIT_NAME_LENGTH_MAX 255

static const char *const action_names[ACTION_MAX] = {
	[ACTION_AUTO] = "auto",
	[ACTION_RESTART] = "restart",
	[ACTION_NONE] = "none",
};

static const char *const unversioned_names[UNVERSIONED_MAX] = {
	[UNVERSIONED_LINK] = "link",
	[UNVERSIONED_SKIP] = "skip",
};

const char *action_to_string(enum action a)
{
	return (size_t)a < ELEMENTSOF(action_names) ? action_names[a] : NULL;
}

const char *unversioned_to_string(enum unversioned u)
{
	return (size_t)u < ELEMENTSOF(unversioned_names) ? unversioned_names[u] : NULL;
}

static int parse_word(const char *value, const char *const *words, size_t n, size_t *ret)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(value, words[i])) {
			*ret = i;
			return 0;
		}
	return -EINVAL;
}

int config_value_action(const char *value, void *field, const char *plugin)
{
	enum action *action = field;
	size_t i;
	int r = parse_word(value, action_names, ELEMENTSOF(action_names), &i);

	UNUSED(plugin);
	if (r < 0)
		return r;
	*action = (enum action)i;
	return 0;
}

int config_value_unversioned(const char *value, void *field, const char *plugin)
{
	enum unversioned *unversioned = field;
	size_t i;
	int r = parse_word(value, unversioned_names, ELEMENTSOF(unversioned_names), &i);

	UNUSED(plugin);
	if (r < 0)
		return r;
	*unversioned = (enum unversioned)i;
	return 0;
}

/* systemd.syntax(7); 1, 0 or -EINVAL. */
static int parse_bool(const char *value)
{
	static const char *const yes[] = {"1", "yes", "y", "true", "t", "on"};
	static const char *const no[] = {"0", "no", "n", "false", "f", "off"};

	for (size_t i = 0; i < ELEMENTSOF(yes); i++)
		if (strcasecmp(value, yes[i]) == 0)
			return 1;
	for (size_t i = 0; i < ELEMENTSOF(no); i++)
		if (strcasecmp(value, no[i]) == 0)
			return 0;
	return -EINVAL;
}

int config_value_bool(const char *value, void *field, const char *plugin)
{
	bool *flag = field;
	int r = parse_bool(value);

	UNUSED(plugin);
	if (r < 0)
		return r;
	*flag = r;
	return 0;
}

int config_value_said(const char *value, void *field, const char *plugin)
{
	int *said = field;
	int r = *value ? parse_bool(value) : -1;

	UNUSED(plugin);
	if (r == -EINVAL)
		return r;
	*said = r;
	return 0;
}

static int take_path(const char *value, char **ret)
{
	_cleanup_free_ char *path = NULL;
	int r;

	if (value[0] != '/' || strlen(value) >= PATH_MAX)
		return -EINVAL;
	r = path_normalize("/", value, &path);
	if (r < 0)
		return r;
	/* Everything lies below the top: as a store it would make every link ours. */
	if (str_eq(path, "/"))
		return -EINVAL;
	*ret = TAKE_PTR(path);
	return 0;
}

static void put(char **field, char *taken)
{
	free(*field);
	*field = taken;
}

int config_value_path(const char *value, void *field, const char *plugin)
{
	char *path;
	int r = take_path(value, &path);

	UNUSED(plugin);
	if (r < 0)
		return r;
	put(field, path);
	return 0;
}

/* Naming one twice adds nothing: the first place counts. */
static int add_once(char ***list, const char *word)
{
	return strv_has(*list, word) ? 0 : strv_add(list, word);
}

int config_value_path_add(const char *value, void *field, const char *plugin)
{
	_cleanup_free_ char *path = NULL;
	int r = take_path(value, &path);

	UNUSED(plugin);
	return r < 0 ? r : add_once(field, path);
}

static bool is_unit_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr(":-_.\\@", c));
}

/* systemd.unit(5): PREFIX.service or PREFIX@INSTANCE.service; a template itself cannot run. */
static bool is_service_name(const char *unit)
{
	size_t len = strlen(unit), prefix = len - strlen(".service");
	const char *at = memchr(unit, '@', prefix);

	if (prefix == 0 || len > UNIT_NAME_LENGTH_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_unit_char(unit[i]))
			return false;
	return !at || (at > unit && at + 1 < unit + prefix);
}

/* Only a service has a main process, a start and a reload of its own. */
static bool has_other_suffix(const char *unit)
{
	static const char *const suffixes[] = {".socket", ".target",    ".device", ".mount",
					       ".swap",   ".automount", ".timer",  ".path",
					       ".slice",  ".scope",     ".busname"};

	for (size_t i = 0; i < ELEMENTSOF(suffixes); i++)
		if (str_ends(unit, suffixes[i]))
			return true;
	return false;
}

int config_value_unit_add(const char *value, void *field, const char *plugin)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *unit = NULL;
	int r;

	UNUSED(plugin);
	if (has_other_suffix(value))
		return -EINVAL;
	buf_add(&b, value);
	if (!str_ends(value, ".service"))
		buf_add(&b, ".service");
	r = buf_take(&b, &unit);
	if (r < 0)
		return r;
	return is_service_name(unit) ? add_once(field, unit) : -EINVAL;
}

int config_value_version(const char *value, void *field, const char *plugin)
{
	char *version = NULL;
	int r = *value ? version_from_config(value, &version) : 0;

	UNUSED(plugin);
	if (r < 0)
		return r;
	put(field, version);
	return 0;
}

static int check_link_name(const char *value, const char *plugin)
{
	_cleanup_free_ char *name = NULL;

	if (!plugin)
		return name_check_template(value, NAME_TEMPLATE_GENERAL);
	return name_expand_template(value, plugin, &name);
}

int config_value_link_name(const char *value, void *field, const char *plugin)
{
	int r = *value ? check_link_name(value, plugin) : 0;

	return r < 0 ? r : str_replace(field, *value ? value : NULL);
}

static const struct span_unit {
	const char *names;
	uint64_t usec;
} span_units[] = {
	/* What stands alone is seconds, so the empty word comes with them. */
	{"|s|sec|second|seconds|", USEC_PER_SEC},
	{"us|usec|\xc2\xb5s|\xce\xbcs|", 1},
	{"ms|msec|", USEC_PER_MSEC},
	{"m|min|minute|minutes|", 60 * USEC_PER_SEC},
	{"h|hr|hour|hours|", 3600 * USEC_PER_SEC},
	{"d|day|days|", 86400 * USEC_PER_SEC},
	{"w|week|weeks|", 7 * 86400 * USEC_PER_SEC},
	{"M|month|months|", 2629800 * USEC_PER_SEC},
	{"y|year|years|", 31557600 * USEC_PER_SEC},
};

/* How many microseconds the unit of that name has, 0 if there is none. */
static uint64_t span_unit(const char *name, size_t len)
{
	for (size_t i = 0; i < ELEMENTSOF(span_units); i++)
		for (const char *p = span_units[i].names; *p; p += strcspn(p, "|") + 1)
			if (strcspn(p, "|") == len && memcmp(p, name, len) == 0)
				return span_units[i].usec;
	return 0;
}

#define DIGITS "0123456789"
#define BLANKS " \t"

/* One `NUMBER[.NUMBER][UNIT]`, added to *sum. Returns what follows, or NULL. */
static const char *parse_span_part(const char *p, uint64_t *sum)
{
	size_t whole = strspn(p, DIGITS), fraction = 0, n;
	const char *digits = p, *after;
	uint64_t unit, value = 0, scale;

	p += whole;
	if (*p == '.') {
		fraction = strspn(++p, DIGITS);
		if (fraction == 0)
			return NULL;
		p += fraction;
	} else if (whole == 0)
		return NULL;

	after = p;
	p += strspn(p, BLANKS);
	n = strcspn(p, DIGITS BLANKS ".");
	unit = span_unit(p, n);
	/* Two numbers need a blank between them. */
	if (unit == 0 || (n == 0 && p == after && *p))
		return NULL;
	for (size_t i = 0; i < whole; i++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(digits[i] - '0'), &value))
			return NULL;
	if (__builtin_mul_overflow(value, unit, &value) || __builtin_add_overflow(*sum, value, sum))
		return NULL;
	scale = unit / 10;
	for (size_t i = 0; i < fraction && scale > 0; i++, scale /= 10)
		if (__builtin_add_overflow(*sum, (uint64_t)(digits[whole + 1 + i] - '0') * scale,
					   sum))
			return NULL;
	p += n;
	return p + strspn(p, BLANKS);
}

int config_parse_span(const char *text, uint64_t *ret_usec)
{
	const char *p = text + strspn(text, BLANKS);
	uint64_t sum = 0;

	if (strncmp(p, "infinity", 8) == 0) {
		p += 8;
		if (p[strspn(p, BLANKS)])
			return -EINVAL;
		*ret_usec = USEC_INFINITY;
		return 0;
	}
	do {
		p = parse_span_part(p, &sum);
		if (!p)
			return -EINVAL;
	} while (*p);
	if (sum == USEC_INFINITY)
		return -EINVAL;
	*ret_usec = sum;
	return 0;
}

int config_value_span(const char *value, void *field, const char *plugin)
{
	UNUSED(plugin);
	return config_parse_span(value, field);
}
