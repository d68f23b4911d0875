/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/config.h"
#include "base/str.h"
#include "core/config_parse.h"
#include "core/config_value.h"
#include "core/name.h"

#define SECTION_MAIN "Plugind"
#define SECTION_PLUGIN "Plugin"

/* Everything there is to say about a key. A parser gets the value, the field, and the NAME of the
 * section (NULL in [Plugind]); it returns 0, -EINVAL or -ENOMEM, and leaves a scalar as it was if
 * it fails. List keys are parsed word by word. */
struct item {
	struct config_key key;
	int (*parse)(const char *value, void *field, const char *plugin);
	size_t offset;
	bool is_list;
};

#define MAIN(member) offsetof(struct config, member)
#define PLUGIN(member) offsetof(struct config_plugin, member)

static const struct item items[] = {
	{{SECTION_MAIN, "Store", "/usr/lib/vsmtp"}, config_value_path_add, MAIN(stores), true},
	{{SECTION_MAIN, "Links", "/etc/vsmtp/plugins"}, config_value_path, MAIN(links)},
	{{SECTION_MAIN, "Program", "/usr/sbin/vsmtp"}, config_value_path, MAIN(program)},
	{{SECTION_MAIN, "Version", ""}, config_value_version, MAIN(version)},
	{{SECTION_MAIN, "Unit", "vsmtp.service"}, config_value_unit_add, MAIN(units), true},
	{{SECTION_MAIN, "Action", "auto"}, config_value_action, MAIN(action)},
	{{SECTION_MAIN, "LinkName", ""}, config_value_link_name, MAIN(link_name)},
	{{SECTION_MAIN, "Unversioned", "link"}, config_value_unversioned, MAIN(unversioned)},
	{{SECTION_MAIN, "SettleSec", "100ms"}, config_value_span, MAIN(settle_usec)},
	{{SECTION_MAIN, "SettleMaxSec", "2s"}, config_value_span, MAIN(settle_max_usec)},
	{{SECTION_MAIN, "HoldMaxSec", "30min"}, config_value_span, MAIN(hold_max_usec)},
	{{SECTION_MAIN, "RequireRootOwned", "yes"}, config_value_bool, MAIN(require_root_owned)},
	{{SECTION_PLUGIN, "Enabled", "yes"}, config_value_said, PLUGIN(enabled)},
	{{SECTION_PLUGIN, "LinkName", ""}, config_value_link_name, PLUGIN(link_name)},
	{{SECTION_PLUGIN, "Version", ""}, config_value_version, PLUGIN(version)},
};

const struct config_key *config_key_at(size_t i)
{
	return i < ELEMENTSOF(items) ? &items[i].key : NULL;
}

static const struct item *find_item(const char *section, const char *key)
{
	for (size_t i = 0; i < ELEMENTSOF(items); i++)
		if (str_eq(items[i].key.section, section) && str_eq(items[i].key.key, key))
			return &items[i];
	return NULL;
}

static bool is_main(const struct item *item)
{
	return str_eq(item->key.section, SECTION_MAIN);
}

static void *field_of(void *owner, const struct item *item)
{
	return (char *)owner + item->offset;
}

static void remark_done(struct config_remark *r)
{
	free(r->file);
	free(r->section);
	free(r->key);
	free(r->value);
	free(r->used);
	trust_facts_done(&r->trust);
	*r = (struct config_remark){0};
}

void config_remarks_done(struct config_remarks *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		remark_done(&r->items[i]);
	free(r->items);
	*r = (struct config_remarks){0};
}

/* Takes what the remark owns, also on failure. */
static int push_remark(struct config_remarks *r, struct config_remark *taken)
{
	/* Room doubles: it is full whenever n is a power of two. */
	if ((r->n & (r->n - 1)) == 0) {
		size_t room = MAX(r->n * 2, (size_t)1);
		struct config_remark *grown = reallocarray(r->items, room, sizeof(*grown));

		if (!grown) {
			remark_done(taken);
			return -ENOMEM;
		}
		r->items = grown;
	}
	r->items[r->n++] = *taken;
	return 0;
}

int config_remarks_add(struct config_remarks *r, const struct config_remark *remark)
{
	struct config_remark copy = {
		.problem = remark->problem, .line = remark->line, .error = remark->error};

	if (str_replace(&copy.file, remark->file) < 0 ||
	    str_replace(&copy.section, remark->section) < 0 ||
	    str_replace(&copy.key, remark->key) < 0 ||
	    str_replace(&copy.value, remark->value) < 0 ||
	    str_replace(&copy.used, remark->used) < 0 ||
	    trust_facts_copy(&copy.trust, &remark->trust) < 0) {
		remark_done(&copy);
		return -ENOMEM;
	}
	return push_remark(r, &copy);
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

	if (item->is_list) {
		char ***list = field;

		strv_free(TAKE_PTR(*list));
		return 0;
	}
	return item->parse(is_main(item) ? item->key.fallback : "", field, plugin);
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
		char ***list = items[i].is_list ? field_of(c, &items[i]) : NULL;
		int r = list && !*list ? items[i].parse(items[i].key.fallback, list, NULL) : 0;

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
	size_t i = plugin_position(c, key);

	return i < c->n_plugins && str_eq(c->plugins[i].key, key) ? &c->plugins[i] : NULL;
}

/* Finds or makes the entry of a NAME. 0 or -ENOMEM. */
static int add_plugin(struct config *c, const char *name, size_t *ret)
{
	struct config_plugin p = {.enabled = -1}, *grown;
	_cleanup_free_ char *key = name_key(name);

	if (!key)
		return -ENOMEM;
	*ret = plugin_position(c, key);
	if (config_find_plugin(c, key))
		return 0;
	grown = reallocarray(c->plugins, c->n_plugins + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	c->plugins = grown;
	p.name = strdup(name);
	if (!p.name)
		return -ENOMEM;
	p.key = TAKE_PTR(key);
	memmove(grown + *ret + 1, grown + *ret, (c->n_plugins - *ret) * sizeof(*grown));
	grown[*ret] = p;
	c->n_plugins++;
	return 0;
}

/* Where one file's parse stands. */
struct reader {
	struct config *config;
	const char *file;
	struct config_remarks *remarks;
	char *section; /* as written; NULL before the first */
	bool passing;  /* the section is none that we know: said once, its lines are passed over */
	bool in_plugin;
	size_t plugin; /* in config->plugins */
};

static int say(struct reader *r, const struct config_line *line, enum config_problem problem,
	       const char *value, const char *used)
{
	struct config_remark x = {.problem = problem, .line = line->number};

	if (str_replace(&x.file, r->file) < 0 || str_replace(&x.section, r->section) < 0 ||
	    str_replace(&x.key, line->key) < 0 || str_replace(&x.value, value) < 0 ||
	    str_replace(&x.used, used) < 0) {
		remark_done(&x);
		return -ENOMEM;
	}
	return push_remark(r->remarks, &x);
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
		q = item->parse(words[i], list, NULL);
		if (q == -EINVAL)
			q = strv_add(&bad, words[i]);
	}
	if (q >= 0 && bad)
		q = list_in_force(*list, item->key.fallback, &used);
	for (size_t i = 0; q >= 0 && bad && bad[i]; i++)
		q = say(r, line, CONFIG_BAD_VALUE, bad[i], used);
	return q;
}

static int assign(struct reader *r, const struct config_line *line)
{
	const struct item *item =
		find_item(r->in_plugin ? SECTION_PLUGIN : SECTION_MAIN, line->key);
	struct config_plugin *plugin = r->in_plugin ? &r->config->plugins[r->plugin] : NULL;
	void *owner = plugin ? (void *)plugin : (void *)r->config;
	const char *name = plugin ? plugin->name : NULL;
	int q;

	if (!item)
		return say(r, line, CONFIG_UNKNOWN_KEY, line->value, NULL);
	if (!*line->value)
		return reset(item, owner, name);
	if (item->is_list)
		return assign_list(r, line, item, field_of(owner, item));
	q = item->parse(line->value, field_of(owner, item), name);
	if (q != -EINVAL)
		return q;
	/* The default, and not what an earlier file said: one wrong line has one meaning. */
	q = reset(item, owner, name);
	if (q < 0)
		return q;
	return say(r, line, CONFIG_BAD_VALUE, line->value,
		   *item->key.fallback ? item->key.fallback : NULL);
}

/* What follows `Plugin` in the section's name without blanks around it, or NULL. */
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
	return *ret ? 1 : -ENOMEM;
}

static int enter_section(struct reader *r, const struct config_line *line)
{
	_cleanup_free_ char *name = NULL;
	int q = str_replace(&r->section, line->section);

	if (q < 0)
		return q;
	r->passing = false;
	r->in_plugin = false;
	if (str_eq(line->section, SECTION_MAIN))
		return 0;

	r->passing = true;
	q = plugin_of_section(line->section, &name);
	if (q < 0)
		return q;
	if (q == 0)
		return say(r, line, CONFIG_UNKNOWN_SECTION, NULL, NULL);
	if (!name_is_valid(name))
		return say(r, line, CONFIG_BAD_PLUGIN, name, NULL);
	r->passing = false;
	r->in_plugin = true;
	return add_plugin(r->config, name, &r->plugin);
}

static int pass_over_section(struct reader *r, const struct config_line *line,
			     enum config_problem problem)
{
	r->passing = true;
	free(TAKE_PTR(r->section));
	return say(r, line, problem, line->value, NULL);
}

static int read_line(const struct config_line *line, void *userdata)
{
	struct reader *r = userdata;

	switch (line->kind) {
	case CONFIG_LINE_SECTION:
		return enter_section(r, line);
	case CONFIG_LINE_BROKEN_SECTION:
		return pass_over_section(r, line, CONFIG_NOT_A_LINE);
	case CONFIG_LINE_NUL_SECTION:
		return pass_over_section(r, line, CONFIG_NUL_BYTE);
	case CONFIG_LINE_NUL:
		return say(r, line, CONFIG_NUL_BYTE, line->value, NULL);
	case CONFIG_LINE_BROKEN:
		return say(r, line, CONFIG_NOT_A_LINE, line->value, NULL);
	case CONFIG_LINE_ASSIGNMENT:
		break;
	}
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
	int q = config_parse_lines(text, len, read_line, &r);

	free(r.section);
	return q;
}
