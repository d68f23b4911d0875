# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# What the tests share.

good() { printf 'ok: %s\n' "$*"; }
bad() {
    printf 'NOT OK: %s\n' "$*"
    systemctl --no-pager --full status 'vsmtp*' || :
    journalctl --no-pager -b -u 'vsmtp*' | tail -n 60
    vsmtp-pluginctl status || :
    ls -la /etc/vsmtp/plugins || :
    exit 1
}
check() { # WHAT COMMAND...
    checked=$1
    shift
    if "$@"; then good "$checked"; else bad "$checked ($*)"; fi
}
within() { # SECONDS WHAT COMMAND...: waits for it; the limit is for broken runs
    limit=$(($(date +%s) + $1))
    awaited=$2
    shift 2
    until "$@"; do
        [ "$(date +%s)" -lt "$limit" ] || bad "$awaited: not in time ($*)"
        sleep 0.2
    done
    good "$awaited"
}
is() { [ "$1" = "$2" ] || { printf '"%s" is not "%s"\n' "$1" "$2"; return 1; }; }
none_failed() { is "$(systemctl list-units --failed --plain --no-legend 'vsmtp*')" ""; }
prop() { systemctl show -p "$2" --value "$1"; }
