# SPDX-License-Identifier: LGPL-2.1-or-later
"""Transactions that go wrong, servers and daemons that are not where one would want them, and people
who do things meanwhile."""

import harness
import kit
import pytest

import debs
from debs import links
from machine import seen

FIRST = links("1.0.0", "abc")
SECOND = links("1.1.0", "abc")
PLUGINS = ("vsmtp-plugin-a", "vsmtp-plugin-b", "vsmtp-plugin-c")
UPGRADE = ("apt-get", "-q", "-y", "dist-upgrade")
UNPACKED = "vsmtp postinst begins"  # plugins and server are new, the process is old
PLUGINS_FIRST = "vsmtp preinst begins"  # the plugins are new, the program is old


@pytest.fixture
def full(apt_full):
    return apt_full


def assert_upgraded(machine, starts):
    """In the end all is of 1.1.0, whatever came between; returns the starts."""
    found = machine.wait_starts(starts)
    assert found[-1]["version"] == "1.1.0" and seen(found[-1]) == SECOND
    assert machine.links() == SECOND
    machine.in_order()
    return found


def test_rule_17_a_library_copied_by_hand_while_apt_runs_is_in_the_one_start(full):
    full.release("1.1.0")
    with full.stopped_at(UNPACKED, *UPGRADE):
        full.plugin("hand", "1.1.0")
        kit.wait_until(
            lambda: "/var/lib/dpkg/lock" in full.show(harness.DAEMON, "StatusText"), 20, "the daemon's hold"
        )
        lock = full.ctl_json("status")["package-lock"]
        assert lock["command"] in ("apt-get", "dpkg") and lock["pid"] > 0
        assert full.links() == {}, "what dangled is gone, what fits has to wait"
    assert full.transaction[0] == 0, full.transaction
    starts = full.wait_starts(2)
    want = {**SECOND, "vsmtp-plugin-hand.so": "/usr/lib/vsmtp/libvsmtp-plugin-hand-1.1.0.so"}
    assert seen(starts[1]) == want == full.links()
    full.in_order()


def plugin_and_library(machine):
    """A plugin whose private library, which ldconfig never hears of, is in a package of its own."""
    plugin = kit.plugin_bytes(built_for="1.0.0", needs=("libkitown.so.1",), runpath="/usr/lib/kit-own")
    library = kit.library("libkitown.so.1").read_bytes()
    out = kit.scratch()
    debs.build(out, "vsmtp-plugin-own", "1", {"usr/lib/vsmtp/libvsmtp-plugin-own-1.0.0.so": (plugin, 0o644)})
    debs.build(out, "libkitown1", "1", {"usr/lib/kit-own/libkitown.so.1": (library, 0o644)},
               scripts={"preinst": "#!/bin/sh\nsleep 2\n"})  # fmt: skip
    for path in out.glob("*own*.deb"):
        machine.put(f"/root/{path.name.split('_')[0]}.deb", path.read_bytes(), 0o644)


@pytest.mark.parametrize(
    "command",
    [
        "dpkg -i /root/vsmtp-plugin-own.deb /root/libkitown1.deb",
        "dpkg -i /root/vsmtp-plugin-own.deb; dpkg -i /root/libkitown1.deb",
    ],
)
def test_rule_11_a_private_library_that_comes_two_seconds_later(apt_running, command):
    machine = apt_running
    plugin_and_library(machine)
    machine.sh(command)
    want = {**links("1.0.0", "a"), "vsmtp-plugin-own.so": "/usr/lib/vsmtp/libvsmtp-plugin-own-1.0.0.so"}
    machine.wait_links_are(want)
    starts = machine.wait_starts(2)
    assert seen(starts[1]) == want
    machine.in_order()


@pytest.mark.parametrize("fate", ["stop", "mask --now", "kill -s KILL"])
@pytest.mark.parametrize("when", [PLUGINS_FIRST, UNPACKED])
def test_the_daemon_may_be_missing_in_a_transaction(full, fate, when):
    full.release("1.1.0")
    with full.stopped_at(when, *UPGRADE):
        full.sh(f"systemctl {fate} {harness.DAEMON}")
        if "kill" in fate:
            kit.wait_until(lambda: full.show(harness.DAEMON, "NRestarts") == "1", 20, "its restart")
            full.wait_daemon()
    assert full.transaction[0] == 0, full.transaction
    assert_upgraded(full, 2)
    assert full.is_active(harness.DAEMON) == ("kill" in fate)


def test_a_server_that_crashes_between_unpacking_and_configuring_starts_as_the_new_one(full):
    full.release("1.1.0")
    with full.stopped_at(UNPACKED, *UPGRADE):
        full.sh("systemctl kill -s ABRT vsmtp")
        full.wait_count(2)
        assert seen(full.starts()[1]) == SECOND and full.starts()[1]["version"] == "1.1.0"
    assert full.transaction[0] == 0, full.transaction
    assert_upgraded(full, 3)  # the third is that of vSMTP's own script


def test_a_server_that_crashes_before_its_program_is_new_starts_without_wrong_plugins(full):
    full.release("1.1.0")
    with full.stopped_at(PLUGINS_FIRST, *UPGRADE):
        full.sh("systemctl kill -s ABRT vsmtp")
        full.wait_count(2)
        between = full.starts()[1]
        assert between["version"] == "1.0.0" and seen(between).items() <= FIRST.items()
        assert full.is_active("vsmtp")
    assert full.transaction[0] == 0, full.transaction
    assert_upgraded(full, 3)


def test_a_killed_dpkg_leaves_vsmtp_with_what_fits_and_configure_finishes(full):
    full.release("1.1.0")
    files = " ".join(f"/srv/repo/{p}_1.1.0-1_*.deb" for p in (*PLUGINS, "vsmtp"))
    with full.stopped_at("kit-gate preinst begins", f"dpkg --unpack {files} /srv/repo/kit-gate_*.deb"):
        assert full.show("vsmtp.service", "NRestarts") == "0" and len(full.starts()) == 1
        full.sh("pkill -KILL -x dpkg")
    assert full.transaction[0] == 137, full.transaction
    # The locks are free, and nobody knows for how long this lasts: the links fit the program on disk.
    full.wait_links_are(SECOND)
    starts = full.wait_starts(2)
    assert starts[1]["version"] == "1.1.0" and seen(starts[1]) == SECOND
    assert full.sh("ls /var/lib/dpkg/updates").out != ""
    assert set(full.states().values()) != {"ii"}
    full.run("dpkg", "--remove", "--force-remove-reinstreq", "kit-gate", check=False)
    full.run("dpkg", "--configure", "-a")
    assert_upgraded(full, 3)  # vSMTP's own script restarts it


@pytest.mark.parametrize("fate", ["stop", "mask --now"])
def test_a_server_that_is_stopped_is_not_started_by_us(full, fate):
    full.sh(f"systemctl {fate} vsmtp")
    full.remove("vsmtp-plugin-c")
    full.install("vsmtp-plugin-c")
    full.reinstall("vsmtp-plugind")
    full.wait_starts(1)
    assert full.links() == FIRST and not full.is_active("vsmtp")
    full.in_order()


def test_a_masked_server_is_upgraded_unstarted(full):
    full.sh("systemctl mask --now vsmtp 2>/dev/null")
    full.release("1.1.0")
    full.put("/usr/sbin/policy-rc.d", "#!/bin/sh\n[ $1 != vsmtp.service ] || exit 101\n")
    full.upgrade()
    full.wait_starts(1)
    assert full.links() == SECOND
    full.in_order()


def test_a_failed_server_is_left_to_its_administrator(full):
    full.put("/etc/systemd/system/vsmtp.service.d/90-test.conf", "[Service]\nRestart=no\n", 0o644)
    full.sh("systemctl daemon-reload; systemctl kill -s ABRT vsmtp")
    kit.wait_until(lambda: full.show("vsmtp.service", "ActiveState") == "failed", 20, "the failure")
    full.remove("vsmtp-plugin-c")
    full.install("vsmtp-plugin-c")
    full.wait_starts(1)
    assert full.links() == FIRST
    assert full.failed_units().split()[0] == "vsmtp.service"
    assert full.disorder() == ""
    full.release("1.1.0")
    full.upgrade()
    assert_upgraded(full, 2)


def test_removing_the_server_takes_its_plugins_and_all_links(full):
    full.remove("vsmtp")
    assert set(full.states()) == {"vsmtp", "vsmtp-plugind"} and full.states()["vsmtp"] == "rc"
    assert full.links() == {}
    full.wait_peace()
    assert full.is_active(harness.DAEMON) and len(full.starts()) == 1
    full.in_order()


def test_purged_and_installed_again_under_the_running_daemon(full):
    full.drop_own()
    full.wait_starts(2)  # it was loaded
    full.purge("vsmtp", *PLUGINS)
    # What our passes make beside vSMTP's files stays, empty, as long as the kit does.
    left = full.sh("find /etc/vsmtp -mindepth 1 2>/dev/null || :").out.split()
    assert set(left) <= {"/etc/vsmtp/services", "/etc/vsmtp/plugins"}
    full.wait_peace()
    full.in_order()
    with full.record() as record:
        full.install("vsmtp", *PLUGINS)
        full.wait_starts(3)
    assert [seen(s) for s in record.starts()] == [FIRST], str(record)
    assert full.links() == FIRST
    full.wait_daemon()
    full.in_order()
    full.plugin("later")
    full.wait_starts(4)
    assert full.links().keys() == {*FIRST, "vsmtp-plugin-later.so"}


def test_a_policy_that_forbids_restarts_holds_in_an_upgrade_and_after_it(full):
    full.put("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")
    full.release("1.1.0")
    full.upgrade()
    assert full.links() == SECOND
    full.wait_starts(1)
    full.sh(f"systemctl restart {harness.DAEMON}")
    full.wait_starts(1)
    full.path("/usr/sbin/policy-rc.d").unlink()
    full.wait_starts(1)
    full.ctl("reload")
    assert_upgraded(full, 2)
