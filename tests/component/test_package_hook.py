# SPDX-License-Identifier: LGPL-2.1-or-later
"""scripts/package-hook below another root, where it can only make links."""

import os

import kit
import pytest

HOOK = kit.SOURCE / "scripts/package-hook"


def hook(tree, *args, path=None):
    path = path or kit.program("vsmtp-pluginctl").parent
    env = kit.environment(DPKG_ROOT=tree.path)
    env["PATH"] = f"{path}:{env['PATH']}"
    return kit.run(HOOK, *args, env=env)


@pytest.fixture
def image(tree):
    """An image: its program is not run here, so its version is told."""
    tree.config("[Plugind]\nVersion=1.0.0\n")
    tree.plugin("mysql")
    return tree


def test_configure_shows_the_plan_once_and_makes_the_links(image):
    done = hook(image, "configure", "")
    assert done.code == 0 and done.err == ""
    assert "what will be done in the links directory" in done.out
    assert set(image.links()) == {"vsmtp-plugin-mysql.so"}
    assert "what will be done" not in hook(image, "configure", "0.0.9").out


def test_installed_finds_out_by_itself_whether_it_is_the_first_time(image):
    assert "what will be done in the links directory" in hook(image, "installed").out
    assert set(image.links()) == {"vsmtp-plugin-mysql.so"}
    assert "what will be done" not in hook(image, "installed").out


def test_triggered_makes_the_links_and_remove_keeps_what_fits(image):
    assert hook(image, "triggered").code == 0
    before = image.links()
    assert set(before) == {"vsmtp-plugin-mysql.so"}
    image.link("old.so", f"{kit.STORE}/libvsmtp-plugin-old-0.9.0.so")
    assert hook(image, "remove").code == 0
    assert image.links() == before


@pytest.mark.parametrize("verb", ["configure", "installed", "triggered", "remove"])
def test_a_command_that_fails_breaks_no_package_operation(tree, tmp_path, verb):
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "vsmtp-pluginctl").write_text("#!/bin/sh\nexit 127\n")
    os.chmod(broken / "vsmtp-pluginctl", 0o755)
    done = hook(tree, verb, path=broken)
    assert done.code == 0 and "ended with 127" in done.out


def test_wrong_usage_is_told(tree):
    done = hook(tree, "nonsense")
    assert done.code == 2 and "usage:" in done.err
