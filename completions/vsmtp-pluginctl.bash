# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for vsmtp-pluginctl(1).

_vsmtp_pluginctl() {
    local verbs='status list plan sync reload why verify enable disable clean'
    local options='--root= --json --ask-program --no-legend --help --version'
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local verb='' word root=()
    COMPREPLY=()
    # bash cuts words at "=".
    if [ "$current" = = ]; then
        current=''
    elif [ "$before" = = ]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $before in
    --root)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    --wait)
        mapfile -t COMPREPLY < <(compgen -W 'no started healthy' -- "$current")
        return
        ;;
    --plan | --for | --start-of | --hook | --time-limit | --wait-limit) return ;;
    esac
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [ "$word" = --root ] && [ "${COMP_WORDS[i + 1]}" = = ]; then
            root=("--root=${COMP_WORDS[i + 2]}")
        fi
        if [[ -z $verb && " $verbs " == *" $word "* ]]; then
            verb=$word
        fi
    done
    case $verb in
    sync) options+=' --dry-run --no-reload --forbid-reload --hold --plan= --start-of= --time-limit= --wait= --wait-limit=' ;;
    reload) options+=' --force --hook= --time-limit= --wait= --wait-limit=' ;;
    verify) options+=' --for=' ;;
    enable | disable) options+=' --no-reload' ;;
    clean) options+=' --keep-fitting' ;;
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null
        return
    fi
    case $verb in
    '') mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$current") ;;
    why | enable | disable)
        mapfile -t COMPREPLY < <(compgen -W "$(vsmtp-pluginctl "${root[@]}" --no-legend list 2>/dev/null |
            awk '$1 ~ /^[A-Za-z0-9][A-Za-z0-9_-]*$/ { print $1 }')" -- "$current")
        ;;
    verify)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    esac
}
complete -F _vsmtp_pluginctl vsmtp-pluginctl
