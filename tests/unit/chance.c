/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chance.h"

#include "base/str.h"

void made_done(struct made *m)
{
	free(m->text);
}

struct maker {
	struct made *m;
	unsigned seed;
	struct buf text;
};

static const char *const names[] = {"a", "b", "c", "d_e", "d-e"};
const char *const world_keys[WORLD_KEYS + 1] = {"a", "b", "c", "d-e", "d-e"};

static unsigned draw(struct maker *k, unsigned n)
{
	return (unsigned)rand_r(&k->seed) / 7 % n;
}

static bool chance(struct maker *k, unsigned percent)
{
	return draw(k, 100) < percent;
}

static void add(struct maker *k, const char *line)
{
	buf_add(&k->text, line);
	buf_add(&k->text, "\n");
}

static void make_path(struct maker *k, const char *name, char *ret, size_t size)
{
	const char *version = chance(k, 65) ? "1.0.0" : "2.0.0";
	const char *store = chance(k, 75) ? "/s" : "/t";

	switch (draw(k, 5)) {
	case 0:
		snprintf(ret, size, "%s/%s/libvsmtp_plugin_%s.so", store, version, name);
		break;
	case 1:
		snprintf(ret, size, "%s/%s.so", store, name);
		break;
	case 2:
		snprintf(ret, size, "%s/vsmtp_plugin-%s-%s+b.so", store, name, version);
		break;
	default:
		snprintf(ret, size, "%s/libvsmtp-plugin-%s-%s.so", store, name, version);
		break;
	}
}

/* A link name; with APART only its own plugin may come to it. */
static void make_link_name(struct maker *k, const char *name, char *ret, size_t size)
{
	static const char *const forms[] = {"vsmtp-plugin-%s.so", "libvsmtp_plugin_%s.so", "%s.so",
					    "x-%s.so", "y-%s.so"};
	unsigned form = draw(k, ELEMENTSOF(forms));
	const char *percent = strchr(forms[form], '%');

	if (k->m->kind == COLLIDE && chance(k, 40))
		name = names[draw(k, ELEMENTSOF(names))];
	snprintf(ret, size, "%.*s%s%s", (int)(percent - forms[form]), forms[form], name,
		 percent + 2);
}

static void make_config(struct maker *k)
{
	char line[200];

	add(k, "config:\n [Plugind]\n Store=/s /t\n Links=/l");
	if (chance(k, 20))
		add(k, " Unversioned=skip");
	if (chance(k, 35))
		add(k, chance(k, 50) ? " LinkName=x-%n" : " LinkName=%n");
	for (unsigned i = 0; i < 4; i++) {
		if (!chance(k, 25))
			continue;
		snprintf(line, sizeof(line), " [Plugin %s]", names[i]);
		add(k, line);
		if (chance(k, 30))
			add(k, " Enabled=no");
		if (chance(k, 20))
			add(k, " Version=1.0.0");
		if (chance(k, 50))
			add(k, k->m->kind == COLLIDE && chance(k, 50) ? " LinkName=a"
								      : " LinkName=y-%n");
	}
}

static void make_server(struct maker *k)
{
	add(k, chance(k, 80)   ? "server 1.0.0"
	       : chance(k, 50) ? "server 2.0.0"
	       : chance(k, 50) ? "server absent"
			       : "server unknown");
	if (chance(k, 8))
		add(k, chance(k, 50) ? "store /t error 5" : "store /s error 13");
	if (chance(k, 8))
		add(k, "links untrusted");
}

static void make_file(struct maker *k)
{
	static const char *const options[] = {"being-written", "read-error=5", "unreadable",
					      "trust=owner",   "note=1.0.0",   "note=2.0.0",
					      "entry=none",    "kind=other",   "missing=x"};
	unsigned plugin = draw(k, ELEMENTSOF(names));
	char path[100], line[300], inode[20] = "";

	make_path(k, names[plugin], path, sizeof(path));
	snprintf(line, sizeof(line), "file %s ", path);
	if (strstr(k->text.data, line))
		return;
	if (k->m->kind == COLLIDE && chance(k, 30))
		snprintf(inode, sizeof(inode), "inode=%u", draw(k, 4) + 1);
	snprintf(line, sizeof(line), "file %s %s %s", path, inode,
		 chance(k, 35) ? options[draw(k, ELEMENTSOF(options))] : "");
	add(k, line);
}

static void make_entry(struct maker *k)
{
	unsigned plugin = draw(k, ELEMENTSOF(names));
	char name[100], path[100], line[300];

	make_link_name(k, names[plugin], name, sizeof(name));
	snprintf(line, sizeof(line), "link %s ", name);
	if (strstr(k->text.data, line))
		return;
	snprintf(line, sizeof(line), "entry %s ", name);
	if (strstr(k->text.data, line))
		return;
	if (chance(k, 15)) {
		snprintf(line, sizeof(line), "link %s -> /o/%s inode=%u", name, name,
			 draw(k, 4) + 1);
		add(k, line);
	} else if (chance(k, 10)) {
		snprintf(line, sizeof(line), "entry %s inode=%u", name, draw(k, 4) + 1);
		add(k, line);
	} else {
		make_path(k, names[plugin], path, sizeof(path));
		snprintf(line, sizeof(line), "link %s -> %s", name, path);
		add(k, line);
	}
}

static void make_remembered(struct maker *k)
{
	static const char *const flags[] = {"found", "chosen", "found,parked"};
	unsigned plugin = draw(k, ELEMENTSOF(names));
	char name[100], line[300];

	make_link_name(k, names[plugin], name, sizeof(name));
	for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
		snprintf(line, sizeof(line), "name %s %s %s\n", world_keys[plugin], flags[i], name);
		if (strstr(k->text.data, line))
			return;
	}
	snprintf(line, sizeof(line), "name %s %s %s", world_keys[plugin], flags[draw(k, 3)], name);
	add(k, line);
}

int make_world(unsigned seed, enum kind kind, struct made *ret)
{
	struct maker k = {.m = ret, .seed = seed * 2654435761U + 1};
	int r;

	ret->seed = seed;
	ret->kind = kind;
	(void)draw(&k, 16);
	make_config(&k);
	make_server(&k);
	for (unsigned n = draw(&k, 9); n > 0; n--)
		make_file(&k);
	for (unsigned n = draw(&k, 7); n > 0; n--)
		make_entry(&k);
	for (unsigned n = draw(&k, 6); n > 0; n--)
		make_remembered(&k);
	r = buf_take(&k.text, &ret->text);
	buf_done(&k.text);
	return r;
}
