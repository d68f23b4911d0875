# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian packages for the end-to-end tests: the kit's own, built by its debian/, and stand-ins for
vSMTP and its plugins, made by dpkg-deb alone.

A release is a directory with an apt repository: the kit, and vsmtp and its plugins of one version.
"""

import os
import shutil
import subprocess
from pathlib import Path

import harness
import kit

UNITS = "lib/systemd/system"

# A well-kept package: no links, and it restarts itself, past policy-rc.d.
VSMTP_POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    mkdir -p /etc/vsmtp/plugins
    deb-systemd-helper enable vsmtp.service >/dev/null || true
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload >/dev/null || true
        if [ -n "$2" ]; then action=restart; else action=start; fi
        deb-systemd-invoke $action vsmtp.service >/dev/null || true
    fi
fi
"""
VSMTP_PRERM = """\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop vsmtp.service >/dev/null || true
fi
"""
VSMTP_POSTRM = """\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
fi
if [ "$1" = purge ]; then
    deb-systemd-helper purge vsmtp.service >/dev/null || true
    rmdir /etc/vsmtp/plugins /etc/vsmtp 2>/dev/null || true
fi
"""


def architecture():
    return kit.run("dpkg", "--print-architecture", expect=0).out.strip()


def build(out, name, version, files, depends="", scripts=None, conffiles=()):
    """One package by dpkg-deb. files: {path: (bytes, mode)}."""
    tree = kit.scratch() / f"deb-{name}-{version}"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "DEBIAN").mkdir(parents=True)
    for path, (data, mode) in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(data)
        (tree / path).chmod(mode)
    for where, dirs, _ in os.walk(tree):
        for entry in dirs:
            os.chmod(os.path.join(where, entry), 0o755)
    control = [f"Package: {name}", f"Version: {version}", f"Architecture: {architecture()}"]
    control += ["Maintainer: nobody <nobody@vsmtp-plugind.invalid>", f"Description: stand-in of {name}"]
    control += [f"Depends: {depends}"] if depends else []
    (tree / "DEBIAN/control").write_text("\n".join(control) + "\n")
    for script, text in (scripts or {}).items():
        (tree / "DEBIAN" / script).write_text(text)
        (tree / "DEBIAN" / script).chmod(0o755)
    if conffiles:
        (tree / "DEBIAN/conffiles").write_text("".join(f"/{c}\n" for c in conffiles))
    kit.run("dpkg-deb", "--root-owner-group", "--build", str(tree), str(out), expect=0)
    shutil.rmtree(tree)


def vsmtp(out, version):
    files = {
        "usr/sbin/vsmtp": (kit.server_program(version).read_bytes(), 0o755),
        f"{UNITS}/vsmtp.service": (harness.UNIT.encode(), 0o644),
        "etc/vsmtp/vsmtp.vsl": (b"// stand-in\n", 0o644),
    }
    scripts = {"postinst": VSMTP_POSTINST, "prerm": VSMTP_PRERM, "postrm": VSMTP_POSTRM}
    build(out, "vsmtp", f"{version}-1", files, scripts=scripts, conffiles=["etc/vsmtp/vsmtp.vsl"])


def plugin(out, name, version, layout, revision=1, tag=None):
    """Depends on just this vSMTP, whatever its revision."""
    file = {
        "A": f"usr/lib/vsmtp/libvsmtp-plugin-{name}-{version}.so",
        "B": f"usr/lib/vsmtp/{version}/libvsmtp_plugin_{name}.so",
    }[layout]
    data = kit.plugin_bytes(tag=tag or name, built_for=version)
    depends = f"vsmtp (>= {version}), vsmtp (<< {version}.0~)"
    build(out, f"vsmtp-plugin-{name}", f"{version}-{revision}", {file: (data, 0o644)}, depends)


def kit_packages(out):
    """The kit itself; KIT_DEBS names a directory where it has been built already."""
    ready = os.environ.get("KIT_DEBS")
    if not ready:
        ready = kit.scratch() / "debs"
        env = kit.environment(DEB_BUILD_OPTIONS="nocheck", HOME="/root")
        kit.run(kit.SOURCE / "scripts/package-deb", ready, env=env, timeout=600, expect=0)
    found = [p for p in Path(ready).glob("vsmtp-plugind_*.deb")]
    assert len(found) == 1, f"{ready}: {found}"
    shutil.copy(found[0], out)


def index(directory):
    """What apt needs of a repository: the file Packages alone."""
    text = subprocess.run(
        ["dpkg-scanpackages", "--multiversion", "."],
        cwd=directory, check=True, capture_output=True, text=True,
    ).stdout
    (Path(directory) / "Packages").write_text(text)


def release(directory, version):
    directory.mkdir(parents=True)
    kit_packages(directory)
    vsmtp(directory, version)
    plugin(directory, "a", version, "A")
    plugin(directory, "b", version, "B")
    index(directory)
