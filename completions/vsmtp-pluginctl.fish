# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for vsmtp-pluginctl(1). Verbs, options, and which verb takes which, are what --help says.

function __vsmtp_pluginctl_names
    set -l root --root=(string match -rg -- '--root[=\s](\S+)' "$(commandline -opc)")
    timeout 2 vsmtp-pluginctl $root[-1] --no-legend list 2>/dev/null | string match -rg '^([A-Za-z0-9][\w-]*) '
end

set -l help (vsmtp-pluginctl --help 2>/dev/null)
set -l verbs (string match -rg '^  ([a-z][a-z-]*) ' -- $help)

complete -c vsmtp-pluginctl -f
for row in $help
    if set -l m (string match -rg '^  ([a-z][a-z-]*) ([A-Z|.]*) *(.*)' -- $row)
        complete -c vsmtp-pluginctl -n "not __fish_seen_subcommand_from $verbs" -a $m[1] -d $m[3]
        if string match -q '*NAME*' -- $m[2]
            complete -c vsmtp-pluginctl -n "__fish_seen_subcommand_from $m[1]" -a '(__vsmtp_pluginctl_names)'
        end
        if string match -q '*FILE*' -- $m[2]
            complete -c vsmtp-pluginctl -n "__fish_seen_subcommand_from $m[1]" -F
        end
    else if set -l m (string match -rg '^  --([a-z-]+)(=?)([A-Z]*) +((?:[a-z, ]+: )?)(.*)' -- $row)
        set -l more
        if test -n "$m[4]"
            set more -n "__fish_seen_subcommand_from $(string replace -a ',' '' -- $m[4] | string trim -c ': ')"
        end
        if test -n "$m[2]"
            set -a more -x
        end
        if test "$m[3]" = DIR
            set -a more -a '(__fish_complete_directories)'
        end
        complete -c vsmtp-pluginctl -l $m[1] -d $m[5] $more
    end
end
