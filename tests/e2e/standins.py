# SPDX-License-Identifier: LGPL-2.1-or-later
"""Maintainer scripts of the stand-ins, and what stamps them for the merged log (see record.py)."""

# Stamps its arguments, and what a vSMTP that started now would be and see; or each line of its input.
# A script whose stamp stands in /run/kit-gate is held there for as long as that file is there.
MARK = """\
#!/bin/bash
if [ "$1" = dpkg ]; then
    while IFS= read -r line; do echo "$EPOCHREALTIME dpkg $line" >>/run/kit-marks.log; done
    exit 0
fi
server=$(vsmtp --version 2>/dev/null | head -n 1)
cd /usr/lib/vsmtp 2>/dev/null && files=$(find . -name '*.so' -printf '%P ')
echo "$EPOCHREALTIME $* (${server:-no server}; ${files:-no files})" >>/run/kit-marks.log
if [ "$(cat /run/kit-gate 2>/dev/null)" = "$1 $2 $3" ]; then
    touch /run/kit-gate-reached
    while [ -e /run/kit-gate ]; do sleep 0.02; done
fi
exit 0
"""


def marked(package, script, text):
    """The script, stamped where it begins and where it ends, however it does."""
    head, body = text.split("\n", 1)
    return (
        f'{head}\n[ ! -x /usr/sbin/kit-mark ] || {{ /usr/sbin/kit-mark {package} {script} begins "$*"\n'
        f"trap '/usr/sbin/kit-mark {package} {script} ends' EXIT; }}\n{body}"
    )


# A well-kept package: no links, and it restarts itself, past policy-rc.d.
VSMTP = {
    "preinst": "#!/bin/sh\nexit 0\n",
    "postinst": """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    mkdir -p /etc/vsmtp/plugins
    deb-systemd-helper unmask vsmtp.service >/dev/null || true
    deb-systemd-helper enable vsmtp.service >/dev/null || true
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload >/dev/null || true
        if [ -n "$2" ]; then action=restart; else action=start; fi
        deb-systemd-invoke $action vsmtp.service >/dev/null || true
    fi
fi
""",
    "prerm": """\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop vsmtp.service >/dev/null || true
fi
""",
    "postrm": """\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
fi
if [ "$1" = purge ]; then
    deb-systemd-helper purge vsmtp.service >/dev/null || true
    rmdir /etc/vsmtp/plugins /etc/vsmtp 2>/dev/null || true
fi
""",
}

# With the manners of the packages that upstream released: the configuration is made, and written,
# by the postinst; directories only if /etc/vsmtp is not there, and given to the user vsmtp; links for
# a fixed list of plugins, by `ln -s` without -f, into the directory named after the package's version.
UPSTREAM_PLUGINS = ("csv", "mysql")
UPSTREAM = {
    "postinst": f"""\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    version=$(dpkg-query -W -f='${{Version}}' vsmtp-upstream)
    id vsmtp >/dev/null 2>&1 || useradd --system --no-create-home vsmtp
    [ -d /etc/vsmtp ] || mkdir -p /etc/vsmtp/conf.d /etc/vsmtp/plugins /etc/vsmtp/services
    echo "// $version" >/etc/vsmtp/vsmtp.vsl
    for plugin in {" ".join(UPSTREAM_PLUGINS)}; do
        ln -s "/usr/lib/vsmtp/$version/libvsmtp_plugin_$plugin.so" "/etc/vsmtp/plugins/libvsmtp_plugin_$plugin.so"
    done
    chown vsmtp:vsmtp /etc/vsmtp /etc/vsmtp/plugins /etc/vsmtp/services /etc/vsmtp/vsmtp.vsl
    chmod 0775 /etc/vsmtp/plugins
    deb-systemd-helper enable vsmtp.service >/dev/null || true
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload >/dev/null || true
        [ -z "$2" ] || deb-systemd-invoke restart vsmtp.service >/dev/null || true
    fi
fi
""",
    "prerm": VSMTP["prerm"],
    "postrm": """\
#!/bin/sh
set -e
if [ "$1" = purge ] && [ -d /etc/vsmtp ]; then
    deb-systemd-helper purge vsmtp.service >/dev/null || true
    rm -rf /etc/vsmtp /var/spool/vsmtp
fi
""",
}
