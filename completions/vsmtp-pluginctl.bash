# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for vsmtp-pluginctl(1). Verbs, options, and which verb takes which, are what --help says.

_vsmtp_pluginctl() {
    local current=${COMP_WORDS[COMP_CWORD]} line word verb='' wants='' verbs=() offered=() root=() i
    local -A arguments=() takers=()
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line =~ ^\ \ (--[a-z-]+)(=?)([A-Z]*)\ +(([a-z, ]+):)? ]]; then
            takers[${BASH_REMATCH[1]}]=${BASH_REMATCH[5]//,/}
            [ -z "${BASH_REMATCH[2]}" ] || arguments[${BASH_REMATCH[1]}]=${BASH_REMATCH[3]}
        elif [[ $line =~ ^\ \ ([a-z-]+)\ ([A-Z|.]*) ]]; then
            verbs+=("${BASH_REMATCH[1]}")
            arguments[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
        fi
    done < <("$1" --help 2>/dev/null)
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == -* && -n ${arguments[$word]-} ]]; then
            # bash cuts words at "=".
            [ "${COMP_WORDS[i + 1]}" != = ] || ((i++))
            ((++i < COMP_CWORD)) || wants=${arguments[$word]}
            [ "$word" != --root ] || root=("--root=${COMP_WORDS[i]-}")
        elif [[ -z $verb && " ${verbs[*]} " == *" $word "* ]]; then
            verb=$word
        fi
    done
    if [ -z "$wants" ] && [[ $current == -* ]]; then
        for word in "${!takers[@]}"; do
            if [[ -z ${takers[$word]} || " ${takers[$word]} " == *" ${verb:-none} "* ]]; then
                offered+=("$word${arguments[$word]:+=}")
            fi
        done
        mapfile -t COMPREPLY < <(compgen -W "${offered[*]}" -- "$current")
        [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null
        return
    elif [ -z "$wants$verb" ]; then
        mapfile -t COMPREPLY < <(compgen -W "${verbs[*]}" -- "$current")
        return
    fi
    [ "$current" != = ] || current=''
    case ${wants:=${arguments[$verb]}} in
    *NAME*)
        mapfile -t COMPREPLY < <(compgen -W "$(timeout 2 "$1" "${root[@]}" --no-legend list 2>/dev/null |
            sed -n 's/^\([A-Za-z0-9][A-Za-z0-9_-]*\) .*/\1/p' | sort -u)" -- "$current")
        ;;
    esac
    case $wants in
    *FILE*) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$current") ;;
    DIR) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    *) return ;;
    esac
    compopt -o filenames 2>/dev/null
}
complete -F _vsmtp_pluginctl vsmtp-pluginctl
