# SPDX-License-Identifier: LGPL-2.1-or-later
"""The two sample packages, from their sources to a plugin that runs, as their packagers and their
users would do it: with the installed packages of the kit, and no network."""

import re

import cases
import kit
import pytest

from machine import loaded

SAMPLES = kit.SOURCE / "tests/samples"
BOTH = [
    pytest.param("c-stub", "stub", id="c-stub"),
    pytest.param("rust-cdylib", "hello", id="rust-cdylib", marks=pytest.mark.rust),
]
LINTIAN = ["lintian", "--allow-root", "-EvIL", "+pedantic", "--fail-on", "error,warning,info,pedantic,experimental"]
# There is no such address, and no bug asks for a sample.
NO_MATTER = "bogus-mail-host,bogus-mail-host-in-debian-changelog,initial-upload-closes-no-bugs"


def built_file(name, version):
    return f"/usr/lib/vsmtp/libvsmtp-plugin-{name}-{version}.so"


@pytest.mark.parametrize("sample, name", BOTH)
def test_sample_is_built_installed_tested_upgraded_and_removed(builder, tmp_path, sample, name):
    package, link = f"vsmtp-plugin-{name}", f"vsmtp-plugin-{name}.so"
    builder.release("1.0.0")
    builder.apt("install", "dh-vsmtp-plugin")
    for version in ("1.0.0", "1.1.0"):
        said = builder.build(builder.put_source(SAMPLES / sample, version)).out
        assert f"dh_vsmtp_plugin: for vSMTP {version} (from the version of this package)" in said
        assert "warning: " not in said, said
        builder.publish(version)
    check_package(builder, tmp_path, package, name)

    builder.apt("update")
    builder.apt("install", "vsmtp")
    builder.wait_starts(1)
    builder.apt("install", package)
    assert loaded(builder.wait_starts(2)[1]) == {link: "ok"}
    assert builder.links() == {link: built_file(name, "1.0.0")}

    done = builder.autopkgtest(f"/srv/build/1.0.0/{sample}")
    assert done.code == 0 and "\ncommand1             PASS" in done.out, done.out
    assert done.out.count("\nok - ") == 4, done.out
    builder.wait_peace()
    builder.in_order()

    before = len(builder.starts())
    builder.release("1.1.0")
    builder.apt("dist-upgrade")
    starts = builder.wait_starts(before + 1)
    assert starts[-1]["loaded"] == {link: (built_file(name, "1.1.0"), "ok")}
    said = builder.apt("install", f"/srv/build/1.0.0/{package}_1.0.0-1_{builder_arch(builder)}.deb", check=False)
    assert said.code != 0 and re.search(r"Depends: vsmtp \(<<? 1\.0\.0\.0~\)", said.out), said

    builder.apt("remove", package)
    builder.wait_starts(before + 2)
    assert builder.links() == {}
    builder.in_order()


def builder_arch(builder):
    return builder.run("dpkg", "--print-architecture").out.strip()


def check_package(builder, tmp_path, package, name):
    """What is in it, what it declares, and what lintian says."""
    builder.fetch("1.0.0", tmp_path)
    (deb,) = tmp_path.glob(f"{package}_*.deb")
    fields = {f: kit.run("dpkg-deb", "-f", deb, f, expect=0).out.strip() for f in ("Depends", "Provides")}
    assert cases.neutral_deb(fields) == [
        f"provides vsmtp-plugin-{name} = 1.0.0",
        "requires vsmtp < 1.0.0.0~",
        "requires vsmtp >= 1.0.0",
    ]
    kit.run("dpkg-deb", "-R", deb, tmp_path / "unpacked", expect=0)
    control = {p.name for p in (tmp_path / "unpacked/DEBIAN").iterdir()}
    assert control == {"control", "md5sums"}, "a package of plugins needs no scripts and no triggers"
    # Stripped by now: the note has survived that.
    installed = tmp_path / "unpacked" / built_file(name, "1.0.0").lstrip("/")
    assert ".debug_info" not in kit.run("readelf", "-SW", installed, expect=0).out
    cases.check_note(installed, "1.0.0")
    done = kit.run(*LINTIAN, "--suppress-tags", NO_MATTER, *tmp_path.glob("*.changes"), env=kit.environment(HOME="/root"))
    assert done.code == 0, done.out


def test_the_inherited_test_fails_for_what_is_not_linked_or_does_not_load(builder):
    builder.release("1.0.0")
    builder.apt("install", "dh-vsmtp-plugin", "vsmtp")
    place = builder.put_source(SAMPLES / "c-stub", "1.0.0")
    builder.run("sed", "-i", "s/puts/nowhere_to_be_found/; s/^#include.*/int nowhere_to_be_found(const char *);/", f"{place}/stub.c")
    builder.build(place)
    builder.publish("1.0.0")
    builder.apt("update")
    builder.apt("install", "vsmtp-plugin-stub")
    done = builder.run("vsmtp-plugin-autopkgtest", "stub", check=False)
    assert done.code == 1 and "nowhere_to_be_found" in done.out and done.err == "", done.out
    assert "\nFAILED: as installed: /etc/vsmtp/plugins/vsmtp-plugin-stub.so cannot be loaded\n" in done.out
    builder.ctl("disable", "stub", check=False)
    done = builder.run("vsmtp-plugin-autopkgtest", "stub", check=False)
    assert done.code == 1 and "is not linked in /etc/vsmtp/plugins" in done.out, done.out
    assert "Enabled=no" in done.out, "why is shown"
    done = builder.run("vsmtp-plugin-autopkgtest", "other", check=False)
    assert done.code == 1 and "no installed package provides vsmtp-plugin-other" in done.out, done.out
    assert "; cure: if the log of the build has no line \"dh_vsmtp_plugin: for vSMTP" in done.out
    assert "dh-sequence-vsmtp-plugin" in done.out and "${vsmtp:Provides}" not in done.out
    # dpkg's own record, as if the packager had forgotten the field.
    builder.run("sed", "-i", "/^Provides: vsmtp-plugin-stub /d", "/var/lib/dpkg/status")
    done = builder.run("vsmtp-plugin-autopkgtest", "stub", check=False)
    assert done.code == 1 and "package vsmtp-plugin-stub has the plugin and does not provide" in done.out, done.out


BREAKS = [
    ("s/^int module_entrypoint/int no_entrypoint/", "no-entry-point"),
    ("s/^#include.*/__asm__(\".pushsection .note.vsmtp,\\\\\"a\\\\\",@note; .balign 4; .long 6, 5, 1;"
     " .asciz \\\\\"vSMTP\\\\\"; .balign 4; .ascii \\\\\"1.1.0\\\\\"; .balign 4; .popsection\"); int puts(const char *);/",
     "version-conflict"),
]


@pytest.mark.parametrize("change, code", BREAKS, ids=[code for _, code in BREAKS])
def test_a_broken_sample_fails_its_build_with_one_line(builder, change, code):
    builder.release("1.0.0")
    builder.apt("install", "dh-vsmtp-plugin")
    place = builder.put_source(SAMPLES / "c-stub", "1.0.0")
    stub = builder.path(f"{place}/stub.c")
    before = stub.read_text()
    builder.run("sed", "-i", change, f"{place}/stub.c")
    assert stub.read_text() != before
    done = builder.build(place, check=False)
    assert done.code != 0, done.out
    (line,) = [line for line in done.out.splitlines() if "dh_vsmtp_plugin: error: " in line]
    assert re.fullmatch(rf"dh_vsmtp_plugin: error: stub\.so: {code}: .+; cure: .+", line), line
