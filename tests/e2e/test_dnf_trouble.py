# SPDX-License-Identifier: LGPL-2.1-or-later
"""What test_apt_upgrades.py and test_apt_trouble.py have, by dnf.

rpm puts the new program in first, then the new plugins, then takes the old files away: in between the
program is new and its plugins are not there yet, and later both are."""

import harness
import kit
import pytest

from debs import links
from machine import seen

FIRST = links("1.0.0", "abc")
SECOND = links("1.1.0", "abc")
KIT = "vsmtp-plugind"
PLUGINS = ("vsmtp-plugin-a", "vsmtp-plugin-b", "vsmtp-plugin-c")
PATH_UNIT = "vsmtp-plugin-sync.path"
UPGRADE = ("dnf", "upgrade")
PROGRAM_FIRST = "vsmtp post begins"  # the program is new, all plugins are old
OLD_STILL_THERE = "kit-gate post begins"  # all that is new is there, and so is all that is old


@pytest.fixture
def full(dnf_full):
    return dnf_full


def assert_one_start(machine, record, version, names="abc"):
    """In the transaction: one start, of that version, with the right links, within rpm's lock, which
    was held without a gap from the first script until it was up (its own stamp comes a bit later)."""
    starts = record.starts()
    assert [s["version"] for s in starts] == [version], str(record)
    assert seen(starts[0]) == links(version, names), str(record)
    times = [e.time for e in record.of("mark")] + [machine.active_since("vsmtp.service")]
    spans = [s for s in record.held(".rpm.lock") if s[0] < times[-1] < s[1]]
    assert len(times) > 1 and len(spans) == 1, str(record)
    assert all(spans[0][0] < time < spans[0][1] for time in times), str(record)
    assert machine.links() == links(version, names)
    machine.in_order()


def assert_upgraded(machine, starts):
    """In the end all is of 1.1.0, whatever came between; returns the starts."""
    found = machine.wait_starts(starts)
    assert found[-1]["version"] == "1.1.0" and seen(found[-1]) == SECOND
    assert machine.links() == SECOND
    machine.in_order()
    return found


def made_links(record):
    """Where links came into the directory, temporary ones aside."""
    how = ("CREATE /etc/vsmtp/plugins/", "MOVED_TO /etc/vsmtp/plugins/")
    return [e for e in record.of("file") if e.text.startswith(how) and "/.vsmtp-plugind-" not in e.text]


def upgrade(machine, version, command, *args):
    count = len(machine.starts())
    machine.release(version)
    with machine.record() as record:
        command(*args)
        machine.wait_starts(count + 1)
    assert_one_start(machine, record, version)
    return record


# ---- releases come and go ----


def test_an_upgrade_with_three_plugins_is_one_start_with_right_links(full):
    record = upgrade(full, "1.1.0", full.upgrade)
    program = next(e for e in record.of("mark") if PROGRAM_FIRST in e.text)
    assert "1.1.0;" in program.text and "a-1.0.0.so" in program.text and "a-1.1.0.so" not in program.text
    made = made_links(record)
    assert made and program.time < made[0].time < record.starts()[0]["time"], str(record)
    assert full.mapped() == {t.rsplit("/", 1)[1] for t in SECOND.values()}


def test_a_release_candidate_comes_and_goes(full):
    """2.0.1-rc.1 is 2.0.1~rc.1 for rpm; a downgrade is an upgrade like any other."""
    upgrade(full, "2.0.1-rc.1", full.upgrade)
    upgrade(full, "1.0.0", full.downgrade, "vsmtp", *PLUGINS, "kit-gate")


def test_an_upgrade_among_two_hundred_others_is_one_start(full, rpm_root):
    full.release(rpm_root.release_with_fillers("1.0.0"))
    full.install("kit-filler-*")
    full.release(rpm_root.release_with_fillers("1.1.0"))
    with full.record() as record:
        full.upgrade()
        full.wait_starts(2)
    assert_one_start(full, record, "1.1.0")
    assert full.sh("cat /usr/share/kit-filler/* | sort -u").out == "1.1.0\n"
    # While they came in nothing was started, and the daemon made no link behind the lock.
    last = max(e.time for e in record.of("mark"))
    assert not [e for e in made_links(record) if e.time < last], str(record)


def test_plugins_alone_are_upgraded_by_one_start(full):
    """Another build restarts once, the same build in a later package does not."""
    full.release("rebuilt")
    with full.record() as record:
        full.upgrade()
        full.wait_starts(2)
    assert full.states()["vsmtp-plugin-a"] == full.states()["vsmtp-plugin-b"] == "1.0.0-2"
    assert [seen(s) for s in record.starts()] == [FIRST], str(record)
    assert full.links() == FIRST
    full.in_order()


def test_a_reinstallation_of_all_is_one_start(full):
    """vSMTP's own package restarts it; we add nothing."""
    upgrade(full, "1.0.0", full.reinstall, "vsmtp", *PLUGINS, KIT)


def test_an_upgrade_of_the_kit_itself_restarts_nobody(full):
    before = full.show(harness.DAEMON, "MainPID")
    full.release("later-kit")
    full.upgrade(KIT)
    full.wait_starts(1)
    assert full.states()[KIT].endswith("-2")
    assert full.is_active(harness.DAEMON) and full.show(harness.DAEMON, "MainPID") != before
    assert full.links() == FIRST
    full.in_order()
    full.plugin("hand")
    full.wait_starts(2)
    assert full.links()["vsmtp-plugin-hand.so"]


def test_the_path_unit_outlives_upgrades_and_leaves_with_the_rpm(full):
    """vsmtp-plugin-sync.path in place of the daemon."""
    assert full.run("systemctl", "is-enabled", PATH_UNIT, check=False).out.strip() == "disabled"
    full.run("systemctl", "disable", harness.DAEMON)
    full.run("systemctl", "enable", "--now", PATH_UNIT)
    assert not full.is_active(harness.DAEMON), "they exclude each other"
    full.release("later-kit")
    full.upgrade(KIT)
    assert full.is_active(PATH_UNIT) and not full.is_active(harness.DAEMON)
    assert full.run("systemctl", "is-enabled", PATH_UNIT).out.strip() == "enabled"
    full.release("1.0.0")
    full.remove("vsmtp-plugin-c")
    full.wait_starts(2)
    full.remove(KIT)
    assert not full.is_active(PATH_UNIT)
    full.remove("vsmtp-plugin-b")
    full.wait_starts(2)
    assert full.failed_units() == ""
    assert full.sh("ls /etc/systemd/system/multi-user.target.wants | grep vsmtp-plugin || :").out == ""


@pytest.mark.tenfold
@pytest.mark.parametrize("run", range(10))
def test_ten_runs_are_all_alike(full, run):
    """The promise, whole: remove a plugin, install it, upgrade."""
    full.remove("vsmtp-plugin-c")
    full.wait_starts(2)
    with full.record() as record:
        full.install("vsmtp-plugin-c")
        assert full.links() == FIRST
        full.wait_starts(3)
    assert [seen(s) for s in record.starts()] == [FIRST], str(record)
    upgrade(full, "1.1.0", full.upgrade)


# ---- trouble ----


def test_rule_17_a_library_copied_by_hand_while_dnf_runs_is_in_the_one_start(full):
    full.release("1.1.0")
    with full.stopped_at(PROGRAM_FIRST, *UPGRADE):
        full.plugin("hand", "1.1.0")
        kit.wait_until(
            lambda: "/var/lib/rpm/.rpm.lock" in full.show(harness.DAEMON, "StatusText"), 20, "the daemon's hold"
        )
        lock = full.ctl_json("status")["package-lock"]
        assert lock["command"] == "dnf" and lock["pid"] > 0
        assert full.links() == FIRST, "nothing dangles, and what fits has to wait"
    assert full.transaction[0] == 0, full.transaction
    starts = full.wait_starts(2)
    want = {**SECOND, "vsmtp-plugin-hand.so": "/usr/lib/vsmtp/libvsmtp-plugin-hand-1.1.0.so"}
    assert seen(starts[1]) == want == full.links()
    full.in_order()


@pytest.mark.parametrize("fate", ["stop", "mask --now", "kill -s KILL"])
@pytest.mark.parametrize("when", [PROGRAM_FIRST, OLD_STILL_THERE])
def test_the_daemon_may_be_missing_in_a_transaction(full, fate, when):
    full.release("1.1.0")
    with full.stopped_at(when, *UPGRADE):
        full.sh(f"systemctl {fate} {harness.DAEMON}")
        if "kill" in fate:
            kit.wait_until(lambda: full.show(harness.DAEMON, "NRestarts") == "1", 20, "its restart")
            full.wait_daemon()
            assert full.links() == FIRST, "its start waits for dnf, too"
    assert full.transaction[0] == 0, full.transaction
    assert_upgraded(full, 2)
    assert full.is_active(harness.DAEMON) == ("kill" in fate)


@pytest.mark.parametrize("when, fitting", [(PROGRAM_FIRST, {}), (OLD_STILL_THERE, SECOND)])
def test_a_server_that_crashes_in_a_transaction_starts_as_the_new_one_without_wrong_plugins(full, when, fitting):
    full.release("1.1.0")
    with full.stopped_at(when, *UPGRADE):
        full.sh("systemctl kill -s ABRT vsmtp")
        full.wait_count(2)
        between = full.starts()[1]
        assert between["version"] == "1.1.0" and seen(between) == fitting
        assert full.is_active("vsmtp")
    assert full.transaction[0] == 0, full.transaction
    assert_upgraded(full, 3)  # the third is that of vSMTP's own package
    assert full.show("vsmtp.service", "NRestarts") == "0"


@pytest.mark.parametrize("when, fitting", [(PROGRAM_FIRST, {}), (OLD_STILL_THERE, SECOND)])
def test_a_killed_dnf_leaves_vsmtp_with_what_fits_and_a_repair_finishes(full, when, fitting):
    full.release("1.1.0")
    with full.stopped_at(when, *UPGRADE):
        assert full.show("vsmtp.service", "NRestarts") == "0" and len(full.starts()) == 1
        full.sh("pkill -KILL -x dnf")
    assert full.transaction[0] == 137, full.transaction
    # The lock is free, and nobody knows for how long this lasts: the links fit the program on disk.
    full.wait_links_are(fitting)
    starts = full.wait_starts(2)
    assert starts[1]["version"] == "1.1.0" and seen(starts[1]) == fitting
    told = full.run("dnf", "check", check=False)
    assert told.code == 1 and "vsmtp-1.0.0-1.x86_64 is a duplicate with vsmtp-1.1.0-1" in told.out
    full.remove("--duplicates")
    assert full.run("dnf", "check").out == ""
    assert_upgraded(full, 3)  # vSMTP's own package restarts it


@pytest.mark.parametrize("fate", ["stop", "mask --now"])
def test_a_server_that_is_stopped_is_not_started_by_us(full, fate):
    full.sh(f"systemctl {fate} vsmtp")
    full.remove("vsmtp-plugin-c")
    full.install("vsmtp-plugin-c")
    full.reinstall(KIT)
    full.wait_starts(1)
    assert full.links() == FIRST and not full.is_active("vsmtp")
    full.release("1.1.0")
    full.upgrade()
    full.wait_starts(1)
    assert full.links() == SECOND and not full.is_active("vsmtp")
    full.in_order()


def test_a_failed_server_is_left_to_its_administrator(full):
    full.put("/etc/systemd/system/vsmtp.service.d/90-test.conf", "[Service]\nRestart=no\n", 0o644)
    full.sh("systemctl daemon-reload; systemctl kill -s ABRT vsmtp")
    kit.wait_until(lambda: full.show("vsmtp.service", "ActiveState") == "failed", 20, "the failure")
    full.remove("vsmtp-plugin-c")
    full.install("vsmtp-plugin-c")
    full.wait_starts(1)
    assert full.links() == FIRST
    full.release("1.1.0")
    full.upgrade()
    full.wait_starts(1)
    assert full.links() == SECOND
    assert full.failed_units().split()[0] == "vsmtp.service"
    assert full.disorder() == ""
    full.sh("systemctl start vsmtp")
    assert_upgraded(full, 2)


def test_removing_the_server_takes_its_plugins_and_all_links(full):
    full.remove("vsmtp")
    assert set(full.states()) == {KIT}
    assert full.links() == {}
    full.wait_peace()
    assert full.is_active(harness.DAEMON) and len(full.starts()) == 1
    full.in_order()


def test_removed_with_its_directories_and_installed_again_under_the_running_daemon(full):
    full.drop_own()
    full.wait_starts(2)  # vSMTP had loaded it, too
    full.remove("vsmtp")
    full.sh("rm -r /etc/vsmtp")
    full.wait_peace()
    full.in_order()
    with full.record() as record:
        full.install("vsmtp", *PLUGINS)
        assert full.links() == FIRST
        full.sh("systemctl start vsmtp")
        full.wait_starts(3)
    assert [seen(s) for s in record.starts()] == [FIRST], str(record)
    full.wait_daemon()
    full.in_order()
    full.plugin("later")
    full.wait_starts(4)
    assert full.links().keys() == {*FIRST, "vsmtp-plugin-later.so"}
