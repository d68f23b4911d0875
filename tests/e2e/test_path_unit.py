# SPDX-License-Identifier: LGPL-2.1-or-later
"""vsmtp-plugin-sync.path in place of the daemon, through the life of the package."""

import harness
import pytest

PATH_UNIT = "vsmtp-plugin-sync.path"
WANTED = "/etc/systemd/system/multi-user.target.wants"


@pytest.fixture
def running(apt_running):
    return apt_running


def test_the_path_unit_outlives_upgrades_and_leaves_with_the_package(running):
    assert running.run("systemctl", "is-enabled", PATH_UNIT, check=False).out.strip() == "disabled"
    running.run("systemctl", "disable", harness.DAEMON)
    running.run("systemctl", "enable", "--now", PATH_UNIT)
    assert not running.is_active(harness.DAEMON), "they exclude each other"

    running.apt("install", "--reinstall", "vsmtp-plugind")
    assert running.is_active(PATH_UNIT) and not running.is_active(harness.DAEMON)
    assert running.run("systemctl", "is-enabled", PATH_UNIT).out.strip() == "enabled"
    running.apt("install", "vsmtp-plugin-b")
    running.wait_starts(2)

    running.apt("remove", "vsmtp-plugind")
    assert not running.is_active(PATH_UNIT)
    running.apt("remove", "vsmtp-plugin-b")
    assert running.failed_units() == ""
    running.apt("purge", "vsmtp-plugind")
    assert running.sh(f"ls {WANTED} | grep vsmtp-plugin || :").out == ""
