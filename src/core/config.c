/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/config.h"
#include "base/str.h"
#include "core/config_parse.h"
#include "core/name.h"

#define SECTION_MAIN "Plugind"
#define SECTION_PLUGIN "Plugin"

/* Everything there is to say about a key. */
struct item {
	const char *section;
	const char *key;
	const char *fallback; /* as one would write it */
	enum config_kind kind;
	size_t offset;
};

#define MAIN(member) offsetof(struct config, member)
#define PLUGIN(member) offsetof(struct config_plugin, member)

static const struct item items[] = {
	{SECTION_MAIN, "Store", "/usr/lib/vsmtp", CONFIG_PATHS, MAIN(stores)},
	{SECTION_MAIN, "Links", "/etc/vsmtp/plugins", CONFIG_PATH, MAIN(links)},
	{SECTION_MAIN, "Program", "/usr/sbin/vsmtp", CONFIG_PATH, MAIN(program)},
	{SECTION_MAIN, "Version", "", CONFIG_VERSION, MAIN(version)},
	{SECTION_MAIN, "Unit", "vsmtp.service", CONFIG_UNITS, MAIN(units)},
	{SECTION_MAIN, "Action", "auto", CONFIG_ACTION, MAIN(action)},
	{SECTION_MAIN, "LinkName", "", CONFIG_LINK_NAME, MAIN(link_name)},
	{SECTION_MAIN, "Unversioned", "link", CONFIG_UNVERSIONED, MAIN(unversioned)},
	{SECTION_MAIN, "SettleSec", "100ms", CONFIG_SPAN, MAIN(settle_usec)},
	{SECTION_MAIN, "SettleMaxSec", "2s", CONFIG_SPAN, MAIN(settle_max_usec)},
	{SECTION_MAIN, "HoldMaxSec", "30min", CONFIG_SPAN, MAIN(hold_max_usec)},
	{SECTION_MAIN, "RequireRootOwned", "yes", CONFIG_BOOL, MAIN(require_root_owned)},
	{SECTION_PLUGIN, "Enabled", "yes", CONFIG_SAID, PLUGIN(enabled)},
	{SECTION_PLUGIN, "LinkName", "", CONFIG_LINK_NAME, PLUGIN(link_name)},
	{SECTION_PLUGIN, "Version", "", CONFIG_VERSION, PLUGIN(version)},
};

static const struct item *find_item(const char *section, const char *key)
{
	for (size_t i = 0; i < ELEMENTSOF(items); i++)
		if (str_eq(items[i].section, section) && str_eq(items[i].key, key))
			return &items[i];
	return NULL;
}

static bool is_main(const struct item *item)
{
	return str_eq(item->section, SECTION_MAIN);
}

static bool is_list(const struct item *item)
{
	return item->kind == CONFIG_PATHS || item->kind == CONFIG_UNITS;
}

static void *field_of(void *owner, const struct item *item)
{
	return (char *)owner + item->offset;
}

void config_remarks_done(struct config_remarks *r)
{
	free(r->items);
	pool_done(&r->pool);
	*r = (struct config_remarks){0};
}

int config_remarks_add(struct config_remarks *r, const struct config_remark *remark)
{
	struct config_remark m = *remark, *grown;
	const char *path = m.trust.path;
	const char **const texts[] = {&m.file, &m.section, &m.key, &m.value, &m.used, &path};

	/* Room doubles: it is full whenever n is a power of two. */
	if ((r->n & (r->n - 1)) == 0) {
		grown = reallocarray(r->items, MAX(r->n * 2, (size_t)1), sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		r->items = grown;
	}
	for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
		const char *text = *texts[i];

		*texts[i] = text ? pool_copy(&r->pool, text) : NULL;
		if (text && !*texts[i])
			return -ENOMEM;
	}
	m.trust.path = (char *)(uintptr_t)path;
	r->items[r->n++] = m;
	return 0;
}

static void plugin_done(struct config_plugin *p)
{
	free(p->name);
	free(p->key);
	free(p->link_name);
	free(p->version);
	*p = (struct config_plugin){0};
}

void config_done(struct config *c)
{
	if (!c)
		return;
	strv_free(c->stores);
	free(c->links);
	free(c->program);
	free(c->version);
	strv_free(c->units);
	free(c->link_name);
	for (size_t i = 0; i < c->n_plugins; i++)
		plugin_done(&c->plugins[i]);
	free(c->plugins);
	*c = (struct config){0};
}

/* A key without a value: a list is emptied, all else gets its default; what a [Plugin NAME] says is
 * then not said. */
static int reset(const struct item *item, void *owner, const char *plugin)
{
	void *field = field_of(owner, item);

	if (is_list(item)) {
		char ***list = field;

		strv_free(TAKE_PTR(*list));
		return 0;
	}
	return config_value_parse(item->kind, is_main(item) ? item->fallback : "", plugin, field);
}

int config_init(struct config *ret)
{
	struct config c = {0};

	for (size_t i = 0; i < ELEMENTSOF(items); i++) {
		int r = is_main(&items[i]) ? reset(&items[i], &c, NULL) : 0;

		if (r < 0) {
			config_done(&c);
			return r;
		}
	}
	*ret = c;
	return 0;
}

int config_finish(struct config *c)
{
	for (size_t i = 0; i < ELEMENTSOF(items); i++) {
		char ***list = is_list(&items[i]) ? field_of(c, &items[i]) : NULL;
		int r = 0;

		if (list && !*list)
			r = config_value_parse(items[i].kind, items[i].fallback, NULL, list);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The plugins are in order at any time, so that a thousand sections cost no more than they must.
 * Returns where the key is or belongs. */
static size_t plugin_position(const struct config *c, const char *key)
{
	return str_lower_bound(c->plugins, c->n_plugins, sizeof(*c->plugins),
			       offsetof(struct config_plugin, key), key);
}

const struct config_plugin *config_find_plugin(const struct config *c, const char *key)
{
	size_t i = c->n_plugins > 0 ? plugin_position(c, key) : 0;

	return i < c->n_plugins && str_eq(c->plugins[i].key, key) ? &c->plugins[i] : NULL;
}

/* Finds or makes the entry of a NAME. 0 or -ENOMEM. */
static int add_plugin(struct config *c, const char *name, struct config_plugin **ret)
{
	struct config_plugin p = {.enabled = -1}, *grown;
	_cleanup_free_ char *key = name_key(name);
	size_t i;

	if (!key)
		return -ENOMEM;
	i = plugin_position(c, key);
	if (i < c->n_plugins && str_eq(c->plugins[i].key, key)) {
		*ret = &c->plugins[i];
		return 0;
	}
	grown = reallocarray(c->plugins, c->n_plugins + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	c->plugins = grown;
	p.name = strdup(name);
	if (!p.name)
		return -ENOMEM;
	p.key = TAKE_PTR(key);
	memmove(grown + i + 1, grown + i, (c->n_plugins - i) * sizeof(*grown));
	grown[i] = p;
	c->n_plugins++;
	*ret = &grown[i];
	return 0;
}

/* Where one file's parse stands. */
struct reader {
	struct config *config;
	const char *file;
	struct config_remarks *remarks;
	const char *section; /* as written; NULL before the first */
	bool passing; /* the section is none that we know: said once, its lines are passed over */
	struct config_plugin *plugin; /* the one that the section is about, or NULL */
};

static int say(struct reader *r, const struct config_line *line, enum config_problem problem,
	       const char *value, const char *used)
{
	return config_remarks_add(r->remarks, &(struct config_remark){.problem = problem,
								      .line = line->number,
								      .file = r->file,
								      .section = r->section,
								      .key = line->key,
								      .value = value,
								      .used = used});
}

/* What holds instead of a word that was passed over: the words of the list so far. */
static int list_in_force(char *const *list, const char *fallback, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t i = 0; list && list[i]; i++) {
		buf_add(&b, i > 0 ? " " : "");
		buf_add(&b, list[i]);
	}
	if (!list)
		buf_add(&b, fallback);
	return buf_take(&b, ret);
}

static int assign_list(struct reader *r, const struct config_line *line, const struct item *item,
		       char ***list)
{
	_cleanup_strv_ char **words = NULL, **bad = NULL;
	_cleanup_free_ char *used = NULL;
	int q = strv_add_words(&words, line->value);

	for (size_t i = 0; q >= 0 && words && words[i]; i++) {
		q = config_value_parse(item->kind, words[i], NULL, list);
		if (q == -EINVAL)
			q = strv_add(&bad, words[i]);
	}
	if (q >= 0 && bad)
		q = list_in_force(*list, item->fallback, &used);
	for (size_t i = 0; q >= 0 && bad && bad[i]; i++)
		q = say(r, line, CONFIG_BAD_VALUE, bad[i], used);
	return q;
}

static int assign(struct reader *r, const struct config_line *line)
{
	const struct item *item = find_item(r->plugin ? SECTION_PLUGIN : SECTION_MAIN, line->key);
	void *owner = r->plugin ? (void *)r->plugin : (void *)r->config;
	const char *name = r->plugin ? r->plugin->name : NULL;
	int q;

	if (!item)
		return say(r, line, CONFIG_UNKNOWN_KEY, line->value, NULL);
	if (!*line->value)
		return reset(item, owner, name);
	if (is_list(item))
		return assign_list(r, line, item, field_of(owner, item));
	q = config_value_parse(item->kind, line->value, name, field_of(owner, item));
	if (q != -EINVAL)
		return q;
	/* The default, and not what an earlier file said: one wrong line has one meaning. */
	q = reset(item, owner, name);
	if (q < 0)
		return q;
	return say(r, line, CONFIG_BAD_VALUE, line->value, *item->fallback ? item->fallback : NULL);
}

/* What follows `Plugin` in the section's name without blanks around it, or NULL. 0 or -ENOMEM. */
static int plugin_of_section(const char *section, char **ret)
{
	const char *p = str_after(section, SECTION_PLUGIN);
	size_t n;

	if (!p || (*p && *p != ' ' && *p != '\t'))
		return 0;
	p += strspn(p, " \t");
	n = strlen(p);
	while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	*ret = strndup(p, n);
	return *ret ? 0 : -ENOMEM;
}

static int enter_section(struct reader *r, const struct config_line *line)
{
	_cleanup_free_ char *name = NULL;
	int q;

	r->section = line->section;
	r->plugin = NULL;
	r->passing = !str_eq(line->section, SECTION_MAIN);
	if (line->problem != CONFIG_PROBLEM_MAX)
		return say(r, line, line->problem, line->value, NULL);
	q = r->passing ? plugin_of_section(line->section, &name) : 0;
	if (q < 0 || !r->passing)
		return q;
	if (!name)
		return say(r, line, CONFIG_UNKNOWN_SECTION, NULL, NULL);
	if (!name_is_valid(name))
		return say(r, line, CONFIG_BAD_PLUGIN, name, NULL);
	r->passing = false;
	return add_plugin(r->config, name, &r->plugin);
}

static int read_line(struct reader *r, const struct config_line *line)
{
	if (line->opens)
		return enter_section(r, line);
	if (line->problem != CONFIG_PROBLEM_MAX)
		return say(r, line, line->problem, line->value, NULL);
	if (r->passing)
		return 0;
	if (!r->section)
		return say(r, line, CONFIG_NO_SECTION, line->value, NULL);
	return assign(r, line);
}

int config_parse(struct config *c, const char *file, const char *text, size_t len,
		 struct config_remarks *remarks)
{
	struct reader r = {.config = c, .file = file, .remarks = remarks};
	_cleanup_free_ char *copy = malloc(len + 1);
	struct config_text t = {.next = copy, .end = copy + len};
	struct config_line line;
	int q = 0;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, len);
	while (q == 0 && config_take_line(&t, &line))
		q = read_line(&r, &line);
	return q;
}
