/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The values of the configuration: one parser per kind. Each takes the text, the field it fills and
 * the NAME of the section (NULL outside [Plugin NAME]). 0, -EINVAL (the field is as it was) or
 * -ENOMEM.
 *
 * Knows: values. Must not know: keys and sections. Owns: nothing. */

#include "base/macro.h"

#define CONFIG_VALUE_PARSER(name) \
	int name(const char *value, void *field, const char *plugin) _must_check_ _nonnull_(1, 2)

CONFIG_VALUE_PARSER(config_value_path);        /* char *: absolute, is normalised, not `/` */
CONFIG_VALUE_PARSER(config_value_path_add);    /* char **: one path more */
CONFIG_VALUE_PARSER(config_value_unit_add);    /* char **: one unit of type service more */
CONFIG_VALUE_PARSER(config_value_version);     /* char *: SemVer; NULL if empty */
CONFIG_VALUE_PARSER(config_value_link_name);   /* char *: a template; NULL if empty */
CONFIG_VALUE_PARSER(config_value_action);      /* enum action */
CONFIG_VALUE_PARSER(config_value_unversioned); /* enum unversioned */
CONFIG_VALUE_PARSER(config_value_span);        /* uint64_t: microseconds */
CONFIG_VALUE_PARSER(config_value_bool);        /* bool */
CONFIG_VALUE_PARSER(config_value_said);        /* int: 0, 1, and -1 if empty */
