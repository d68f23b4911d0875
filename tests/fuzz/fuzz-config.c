/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/str.h"
#include "core/config.h"
#include "core/name.h"
#include "core/version.h"
#include "fuzz.h"

static void check_path(const char *path)
{
	_cleanup_free_ char *again = NULL;

	must(path && path[0] == '/' && path[1]);
	must(path_normalize("/", path, &again) == 0);
	must(str_eq(path, again));
}

/* Whatever the text says, the values are usable. */
static void check_values(const struct config *c)
{
	must(strv_len(c->stores) > 0);
	for (char **s = c->stores; *s; s++)
		check_path(*s);
	check_path(c->links);
	check_path(c->program);
	must(!c->version || version_is_valid(c->version));
	must(strv_len(c->units) > 0);
	for (char **u = c->units; *u; u++)
		must(str_ends(*u, ".service") && !strchr(*u, '/') && strlen(*u) <= 255);
	must(c->action < ACTION_MAX && c->unversioned < UNVERSIONED_MAX);
	must(!c->link_name || name_check_template(c->link_name, NAME_TEMPLATE_GENERAL) == 0);
	for (size_t i = 0; i < c->n_plugins; i++) {
		const struct config_plugin *p = &c->plugins[i];

		must(name_is_valid(p->name));
		must(p->enabled >= -1 && p->enabled <= 1);
		must(!p->version || version_is_valid(p->version));
		must(!p->link_name || name_check_template(p->link_name, NAME_TEMPLATE_PLUGIN) == 0);
		must(i == 0 || strcmp(p[-1].key, p->key) < 0);
		must(config_find_plugin(c, p->key) == p);
	}
}

static void check_remarks(const struct config_remarks *l, unsigned lines)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct config_remark *r = &l->items[i];

		must(r->problem < CONFIG_PROBLEM_MAX && r->error == 0);
		must(str_eq(r->file, "fuzz.conf"));
		must(r->line >= 1 && r->line <= lines);
		must(r->problem != CONFIG_BAD_VALUE || (r->section && r->key && r->value));
	}
}

static void print_list(struct buf *b, const char *key, char *const *list)
{
	buf_printf(b, "%s=", key);
	for (; *list; list++) {
		buf_add(b, " ");
		buf_add(b, *list);
	}
	buf_add(b, "\n");
}

static void print_value(struct buf *b, const char *key, const char *value)
{
	buf_printf(b, "%s=", key);
	buf_add(b, value);
	buf_add(b, "\n");
}

static void print(const struct config *c, struct buf *b)
{
	static const char *const actions[ACTION_MAX] = {"auto", "restart", "none"};

	buf_add(b, "[Plugind]\n");
	print_list(b, "Store", c->stores);
	print_list(b, "Unit", c->units);
	print_value(b, "Links", c->links);
	print_value(b, "Program", c->program);
	print_value(b, "Version", c->version);
	print_value(b, "LinkName", c->link_name);
	print_value(b, "Action", actions[c->action]);
	print_value(b, "Unversioned", unversioned_to_string(c->unversioned));
	if (c->settle_usec != USEC_INFINITY)
		buf_printf(b, "SettleSec=%lluus\n", (unsigned long long)c->settle_usec);
	else
		buf_add(b, "SettleSec=infinity\n");
	for (size_t i = 0; i < c->n_plugins; i++) {
		const struct config_plugin *p = &c->plugins[i];

		buf_printf(b, "[Plugin %s]\n", p->name);
		print_value(b, "Enabled", p->enabled < 0 ? "" : p->enabled ? "yes" : "no");
		print_value(b, "LinkName", p->link_name);
		print_value(b, "Version", p->version);
	}
}

/* A value that ends in a backslash or (`/a /` is `/a `) in a blank cannot be written on a line. */
static bool is_printable(const char *text)
{
	return !strstr(text, "\\\n") && !strstr(text, " \n") && !strstr(text, "\t\n");
}

static void read_text(const void *data, size_t size, struct config *c, struct config_remarks *l)
{
	must(config_init(c) == 0);
	must(config_parse(c, "fuzz.conf", data, size, l) == 0);
	must(config_finish(c) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(config_done) struct config c = {0}, again = {0};
	_cleanup_(config_remarks_done) struct config_remarks remarks = {0}, none = {0};
	_cleanup_buf_ struct buf first = BUF_INIT, second = BUF_INIT;
	unsigned lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n' || data[i] == '\r';
	read_text(data, size, &c, &remarks);
	check_values(&c);
	check_remarks(&remarks, lines);

	/* What is printed reads as the same, and leaves nothing to remark. */
	print(&c, &first);
	must(first.data && !first.failed);
	if (!is_printable(first.data))
		return 0;
	read_text(first.data, first.len, &again, &none);
	must(none.n == 0);
	print(&again, &second);
	must(!second.failed);
	must(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	return 0;
}
