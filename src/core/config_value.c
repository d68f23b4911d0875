/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/str.h"
#include "core/config_parse.h"
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

const char *unversioned_to_string(enum unversioned u)
{
	return (size_t)u < ELEMENTSOF(unversioned_names) ? unversioned_names[u] : NULL;
}

/* The place of a word in a table, or -EINVAL. */
static int find_word(const char *value, const char *const *words, size_t n,
		     int (*compare)(const char *, const char *))
{
	for (size_t i = 0; i < n; i++)
		if (compare(value, words[i]) == 0)
			return (int)i;
	return -EINVAL;
}

/* systemd.syntax(7); 1, 0 or -EINVAL. */
static int parse_bool(const char *value)
{
	static const char *const words[] = {"0",     "1",    "no", "yes", "n",   "y",
					    "false", "true", "f",  "t",   "off", "on"};
	int r = find_word(value, words, ELEMENTSOF(words), strcasecmp);

	return r < 0 ? r : r % 2;
}

static int parse_path(const char *value, char **ret)
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

static int parse_unit(const char *value, char **ret)
{
	_cleanup_free_ char *unit = NULL;

	if (has_other_suffix(value))
		return -EINVAL;
	if (asprintf(&unit, "%s%s", value, str_ends(value, ".service") ? "" : ".service") < 0) {
		unit = NULL;
		return -ENOMEM;
	}
	if (!is_service_name(unit))
		return -EINVAL;
	*ret = TAKE_PTR(unit);
	return 0;
}

static int parse_link_name(const char *value, const char *plugin, char **ret)
{
	_cleanup_free_ char *name = NULL;
	int r = plugin ? name_expand_template(value, plugin, &name)
		       : name_check_template(value, NAME_TEMPLATE_GENERAL);

	return r < 0 ? r : str_replace(ret, value);
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

	after = p + whole;
	if (*after == '.') {
		fraction = strspn(++after, DIGITS);
		after += fraction;
	}
	if (fraction == 0 && (whole == 0 || after[-1] == '.'))
		return NULL;
	p = after + strspn(after, BLANKS);
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

/* A text of its own, or one more in a list; of one that is named twice the first place counts. */
static int parse_text(enum config_kind kind, const char *value, const char *plugin, void *field)
{
	_cleanup_free_ char *text = NULL;
	char **own = field, ***list = field;
	int r = 0;

	if (kind == CONFIG_PATH || kind == CONFIG_PATHS)
		r = parse_path(value, &text);
	else if (kind == CONFIG_UNITS)
		r = parse_unit(value, &text);
	else if (*value && kind == CONFIG_VERSION)
		r = version_from_config(value, &text);
	else if (*value)
		r = parse_link_name(value, plugin, &text);
	if (r < 0)
		return r;
	if (kind == CONFIG_PATHS || kind == CONFIG_UNITS)
		return strv_has(*list, text) ? 0 : strv_add(list, text);
	free(*own);
	*own = TAKE_PTR(text);
	return 0;
}

int config_value_parse(enum config_kind kind, const char *value, const char *plugin, void *field)
{
	int r;

	switch (kind) {
	case CONFIG_PATH:
	case CONFIG_PATHS:
	case CONFIG_UNITS:
	case CONFIG_VERSION:
	case CONFIG_LINK_NAME:
		return parse_text(kind, value, plugin, field);
	case CONFIG_ACTION:
		r = find_word(value, action_names, ELEMENTSOF(action_names), strcmp);
		if (r >= 0)
			*(enum action *)field = (enum action)r;
		break;
	case CONFIG_UNVERSIONED:
		r = find_word(value, unversioned_names, ELEMENTSOF(unversioned_names), strcmp);
		if (r >= 0)
			*(enum unversioned *)field = (enum unversioned)r;
		break;
	case CONFIG_BOOL:
		r = parse_bool(value);
		if (r >= 0)
			*(bool *)field = r;
		break;
	case CONFIG_SAID:
		r = *value ? parse_bool(value) : -1;
		if (r != -EINVAL)
			*(int *)field = r;
		return r == -EINVAL ? r : 0;
	case CONFIG_SPAN:
	default:
		return config_parse_span(value, field);
	}
	return MIN(r, 0);
}
