# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian packages for the end-to-end tests: the kit's own, built by its debian/, and stand-ins for
vSMTP and its plugins, made by dpkg-deb alone.

A release is a directory with an apt repository: the kit, and vsmtp and its plugins of one version.
Versions are given as SemVer; packages carry them in Debian's form (2.0.1-rc.1 is 2.0.1~rc.1-1).
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import harness
import kit

from standins import UPSTREAM, UPSTREAM_PLUGINS, VSMTP, marked

UNITS = "lib/systemd/system"
PLUGINS = {"a": "A", "b": "B", "c": "A"}  # name: layout
FILLERS = 200


def architecture():
    return kit.run("dpkg", "--print-architecture", expect=0).out.strip()


def package_form(version):
    return version.replace("-", "~", 1)


def store_file(name, version):
    """Where a plugin of PLUGINS lies."""
    if PLUGINS[name] == "A":
        return f"/usr/lib/vsmtp/libvsmtp-plugin-{name}-{version}.so"
    return f"/usr/lib/vsmtp/{version}/libvsmtp_plugin_{name}.so"


def link_name(name):
    return f"vsmtp-plugin-{name}.so" if PLUGINS[name] == "A" else f"libvsmtp_plugin_{name}.so"


def links(version, names="ab"):
    """The links that should be there for these plugins."""
    return {link_name(name): store_file(name, version) for name in names}


def build(out, name, version, files, relations=None, scripts=None, conffiles=()):
    """One package by dpkg-deb. files: {path: (bytes, mode)}; relations: {field: text}."""
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
    control += [f"{field}: {text}" for field, text in (relations or {}).items()]
    (tree / "DEBIAN/control").write_text("\n".join(control) + "\n")
    for script, text in (scripts or {}).items():
        (tree / "DEBIAN" / script).write_text(marked(name, script, text))
        (tree / "DEBIAN" / script).chmod(0o755)
    if conffiles:
        (tree / "DEBIAN/conffiles").write_text("".join(f"/{c}\n" for c in conffiles))
    kit.run("dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "--build", str(tree), str(out), expect=0)
    shutil.rmtree(tree)


def vsmtp(out, version):
    files = {
        "usr/sbin/vsmtp": (kit.server_program(version).read_bytes(), 0o755),
        f"{UNITS}/vsmtp.service": (harness.UNIT.encode(), 0o644),
        "etc/vsmtp/vsmtp.vsl": (b"// stand-in\n", 0o644),
    }
    conffiles = ["etc/vsmtp/vsmtp.vsl"]
    build(out, "vsmtp", f"{package_form(version)}-1", files, scripts=VSMTP, conffiles=conffiles)


def vsmtp_upstream(out, version):
    """All in one package, without a Debian revision."""
    files = {
        "usr/sbin/vsmtp": (kit.server_program(version).read_bytes(), 0o755),
        f"{UNITS}/vsmtp.service": (harness.UNIT.encode(), 0o644),
    }
    for name in UPSTREAM_PLUGINS:
        data = kit.plugin_bytes(tag=name, built_for=version)
        files[f"usr/lib/vsmtp/{version}/libvsmtp_plugin_{name}.so"] = (data, 0o644)
    relations = {"Provides": "vsmtp", "Conflicts": "vsmtp"}
    build(out, "vsmtp-upstream", package_form(version), files, relations, UPSTREAM)


def plugin(out, name, version, revision=1, tag=None):
    """Depends on just this vSMTP, whatever its revision."""
    data = kit.plugin_bytes(tag=tag or name, built_for=version)
    files = {store_file(name, version).lstrip("/"): (data, 0o644)}
    form = package_form(version)
    relations = {"Depends": f"vsmtp (>= {form}), vsmtp (<< {form}.0~)"}
    build(out, f"vsmtp-plugin-{name}", f"{form}-{revision}", files, relations)


def fillers(out, version):
    """Packages that are nothing but many."""
    for i in range(FILLERS):
        files = {f"usr/share/kit-filler/{i}": (version.encode(), 0o644)}
        build(out, f"kit-filler-{i}", f"{package_form(version)}-1", files)


def gate(out):
    """A package whose script can be stopped in (see standins.MARK)."""
    build(out, "kit-gate", "1", {}, scripts={"preinst": "#!/bin/sh\nexit 0\n"})


def built_kit():
    """The kit as debian/ builds it; KIT_DEBS names a directory where that has been done already."""
    ready = os.environ.get("KIT_DEBS")
    if not ready:
        ready = kit.scratch() / "debs"
        if not ready.exists():
            env = kit.environment(DEB_BUILD_OPTIONS="nocheck", HOME="/root")
            kit.run(kit.SOURCE / "scripts/package-deb", ready, env=env, timeout=600, expect=0)
    found = [p for p in Path(ready).glob("vsmtp-plugind_*.deb")]
    assert len(found) == 1, f"{ready}: {found}"
    return found[0]


def kit_packages(out):
    shutil.copy(built_kit(), out)


def next_kit(out):
    """The same kit as a later version."""
    tree = kit.scratch() / "next-kit"
    shutil.rmtree(tree, ignore_errors=True)
    kit.run("dpkg-deb", "-R", built_kit(), tree, expect=0)
    control = tree / "DEBIAN/control"
    lines = control.read_text().splitlines()
    control.write_text("".join(f"{x}+next\n" if x.startswith("Version:") else f"{x}\n" for x in lines))
    kit.run("dpkg-deb", "-Zgzip", "--root-owner-group", "--build", tree, out, expect=0)


def index(directory):
    """What apt needs of a repository. The file Release is for unattended-upgrade(8): it goes by origin."""
    directory = Path(directory)
    packages = subprocess.run(
        ["dpkg-scanpackages", "--multiversion", "."],
        cwd=directory, check=True, capture_output=True,
    ).stdout
    (directory / "Packages").write_bytes(packages)
    (directory / "Release").write_text(
        "Origin: kit\nLabel: kit\nSuite: stable\nCodename: kit\n"
        "Date: Sat, 01 Jan 2022 00:00:00 UTC\nSHA256:\n"
        f" {hashlib.sha256(packages).hexdigest()} {len(packages)} Packages\n"
    )


def release(directory, version, plugins=tuple(PLUGINS)):
    """The kit, vSMTP of that version, and its plugins."""
    directory.mkdir(parents=True)
    kit_packages(directory)
    vsmtp(directory, version)
    for name in plugins:
        plugin(directory, name, version)
    return directory


def all_releases(top):
    """Every release but the one with fillers, by name."""
    for version in ("1.0.0", "1.1.0", "2.0.1-rc.1"):
        release(top / package_form(version), version)
    more = top / "rebuilt"
    more.mkdir()
    plugin(more, "a", "1.0.0", revision=2, tag="another build")
    plugin(more, "b", "1.0.0", revision=2)
    # A new vSMTP whose plugins are not there yet.
    release(top / "only-vsmtp", "1.1.0", plugins=())
    later = top / "later-kit"
    later.mkdir()
    next_kit(later)
    for version in ("1.0.0", "1.1.0"):
        upstream = top / f"upstream-{version}"
        upstream.mkdir()
        kit_packages(upstream)
        vsmtp_upstream(upstream, version)
    gate(top / "1.1.0")
    for directory in top.iterdir():
        index(directory)
