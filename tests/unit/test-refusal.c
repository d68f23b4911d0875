/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/refusal.h"

#include "base/str.h"
#include "core/wording.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct scene {
	struct config c;
	struct snapshot s;
	struct plan p;
};

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static struct scene fine(void)
{
	return (struct scene){
		.c = {.program = text("/usr/sbin/vsmtp"), .links = text("/etc/vsmtp/plugins")},
		.s.server = {.state = SERVER_KNOWN, .version = text("1.0.0")},
	};
}

static void check(const struct scene *x, enum refusal wanted, const char *words)
{
	_cleanup_free_ char *said = NULL;
	enum refusal found = refusal_find(&x->c, &x->s, &x->p);

	assert_int_equal(found, wanted);
	assert_int_equal(wording_refusal(&x->c, &x->s, &x->p, found, &said), 0);
	assert_null(strchr(said, '\n'));
	if (words)
		assert_non_null(strstr(said, words));
	else
		assert_string_equal(said, "");
}

static void test_rule_19_a_world_in_order_is_not_refused(void **state)
{
	struct scene x = fine();

	UNUSED(state);
	check(&x, REFUSAL_NONE, NULL);
	x.p.directory = PLAN_DIRECTORY_MAKE;
	check(&x, REFUSAL_NONE, NULL);
	x.p.directory = PLAN_DIRECTORY_TAKE_OVER;
	check(&x, REFUSAL_NONE, NULL);
}

static void test_rule_19_each_reason_is_said(void **state)
{
	struct scene x = fine();

	UNUSED(state);
	x.p.directory = PLAN_DIRECTORY_REFUSED;
	x.s.links.state = LINKS_SYMLINK;
	check(&x, REFUSAL_DIRECTORY, "/etc/vsmtp/plugins is a symlink");
	x.p.not_known = true;
	x.s.server.state = SERVER_UNKNOWN;
	x.s.server.doubt = SERVER_DOUBT_HANGS;
	check(&x, REFUSAL_NOT_KNOWN, "gave no answer to --version");
	x.s.server.doubt = SERVER_DOUBT_UNTRUSTED;
	x.s.server.program.trust = (struct trust_facts){
		.trust = TRUST_OWNER, .path = text("/usr/sbin/vsmtp"), .owner = 7, .mode = 0755};
	check(&x, REFUSAL_SERVER_UNTRUSTED, "/usr/sbin/vsmtp belongs to user 7");
	x.s.server.state = SERVER_ABSENT;
	check(&x, REFUSAL_SERVER_ABSENT, "/usr/sbin/vsmtp");
	x.c.action = ACTION_NONE;
	check(&x, REFUSAL_ACTION_NONE, "Action=none");
}

/* Version= says what it is, and nothing is asked: it is run at the start all the same. */
static void test_rule_12_an_untrusted_program_of_known_version_is_refused(void **state)
{
	struct scene x = fine();

	UNUSED(state);
	x.s.server.program.trust = (struct trust_facts){
		.trust = TRUST_WRITABLE, .path = text("/usr/sbin/vsmtp"), .mode = 0777};
	check(&x, REFUSAL_SERVER_UNTRUSTED, "chmod go-w /usr/sbin/vsmtp");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_19_a_world_in_order_is_not_refused),
		cmocka_unit_test(test_rule_19_each_reason_is_said),
		cmocka_unit_test(test_rule_12_an_untrusted_program_of_known_version_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
