# SPDX-License-Identifier: LGPL-2.1-or-later
"""rpm's macros and dependency generator from the source tree, over the table of cases."""

import difflib
import re
from pathlib import Path

import cases
import kit
import pytest

import test_dh

RPM = kit.SOURCE / "rpm"
ALL = cases.load()
SPEC = """\
Name: kit-case
Version: {version}
Release: 1
Summary: A case
License: LGPL-2.1-or-later
{globals}
%description
A case of the tests.
%install
cd {source}
{lines}
%files
%{{vsmtp_plugindir}}/*
"""


def macro(name):
    return kit.run("rpm", "-E", name, expect=0).out.strip()


def attributes(where):
    """rpm before 4.20 takes dependency generators from one directory only: the system's, and ours."""
    if not where.exists():
        where.mkdir()
        for path in [*Path(macro("%{_fileattrsdir}")).glob("*.attr"), RPM / "vsmtp_plugin.attr"]:
            (where / path.name).symlink_to(path)
    return where


class Spec:
    def __init__(self, path, version="9.9.9", **settings):
        self.path = path
        self.source = path / "source"
        self.source.mkdir(parents=True)
        self.version = version
        self.settings = "\n".join(f"%global {key} {value}" for key, value in settings.items())

    def build(self, files):
        """rpmbuild's end; .package is what it made. files: [(FILE, NAME or None)]."""
        lines = "\n".join(f"%vsmtp_plugin_install {file} {name or ''}" for file, name in files)
        spec = self.path / "kit-case.spec"
        spec.write_text(
            SPEC.format(version=self.version, globals=self.settings, source=self.source, lines=lines)
        )
        env = kit.environment(
            HOME="/root",
            VSMTP_PLUGIN_INSTALL=test_dh.INSTALLER,
            VSMTP_PLUGINCTL=kit.program("vsmtp-pluginctl"),
        )
        done = kit.run(
            *("rpmbuild", "-bb", "--load", RPM / "macros.vsmtp-plugin", "--load", RPM / "vsmtp_plugin.attr"),
            *("--define", f"_topdir {self.path / 'top'}"),
            *("--define", f"_fileattrsdir {attributes(kit.scratch() / 'fileattrs')}"),
            *("--define", f"__vsmtp_plugin_install {test_dh.INSTALLER}"),
            *("--define", f"__vsmtp_plugin_provides {RPM / 'vsmtp_plugin.sh'} provides"),
            *("--define", f"__vsmtp_plugin_requires {RPM / 'vsmtp_plugin.sh'} requires"),
            *("--define", f"__vsmtp_plugin_orderwithrequires {RPM / 'vsmtp_plugin.sh'} order"),
            spec,
            env=env,
        )
        found = list((self.path / "top/RPMS").rglob("*.rpm"))
        assert len(found) <= 1, found
        self.package = found[0] if found else None
        return done


def query(package, *options):
    return kit.run("rpm", "-qp", *options, package, expect=0).out.splitlines()


def declares(package):
    """The package's relations in neutral form."""
    found = set()
    for option, word in (("--requires", "requires"), ("--provides", "provides")):
        for line in query(package, option):
            for relation in line.strip("()").split(" with "):
                if relation.startswith("vsmtp"):
                    found.add(f"{word} {relation}")
    return sorted(found)


def unpack(package, where):
    where.mkdir()
    kit.run("/bin/sh", "-c", f"rpm2cpio {package} | cpio -idm --quiet", cwd=where, expect=0)
    return where


def build_case(case, path):
    spec = Spec(path, vsmtp_version=case.version, vsmtp_layout=case.layout)
    case.put_files(spec.source)
    return spec, spec.build([(file, name) for _, file, name in case.files])


@pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
def test_case(tmp_path, case):
    spec, done = build_case(case, tmp_path / "case")
    if case.error:
        assert done.code != 0 and spec.package is None
        case.check_error(done.out + done.err)
        return
    assert done.code == 0, done
    found = query(spec.package, "-l", "--qf", "[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME}\n]")
    files = sorted(tuple(line.split()) for line in found if line.endswith("root") and ".so " in line)
    assert files == [(path, "-rwxr-xr-x", "root") for path in case.paths]
    assert declares(spec.package) == case.declares
    assert [line for line in query(spec.package, "--provides") if ".so" in line] == [], "nobody links with a plugin"
    assert set(query(spec.package, "--qf", "[%{ORDERNAME}\n]")) == {"vsmtp-plugind"}
    tree = unpack(spec.package, tmp_path / "tree")
    for path in case.paths:
        version = re.search(r"\d+\.\d+\.\d+(-rc\.\d+)?", path)[0]
        cases.check_note(tree / path.lstrip("/"), version)


@pytest.mark.parametrize(
    "files, settings, said",
    [
        ([("", None)], {}, "error: FILE: missing: "),
        ([("a.so", "a")], {"vsmtp_layout": "flat"}, "error: --layout=flat: not a layout; cure: say versioned-name or"),
        ([("a", "a.so")], {}, "; cure: FILE comes first: a.so a"),
        ([("a.so", "a")], {"vsmtp_version": "1.0"}, '"1.0" (vsmtp_version, which is the Version'),
    ],
)
def test_errors_tell_a_packager_what_to_write(tmp_path, files, settings, said):
    spec = Spec(tmp_path / "case", **settings)
    (spec.source / "a.so").write_bytes(cases.contents("good"))
    done = spec.build(files)
    assert done.code != 0
    (line,) = [line for line in (done.out + done.err).splitlines() if "vsmtp-plugin-install: error: " in line]
    assert said in line and "; cure: " in line


def test_both_formats_declare_the_same(tmp_path):
    """All good cases, built as either: the difference of what they declare is empty."""
    said = {"rpm": [], "deb": []}
    for case in ALL:
        if case.error:
            continue
        spec, done = build_case(case, tmp_path / f"rpm-{case.name}")
        assert done.code == 0, done
        source = test_dh.Source(tmp_path / f"deb-{case.name}")
        case.put_files(source.path)
        source.write("vsmtp-plugins", "".join(f"{file} {name or ''}\n" for _, file, name in case.files))
        done = source.install(f"--vsmtp-version={case.version}", f"--layout={case.layout}")
        assert done.code == 0, done
        for kind, words in (("rpm", declares(spec.package)), ("deb", source.declares())):
            said[kind] += [f"{case.name}: {relation}" for relation in words]
    assert len(said["rpm"]) >= 3 * 8
    assert list(difflib.unified_diff(said["deb"], said["rpm"], "deb", "rpm", n=0)) == []


@pytest.mark.parametrize("version, wanted", [("2.2.1", "2.2.1"), ("2.3.0~rc.1", "2.3.0-rc.1")])
def test_without_more_words_the_version_is_the_package_s(tmp_path, version, wanted):
    spec = Spec(tmp_path / "case", version=version)
    (spec.source / "libvsmtp_plugin_a.so").write_bytes(cases.contents("good"))
    done = spec.build([("libvsmtp_plugin_a.so", None)])
    assert done.code == 0, done
    assert query(spec.package, "-l")[-1] == f"/usr/lib/vsmtp/libvsmtp-plugin-a-{wanted}.so"


def test_other_files_of_the_store_declare_nothing(tmp_path):
    spec = Spec(tmp_path / "case", version="1.0.0")
    (spec.source / "libvsmtp_plugin_a.so").write_bytes(cases.contents("good"))
    spec.settings += "\n%global more install -D -m 0644 /dev/null %{buildroot}%{vsmtp_plugindir}/my.so"
    done = spec.build([("libvsmtp_plugin_a.so\n%more", None)])
    assert done.code == 0, done
    assert any(line.endswith("/my.so") for line in query(spec.package, "-l"))
    assert declares(spec.package)[0] == "provides vsmtp-plugin-a = 1.0.0" and len(declares(spec.package)) == 3


@pytest.mark.parametrize(
    "version, inside",
    [
        ("2.2.1", ("2.2.1", "2.2.1-1", "2.2.1-0.fc40", "2.2.1-99.el9")),
        ("2.3.0~rc.1", ("2.3.0~rc.1-1",)),
    ],
)
def test_the_rich_requirement_admits_just_one_vsmtp(version, inside):
    """What the pair means to rpm, for versions that a vsmtp package may have."""
    every = ("2.2.0-1", "2.2.1~rc.1-1", "2.2.2-1", "2.2.10-1", "2.3.0~rc.1-1", "2.3.0~rc.10-1", "2.3.0~rc.2-1", "2.3.0-1")
    for candidate in {*inside, *every}:
        from_it, below = (
            int(macro(f"%{{lua: print(rpm.vercmp('{candidate.split('-')[0]}', '{bound}'))}}"))
            for bound in (version, f"{version}.0~")
        )
        assert (from_it >= 0 and below < 0) == (candidate in inside), candidate
