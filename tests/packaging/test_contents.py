# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kit's own packages, .deb and .rpm: what they need to be built, and the documents in them."""

import gzip
import re
from pathlib import Path

import debs
import kit
import pytest
import rpms

import test_rpm

# The packages of both formats, the second for who packages plugins.
DEBS = ("vsmtp-plugind", "dh-vsmtp-plugin")
RPMS = ("vsmtp-plugind", "vsmtp-plugin-rpm-macros")
# What Debian's package is called that a name in the spec asks for.
DEBIAN_NAMES = {
    "dbus-daemon": "dbus-daemon",
    "meson": "meson",
    "pkgconfig(cmocka)": "libcmocka-dev",
    "pkgconfig(libsystemd)": "libsystemd-dev",
    "systemd-rpm-macros": "systemd-dev",
}
# Each has these of itself: a compiler; the helper, and what says where units go.
OWN = {"gcc"}, {"debhelper-compat", "pkgconf"}


def documents(tree, package):
    """{name: text} of what is below the package's directory of documents, compressed or not."""
    (top,) = (p for p in (tree / "usr/share/doc").iterdir() if re.match(rf"{package}(-\d.*)?$", p.name))
    found = {}
    for path in top.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            name = str(path.relative_to(top))
            if name.endswith(".gz"):
                name, data = name.removesuffix(".gz"), gzip.decompress(data)
            found[name] = data.decode()
    return found


@pytest.fixture(scope="module")
def shipped():
    """{(format, package): documents}."""
    found = {}
    debs_at, rpms_at = Path(debs.built_kit()).parent, rpms.built_kit()
    for name in DEBS:
        tree = kit.scratch() / f"deb-documents-{name}"
        kit.run("dpkg-deb", "-x", *debs_at.glob(f"{name}_*.deb"), tree, expect=0)
        found["deb", name] = documents(tree, name)
    for name in RPMS:
        (package,) = rpms_at.glob(f"{name}-[0-9]*.rpm")
        found["rpm", name] = documents(test_rpm.unpack(package, kit.scratch() / f"rpm-documents-{name}"), name)
    return found


def test_no_link_in_a_document_leads_nowhere(shipped):
    dead = []
    for where, texts in shipped.items():
        for name, text in texts.items():
            links = re.findall(r"\]\(([^)#:\s]+)", text) if name.endswith(".md") else []
            dead += [(*where, name, link) for link in links if link not in texts]
    assert dead == []
    assert any("](examples/c-stub/stub.c)" in texts.get("packaging-a-plugin.md", "") for texts in shipped.values())


def test_both_formats_have_the_same_documents(shipped):
    own = {"changelog", "changelog.Debian", "copyright", "README.Debian", "NEWS", "README.rpm"}
    for deb, rpm in zip(DEBS, RPMS):
        assert set(shipped["deb", deb]) - own == set(shipped["rpm", rpm]) - own


def test_what_users_see_of_a_release_is_installed(shipped):
    news = (kit.SOURCE / "NEWS").read_text()
    assert [shipped["deb", name].get("changelog") for name in DEBS] == [news, news]
    assert shipped["rpm", RPMS[0]]["NEWS"] == news


def test_directories_made_at_boot_belong_to_the_rpm_package():
    (package,) = rpms.built_kit().glob("vsmtp-plugind-[0-9]*.rpm")
    lines = test_rpm.query(package, "--qf", "[%{FILENAMES} %{FILEFLAGS:fflags} %{FILEMODES:perms}\n]")
    ghosts = {line.split()[0] for line in lines if re.search(r" g drwx", line)}
    assert ghosts == set(re.findall(r"^d (\S+)", (kit.SOURCE / "tmpfiles.d/vsmtp-plugind.conf").read_text(), re.M))


def test_both_formats_need_the_same_to_be_built():
    """That it is enough is shown for Debian alone, by tests/gates/build."""
    spec = re.findall(r"^BuildRequires: +(\S+)", test_rpm.RPM.joinpath("vsmtp-plugind.spec").read_text(), re.M)
    control = re.search(r"^Build-Depends:\n((?: .*\n)*)", (kit.SOURCE / "debian/control").read_text(), re.M)[1]
    of_rpm, of_deb = set(spec) - OWN[0], {line.split()[0].rstrip(",") for line in control.splitlines()} - OWN[1]
    assert {DEBIAN_NAMES.get(name, name) for name in of_rpm} == of_deb
