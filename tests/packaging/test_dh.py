# SPDX-License-Identifier: LGPL-2.1-or-later
"""dh_vsmtp_plugin from the source tree, over the table of cases and on its own."""

import os
import shutil
import subprocess

import cases
import kit
import pytest

HELPER = kit.SOURCE / "scripts/debhelper/dh_vsmtp_plugin"
INSTALLER = kit.SOURCE / "scripts/vsmtp-plugin-install"
ALL = cases.load()

CONTROL = """\
Source: kit-case
Section: mail
Priority: optional
Maintainer: nobody <nobody@vsmtp-plugind.invalid>
Standards-Version: 4.6.2
Build-Depends: {build_depends}

Package: kit-case
Architecture: any
Depends: {depends}
Provides: ${{vsmtp:Provides}}
Description: a case
 Of the tests.
"""
CHANGELOG = """\
kit-case ({version}) unstable; urgency=low

  * A case.

 -- nobody <nobody@vsmtp-plugind.invalid>  Sun, 22 Nov 2026 00:00:00 +0000
"""


# In place of that of a cross toolchain: hides the foreign machine from the one that is here.
OBJCOPY = """\
#!/usr/bin/python3
import os, subprocess, sys
def machine(path, code):
    with open(path, "r+b") as file:
        file.seek(18)
        before = file.read(2)
        file.seek(18)
        file.write(code)
    return before
file, = [a for a in sys.argv[1:] if os.path.isfile(a) and open(a, "rb").read(4) == b"\x7fELF"]
before = machine(file, open("/bin/sh", "rb").read(20)[18:])
status = subprocess.run(["objcopy", *sys.argv[1:]]).returncode
machine(file, before)
sys.exit(status)
"""


class Source:
    """A source package without any code: what is built lies there already."""

    def __init__(self, path, version="9.9.9-1", more="", build_depends="", depends="${vsmtp:Depends}"):
        self.path = path
        (path / "debian").mkdir(parents=True)
        build_depends = ", ".join(filter(None, ["debhelper-compat (= 13)", build_depends]))
        self.write("control", CONTROL.format(build_depends=build_depends, depends=depends) + more)
        self.write("changelog", CHANGELOG.format(version=version))

    def write(self, name, text):
        (self.path / "debian" / name).write_text(text)

    def put(self, file, kind="good"):
        path = self.path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cases.contents(kind, tag=file))

    def run(self, *argv, **environment):
        tools = kit.scratch() / "tools"
        tools.mkdir(exist_ok=True)
        if not (tools / "vsmtp-pluginctl").exists():
            (tools / "vsmtp-pluginctl").symlink_to(kit.program("vsmtp-pluginctl"))
        env = kit.environment(
            VSMTP_PLUGIN_INSTALL=INSTALLER, HOME="/root", **environment
        )
        env["PATH"] = f"{tools}:{env['PATH']}"
        return kit.run(*argv, cwd=self.path, env=env)

    def install(self, *options, **environment):
        return self.run("perl", HELPER, *options, **environment)

    def files(self, package="kit-case"):
        root = self.path / "debian" / package
        return sorted("/" + str(p.relative_to(root)) for p in root.rglob("*.so"))

    def declares(self, package="kit-case"):
        """As the package's control file says it, once dh_gencontrol has written that."""
        done = self.run("dh_gencontrol", f"-p{package}")
        assert done.code == 0, done
        text = (self.path / "debian" / package / "DEBIAN/control").read_text()
        fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line and line[0] != " ")
        return cases.neutral_deb(fields)


def one_error(done, start):
    assert done.code != 0, done
    lines = [line for line in done.err.splitlines() if "error: " in line]
    assert len(lines) == 1 and f"error: {start}" in lines[0] and "; cure: " in lines[0], done
    return lines[0]


@pytest.fixture
def source(tmp_path):
    return Source(tmp_path / "source")


@pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
def test_case(source, case):
    case.put_files(source.path)
    source.write("vsmtp-plugins", "".join(f"{file} {name or ''}\n" for _, file, name in case.files))
    options = [f"--vsmtp-version={case.version}"] + [f"--layout={case.layout}"]
    done = source.install(*options)
    if case.error:
        assert done.code != 0
        case.check_error(done.out + done.err)
        return
    assert done.code == 0, done
    assert source.files() == case.paths
    assert source.declares() == case.declares
    for path in case.paths:
        installed = source.path / "debian/kit-case" / path.lstrip("/")
        assert installed.stat().st_mode & 0o7777 == 0o644
        cases.check_note(installed, case.declares[-1].split()[-1].replace("~", "-"))


@pytest.mark.parametrize(
    "build_depends, version, options, wanted",
    [
        ("vsmtp-dev (= 2.2.1-3), vsmtp (>= 1.0.0)", "9.9.9-1", (), "2.2.1"),
        ("vsmtp (>= 2.0.0), vsmtp (= 2.2.1)", "9.9.9-1", (), "2.2.1"),
        ("vsmtp (= 1:2.2.1~rc.1-1) <!nocheck> | other", "9.9.9-1", (), "2.2.1-rc.1"),
        ("vsmtp (>= 2.2.0~) <!nocheck> | other", "2.2.1-1", (), "2.2.1"),
        ("vsmtp (<< 3)", "1:2.2.1+dfsg-1~bpo12+1", (), "2.2.1"),
        ("", "2.2.1~rc.1", (), "2.2.1-rc.1"),
        ("vsmtp-dev (= 2.2.1-3)", "9.9.9-1", ("--vsmtp-version=1.0.0",), "1.0.0"),
    ],
)
def test_where_the_version_comes_from(tmp_path, build_depends, version, options, wanted):
    source = Source(tmp_path / "source", version, build_depends=build_depends)
    source.put("target/release/libvsmtp_plugin_a.so")
    done = source.install(*options)
    assert done.code == 0, done
    assert f"dh_vsmtp_plugin: for vSMTP {wanted}" in done.out.replace("+dfsg", "")
    assert source.files() == [f"/usr/lib/vsmtp/libvsmtp-plugin-a-{wanted}.so"]


# As if that vSMTP were installed; nothing else is asked here.
DPKG_QUERY = """\
#!/bin/sh
case "$*" in
*" vsmtp") echo "installed {version}" ;;
*) exit 1 ;;
esac
"""
SAYS = "--vsmtp-version=2.2.1 or --vsmtp-version=2.2.2 for dh_vsmtp_plugin in debian/rules"


@pytest.mark.parametrize(
    "build_depends, version, installed, wanted, said",
    [
        ("", "2.2.1-1", "2.2.2-1", None, "error: debian/changelog: version-conflict: it says 2.2.1"),
        ("", "2.2.1-1", "2.2.1+dfsg-7", "2.2.1", None),
        ("", "1.0-1", "2.2.2-1", "2.2.2", None),
        ("vsmtp", "2.2.1-1", "2.2.2-1", "2.2.2", "warning: debian/changelog says 2.2.1, the installed package vsmtp is"),
        ("vsmtp (>= 2.0.0)", "2.2.2-1", "2.2.2-1", "2.2.2", None),
        ("vsmtp (>= 2.3.0)", "2.2.2-1", "2.2.2-1", "2.2.2", "says 2.3.0 (a minimum), the installed package vsmtp is"),
        ("vsmtp (>= 2.3.0)", "9.9.9-1", None, "9.9.9", "says 2.3.0 (a minimum), the version of this package is 9.9.9"),
        ("vsmtp (= 2.2.1)", "9.9.9-1", "2.2.2-1", "2.2.1", "warning: the installed package vsmtp says 2.2.2, vsmtp (= 2"),
    ],
)
def test_versions_that_disagree_are_told_of(tmp_path, build_depends, version, installed, wanted, said):
    source = Source(tmp_path / "source", version, build_depends=build_depends)
    source.put("target/release/libvsmtp_plugin_a.so")
    query = tmp_path / "bin/dpkg-query"
    query.parent.mkdir()
    query.write_text(DPKG_QUERY.format(version=installed) if installed else "#!/bin/sh\nexit 1\n")
    query.chmod(0o755)
    done = source.install(PATH=f"{query.parent}:{os.environ['PATH']}")
    if wanted:
        assert done.code == 0, done
        assert source.files() == [f"/usr/lib/vsmtp/libvsmtp-plugin-a-{wanted}.so"]
    else:
        assert SAYS in one_error(done, "debian/changelog: version-conflict: ")
        assert source.files() == []
    assert ("warning: " in done.err) == bool(said and wanted), done.err
    assert not said or (said in done.err and "cure: --vsmtp-version=" in done.err), done.err


@pytest.mark.parametrize(
    "file",
    [
        "target/release/libvsmtp_plugin_my_sql.so",
        "target/x86_64-unknown-linux-gnu/release/libvsmtp_plugin_my_sql.so",
        "debian/tmp/usr/lib/x86_64-linux-gnu/vsmtp/libvsmtp_plugin_my_sql.so",
        "debian/kit-case/usr/lib/x86_64-linux-gnu/libvsmtp_plugin_my_sql.so",
        "debian/kit-case/usr/lib/vsmtp/libvsmtp-plugin-my_sql-1.0.0.so",
        "libvsmtp-plugin-my_sql.so",
        "obj-x86_64-linux-gnu/src/libvsmtp-plugin-my_sql.so",
    ],
)
def test_what_is_built_at_a_usual_place_is_found(source, file):
    source.put(file)
    source.put("target/release/deps/libvsmtp_plugin_my_sql.so")
    source.put("target/release/libother.so")
    done = source.install("--vsmtp-version=1.0.0")
    assert done.code == 0, done
    assert source.files() == ["/usr/lib/vsmtp/libvsmtp-plugin-my_sql-1.0.0.so"]


def test_a_bad_file_that_was_installed_already_is_called_by_its_own_name(source):
    source.put("debian/kit-case/usr/lib/libvsmtp_plugin_a.so", "no-entry")
    one_error(source.install("--vsmtp-version=1.0.0"), "debian/kit-case/usr/lib/libvsmtp_plugin_a.so: no-entry-point: ")


def test_nothing_built_is_an_error(source):
    one_error(source.install("--vsmtp-version=1.0.0"), "debian/vsmtp-plugins: missing: ")


@pytest.mark.parametrize("name", ["vsmtp-plugin", "kit-cese.vsmtp-plugins"])
def test_a_misnamed_list_is_told_of(source, name):
    source.put("a.so")
    source.write(name, "a.so a\n")
    source.write("vsmtp-plugin-a.install", "other usr/lib\n")
    done = source.install("--vsmtp-version=1.0.0")
    assert f"debian/{name} is no package's list" in one_error(done, "debian/vsmtp-plugins: missing: ")
    assert done.err.count("warning: ") == 1 and f"warning: debian/{name}: no package's list" in done.err


def test_what_is_missing_is_named_with_its_line(source):
    source.put("a.so")
    source.write("vsmtp-plugins", "# two\na.so  a\nb.so  bee\n")
    said = one_error(source.install("--vsmtp-version=1.0.0"), "b.so: missing: line 3 of debian/vsmtp-plugins ")
    assert "debian/tmp" in said and "debian/kit-case" in said
    source.write("vsmtp-plugins", "a  a.so\n")
    said = one_error(source.install("--vsmtp-version=1.0.0"), "a: missing: line 1 of debian/vsmtp-plugins ")
    assert said.endswith("; cure: FILE comes first: a.so a")


@pytest.mark.parametrize(
    "code, said",
    [
        ("static int __attribute__((used)) module_entrypoint(void) { return 0; }", "module_entrypoint: local or hidden"),
        ("int _Z17module_entrypointv(void) { return 0; }", "_Z17module_entrypointv: a mangled name"),
        ("int module_entrypoint = 1;", "module_entrypoint: data, not a function"),
        ("int module_entry_point(void) { return 0; }", "module_entry_point: another name"),
        ("int other(void) { return 0; }", None),
    ],
)
def test_a_symbol_that_was_meant_as_entry_point_is_named(source, code, said):
    (source.path / "a.c").write_text(code + "\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "a.so", "a.c"], cwd=source.path, check=True)
    source.write("vsmtp-plugins", "a.so a\n")
    line = one_error(source.install("--vsmtp-version=1.0.0"), "a.so: no-entry-point: ")
    assert "; cure: export module_entrypoint as extern \"C\"" in line
    assert (f" (it has {said}); " in line) if said else (" (it has" not in line)


def test_errors_tell_a_packager_what_to_write(source):
    source.put("a.so", "noted=1.1.0")
    source.write("vsmtp-plugins", "a.so a\n")
    line = one_error(source.install("--vsmtp-version=1.0.0"), "a.so: version-conflict: its note (.note.vsmtp) says 1.1.0")
    assert "; cure: rebuild it for 1.0.0" in line and "its name says" not in line
    line = one_error(source.install("--vsmtp-version=1.0"), "a.so: version-not-understood: ")
    assert '"1.0" (from --vsmtp-version) ' in line
    source.write("vsmtp-plugins", "a.so a.b\n")
    line = one_error(source.install("--vsmtp-version=1.0.0"), "a.so: name-not-understood: ")
    assert '"a.b" is no NAME' in line and "letters, digits, - and _" in line


def test_two_that_may_be_one_plugin_are_not_guessed_at(source):
    source.put("target/release/libvsmtp_plugin_my_sql.so")
    source.put("target/release/libvsmtp-plugin-my-sql.so")
    one_error(source.install("--vsmtp-version=1.0.0"), "target/release/libvsmtp_plugin_my_sql.so: ambiguous: ")


def test_wildcards_comments_and_debian_tmp(source):
    source.put("debian/tmp/usr/lib/vsmtp/libvsmtp_plugin_a.so")
    source.put("out/libvsmtp_plugin_b.so")
    source.write("vsmtp-plugins", "# both\nusr/lib/vsmtp/*.so\n\nout/*_b.so bee\n")
    done = source.install("--vsmtp-version=1.0.0")
    assert done.code == 0, done
    assert source.files() == [f"/usr/lib/vsmtp/libvsmtp-plugin-{n}-1.0.0.so" for n in ("a", "bee")]


def test_several_packages_each_with_its_plugin(tmp_path):
    more = (
        "\nPackage: kit-other\nArchitecture: any\nDepends: ${vsmtp:Depends}\nProvides: ${vsmtp:Provides}\n"
        "Description: another case\n Of the tests.\n\nPackage: kit-doc\nArchitecture: all\nDescription: none\n None.\n"
    )
    source = Source(tmp_path / "source", more=more)
    source.put("a.so")
    source.put("b.so")
    source.write("kit-case.vsmtp-plugins", "a.so a\n")
    source.write("kit-other.vsmtp-plugins", "b.so b\n")
    done = source.install("--vsmtp-version=1.0.0")
    assert done.code == 0, done
    assert source.files() == ["/usr/lib/vsmtp/libvsmtp-plugin-a-1.0.0.so"]
    assert source.files("kit-other") == ["/usr/lib/vsmtp/libvsmtp-plugin-b-1.0.0.so"]
    assert "provides vsmtp-plugin-b = 1.0.0" in source.declares("kit-other")
    assert not (source.path / "debian/kit-doc").exists()
    assert source.install("--vsmtp-version=1.0.0", "-i").code == 0


def test_an_unprefixed_list_belongs_to_the_first_package(tmp_path):
    more = (
        "\nPackage: kit-other\nArchitecture: any\nDepends: ${vsmtp:Depends}\nProvides: ${vsmtp:Provides}\n"
        "Description: another case\n Of the tests.\n"
    )
    source = Source(tmp_path / "source", more=more, depends="${misc:Depends}")
    source.put("a.so")
    source.write("vsmtp-plugins", "a.so a\n")
    line = one_error(source.install("--vsmtp-version=1.0.0"), "debian/control: no-depends: package kit-case ")
    assert "debian/PACKAGE.vsmtp-plugins, not in debian/vsmtp-plugins" in line


def test_run_again_declares_the_last_version_only(source):
    source.put("target/release/libvsmtp_plugin_a.so")
    assert source.install("--vsmtp-version=1.0.0").code == 0
    shutil.rmtree(source.path / "debian/kit-case")
    assert source.install("--vsmtp-version=1.1.0").code == 0
    assert source.declares() == [
        "provides vsmtp-plugin-a = 1.1.0",
        "requires vsmtp < 1.1.0.0~",
        "requires vsmtp >= 1.1.0",
    ]


def test_a_package_that_forgets_the_dependency_is_not_built(tmp_path):
    source = Source(tmp_path / "source", depends="${misc:Depends}")
    source.put("target/release/libvsmtp_plugin_a.so")
    said = one_error(source.install("--vsmtp-version=1.0.0"), "debian/control: no-depends: ")
    assert "${vsmtp:Depends}" in said


def test_unknown_layout(source):
    source.put("target/release/libvsmtp_plugin_a.so")
    one_error(source.install("--layout=flat"), "--layout=flat: not a layout; cure: say versioned-name or versioned-dir")


@pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
def test_cross_building_judges_alike_for_the_other_machine(source, case):
    """The whole table, each file as that of the other machine."""
    this = subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip()
    asked = ["dpkg-architecture", f"-a{'amd64' if this == 'arm64' else 'arm64'}"]
    said = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    other = dict(line.split("=", 1) for line in said.splitlines())
    case.put_files(source.path, cases.on_other_machine)
    source.write("vsmtp-plugins", "".join(f"{file} {name or ''}\n" for _, file, name in case.files))
    objcopy = source.path / f"{other['DEB_HOST_GNU_TYPE']}-objcopy"
    objcopy.write_text(OBJCOPY)
    objcopy.chmod(0o755)
    done = source.install(
        f"--vsmtp-version={case.version}",
        f"--layout={case.layout}",
        PATH=f"{source.path}:{os.environ['PATH']}",
        **other,
    )
    if case.error:
        assert done.code != 0
        case.check_error(done.out + done.err)
        return
    assert done.code == 0, done
    assert source.files() == case.paths


def test_the_two_relations_admit_just_one_vsmtp():
    """What the pair means to dpkg, for versions that a vsmtp package may have."""
    def fits(version, v):
        return all(
            subprocess.run(["dpkg", "--compare-versions", version, operator, bound]).returncode == 0
            for operator, bound in (("ge", v), ("lt", f"{v}.0~"))
        )

    for version in ("2.2.1", "2.2.1-1", "2.2.1-1+b2", "2.2.1+dfsg-1", "2.2.1-0ubuntu1", "2.2.1-1~bpo12+1"):
        assert fits(version, "2.2.1"), version
    for version in ("2.2.0-1", "2.2.1~rc.1-1", "2.2.2-1", "2.2.10-1", "2.3.0~rc.1-1", "2.2.1~~-1"):
        assert not fits(version, "2.2.1"), version
    assert fits("2.3.0~rc.1-1", "2.3.0~rc.1")
    for version in ("2.3.0~rc.10-1", "2.3.0~rc.2-1", "2.3.0-1", "2.3.0~beta.9-1"):
        assert not fits(version, "2.3.0~rc.1"), version
