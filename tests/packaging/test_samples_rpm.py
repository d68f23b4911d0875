# SPDX-License-Identifier: LGPL-2.1-or-later
"""The two sample plugins as rpm packages, from their sources to a plugin that runs: built with the
installed macros, in a container, as their packagers and their users would do it."""

import shutil

import cases
import dnf_machine
import harness
import kit
import pytest
import rpms

import test_rpm
import test_samples
from dnf_machine import DnfMachine

TOOLS = ("gcc", "libc6-dev", "make")
COMPAT = kit.SOURCE / "tests/rpm/macros.compat"
LINT = ["rpmlint", "--strict", "--config", kit.SOURCE / "tests/rpm/rpmlint-samples.toml"]


def build_root(request, *more):
    options = harness.recipe(more=(*dnf_machine.MORE, *TOOLS, *more))
    image = harness.boot_or_skip(harness.Image, install=False, options=options)
    request.addfinalizer(image.close)
    root = dnf_machine.Root(image, more=["vsmtp-plugin-rpm-macros"])
    compat = root.layer / "usr/lib/rpm/macros.d/macros.compat"
    compat.parent.mkdir(parents=True)
    shutil.copy(COMPAT, compat)
    return root


@pytest.fixture(scope="module")
def c_rpm_root(request):
    return build_root(request)


@pytest.fixture(scope="module")
def rust_rpm_root(request):
    return build_root(request, "cargo")


@pytest.fixture
def builder(request):
    rust = request.node.get_closest_marker("rust")
    root = request.getfixturevalue("rust_rpm_root" if rust else "c_rpm_root")
    with DnfMachine(root) as box:
        request.node.kit_box = box
        box.release("1.0.0")
        box.install("vsmtp-plugin-rpm-macros")
        yield box


def build(box, sample, version, change=None, check=True):
    """rpmbuild's end, with the sample's own spec for that vSMTP."""
    place = box.path(f"/srv/build/{version}")
    (spec,) = (test_samples.SAMPLES / sample).glob("*.spec")
    package = spec.stem
    tree = place / f"{package}-{version}"
    shutil.copytree(test_samples.SAMPLES / sample, tree)
    if change:
        box.run("sed", "-i", change, f"/srv/build/{version}/{tree.name}/stub.c")
    (place / spec.name).write_text(spec.read_text().replace("1.0.0", version))
    return box.sh(
        f"cd /srv/build/{version}; tar -czf {tree.name}.tar.gz {tree.name};"
        # What a package is built with is not known to this rpm, being Debian's own.
        f"rpmbuild -bb --nodeps --define '_sourcedir /srv/build/{version}' --define '_topdir /srv/build/top'"
        f" --define '_rpmdir /srv/build/{version}' --define '_build_name_fmt %{{NVRA}}.rpm' {spec.name} 2>&1",
        check=check,
        timeout=600,
    )


@pytest.mark.parametrize("sample, name", test_samples.BOTH)
def test_sample_is_built_installed_upgraded_and_removed(builder, tmp_path, sample, name):
    package, link = f"vsmtp-plugin-{name}", f"vsmtp-plugin-{name}.so"
    for version in ("1.0.0", "1.1.0"):
        build(builder, sample, version)
        (file,) = builder.path(f"/srv/build/{version}").glob(f"{package}-{version}-1.*.rpm")
        shutil.copy(file, tmp_path)
        shutil.copy(file, builder.path(f"/srv/releases/{version}"))
        rpms.index(builder.path(f"/srv/releases/{version}"))
    check_package(next(tmp_path.glob(f"{package}-1.0.0-1.*.rpm")), tmp_path, name)

    builder.release("1.0.0")
    builder.install("vsmtp")
    builder.sh("systemctl start vsmtp")
    builder.wait_starts(1)
    builder.install(package)
    assert test_samples.loaded(builder.wait_starts(2)[1]) == {link: "ok"}
    assert builder.links() == {link: test_samples.built_file(name, "1.0.0")}

    builder.release("1.1.0")
    builder.upgrade()
    starts = builder.wait_starts(3)
    assert starts[2]["loaded"] == {link: (test_samples.built_file(name, "1.1.0"), "ok")}
    builder.remove(package)
    builder.wait_starts(4)
    assert builder.links() == {}
    builder.in_order()

    said = builder.sh(f"dnf install --disablerepo=kit /srv/build/1.0.0/{package}-1.0.0-1.*.rpm", check=False)
    assert said.code != 0
    assert f"nothing provides (vsmtp >= 1.0.0 with vsmtp < 1.0.0.0~) needed by {package}-1.0.0" in said.err


def check_package(package, tmp_path, name):
    """What is in it, what it declares, and what rpmlint says."""
    wanted = [f"provides vsmtp-plugin-{name} = 1.0.0", "requires vsmtp < 1.0.0.0~", "requires vsmtp >= 1.0.0"]
    assert set(wanted) <= set(test_rpm.declares(package))
    assert test_rpm.query(package, "--scripts", "--triggers", "--filetriggers") == []
    tree = test_rpm.unpack(package, tmp_path / "unpacked")
    cases.check_note(tree / test_samples.built_file(name, "1.0.0").lstrip("/"), "1.0.0")
    done = kit.run(*LINT, package, env=kit.environment(HOME="/root"))
    assert done.code == 0, done


@pytest.mark.parametrize("change, code", test_samples.BREAKS, ids=[code for _, code in test_samples.BREAKS])
def test_a_broken_sample_fails_its_build_with_one_line(builder, change, code):
    done = build(builder, "c-stub", "1.0.0", change, check=False)
    assert done.code != 0, done
    lines = [line for line in done.out.splitlines() if "; cure: " in line]
    assert len(lines) == 1 and f"error: stub.so: {code}: " in lines[0], done.out
