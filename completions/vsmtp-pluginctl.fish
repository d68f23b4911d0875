# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for vsmtp-pluginctl(1).

set -l verbs status list plan sync reload why verify enable disable clean

complete -c vsmtp-pluginctl -f
complete -c vsmtp-pluginctl -n "not __fish_seen_subcommand_from $verbs" -a status -d 'server, links, what is owed and why'
complete -c vsmtp-pluginctl -n "not __fish_seen_subcommand_from $verbs" -a list -d 'every candidate and every link'
complete -c vsmtp-pluginctl -n "not __fish_seen_subcommand_from $verbs" -a plan -d 'what a pass would do'
complete -c vsmtp-pluginctl -n "not __fish_seen_subcommand_from $verbs" -a sync -d 'make the links right, and ask for the reload that is owed'
complete -c vsmtp-pluginctl -n "not __fish_seen_subcommand_from $verbs" -a reload -d 'sync, bring an owed reload about and wait for it'
complete -c vsmtp-pluginctl -n "not __fish_seen_subcommand_from $verbs" -a why -d 'each gate, passed or failed, and what to do'
complete -c vsmtp-pluginctl -n "not __fish_seen_subcommand_from $verbs" -a verify -d 'would these files be accepted'
complete -c vsmtp-pluginctl -n "not __fish_seen_subcommand_from $verbs" -a enable -d 'let a plugin be linked, and sync'
complete -c vsmtp-pluginctl -n "not __fish_seen_subcommand_from $verbs" -a disable -d 'keep a plugin from being linked, and sync'
complete -c vsmtp-pluginctl -n "not __fish_seen_subcommand_from $verbs" -a clean -d 'remove all links of ours'

complete -c vsmtp-pluginctl -l root -x -a '(__fish_complete_directories)' -d 'work on the tree below DIR'
complete -c vsmtp-pluginctl -l json -d 'print JSON'
complete -c vsmtp-pluginctl -l ask-program -d 'with --root: run the server of that tree for its version'
complete -c vsmtp-pluginctl -l no-legend -d 'print no headings'
complete -c vsmtp-pluginctl -l help -d 'show help'
complete -c vsmtp-pluginctl -l version -d 'show the version'
complete -c vsmtp-pluginctl -n '__fish_seen_subcommand_from sync' -l dry-run -d 'only show what it would do'
complete -c vsmtp-pluginctl -n '__fish_seen_subcommand_from sync' -l forbid-reload -d 'leave the reload to a person'
complete -c vsmtp-pluginctl -n '__fish_seen_subcommand_from sync' -l hold -d 'change little while a package manager works'
complete -c vsmtp-pluginctl -n '__fish_seen_subcommand_from clean' -l keep-fitting -d 'leave the links that fit'
complete -c vsmtp-pluginctl -n '__fish_seen_subcommand_from sync enable disable' -l no-reload -d 'ask for no reload'
complete -c vsmtp-pluginctl -n '__fish_seen_subcommand_from sync' -l plan -x -d 'only if the world is as plan saw it'
complete -c vsmtp-pluginctl -n '__fish_seen_subcommand_from sync' -l start-of -x -d 'record what this start of a unit loads'
complete -c vsmtp-pluginctl -n '__fish_seen_subcommand_from reload' -l hook -x -d 'as the ExecReload= of a unit'
complete -c vsmtp-pluginctl -n '__fish_seen_subcommand_from sync reload' -l time-limit -x -d 'give up after that long'
complete -c vsmtp-pluginctl -n '__fish_seen_subcommand_from reload' -l force -d 'also if nothing is owed'
complete -c vsmtp-pluginctl -n '__fish_seen_subcommand_from sync reload' -l wait -x -a 'no started healthy' -d 'for what'
complete -c vsmtp-pluginctl -n '__fish_seen_subcommand_from sync reload' -l wait-limit -x -d 'wait at most that long'
complete -c vsmtp-pluginctl -n '__fish_seen_subcommand_from verify' -l for -x -d 'would it fit that vSMTP'

complete -c vsmtp-pluginctl -n '__fish_seen_subcommand_from why enable disable' \
    -a "(vsmtp-pluginctl --no-legend list 2>/dev/null | string match -r '^[A-Za-z0-9][A-Za-z0-9_-]*')"
complete -c vsmtp-pluginctl -n '__fish_seen_subcommand_from verify' -F
