# SPDX-License-Identifier: LGPL-2.1-or-later
"""Releases come and go by apt: one start of vSMTP for each transaction that matters to it, and none
that sees a link that is wrong or missing."""

import pytest

from debs import links, package_form
from machine import seen

KIT = "vsmtp-plugind"
SERVER_AND_A = ("vsmtp", "vsmtp-plugin-a")


@pytest.fixture
def full(apt_full):
    return apt_full


def assert_one_start(machine, record, version, names):
    """In the transaction: one start, of that version, with the right links, and the locks were apt's
    without a gap until after it."""
    starts = record.starts()
    assert [s["version"] for s in starts] == [version], str(record)
    assert seen(starts[0]) == links(version, names), str(record)
    spans = record.held("lock-frontend")
    assert len(spans) == 1, str(record)
    begins = [e for e in record.of("mark") if "vsmtp postinst begins" in e.text]
    assert all(spans[0][0] < e.time < spans[0][1] for e in begins) and begins, str(record)
    assert machine.links() == links(version, names)
    machine.in_order()


def upgrade(machine, version, names, **options):
    machine.release(package_form(version))
    with machine.record() as record:
        machine.upgrade(**options)
        machine.wait_starts(2)
    assert_one_start(machine, record, version, names)
    return record


def test_an_upgrade_with_three_plugins_is_one_start_with_right_links(full):
    record = upgrade(full, "1.1.0", "abc")
    # The kit had its say by the start hook, before its own trigger came.
    trigger = next(e.time for e in record.of("mark") if f"trigproc: {KIT}" in e.text)
    assert record.starts()[0]["time"] < trigger or record.of("start")[0].time > trigger
    made = [e for e in record.of("file") if e.text.startswith("MOVED_TO") and "/etc/vsmtp/plugins" in e.text]
    assert made and made[0].time < record.starts()[0]["time"], str(record)
    assert full.mapped() == {t.rsplit("/", 1)[1] for t in links("1.1.0", "abc").values()}


def test_a_release_candidate_comes_and_goes(full):
    """2.0.1-rc.1 is 2.0.1~rc.1 for dpkg; a downgrade is an upgrade like any other."""
    upgrade(full, "2.0.1-rc.1", "abc")
    full.release("1.0.0")
    with full.record() as record:
        full.apt(
            "install", "--allow-downgrades", KIT, *(f"{p}=1.0.0-1" for p in SERVER_AND_A),
            "vsmtp-plugin-b=1.0.0-1", "vsmtp-plugin-c=1.0.0-1",
        )  # fmt: skip
        full.wait_starts(3)
    assert_one_start(full, record, "1.0.0", "abc")


def test_an_upgrade_among_two_hundred_others_is_one_start(full, debian):
    full.release(debian.release_with_fillers("1.0.0"))
    full.sh("apt-get -q install $(seq -f 'kit-filler-%.0f' 0 199)")
    full.release(debian.release_with_fillers("1.1.0"))
    with full.record() as record:
        full.upgrade()
        full.wait_starts(2)
    assert_one_start(full, record, "1.1.0", "abc")
    # While they were unpacked nothing was started, and the daemon made no link behind the lock.
    assert sum("kit-filler-199" in e.text for e in record.of("mark")) > 0
    server = next(e.time for e in record.of("mark") if "vsmtp postinst begins" in e.text)
    how = ("CREATE /etc/vsmtp/plugins/", "MOVED_TO /etc/vsmtp/plugins/")
    made = [e.text for e in record.of("file") if e.time < server and e.text.startswith(how)]
    assert not [t for t in made if "/.vsmtp-plugind-" not in t], made  # what dangles is moved away, and gone


def test_plugins_alone_are_upgraded(full):
    """Another build restarts once, the same build in a later package does not."""
    full.release("rebuilt")
    with full.record() as record:
        full.upgrade()
        full.wait_starts(2)
    assert full.versions()["vsmtp-plugin-a"] == full.versions()["vsmtp-plugin-b"] == "1.0.0-2"
    assert len(record.starts()) == 1 and seen(record.starts()[0]) == links("1.0.0", "abc")
    assert full.links() == links("1.0.0", "abc")
    full.in_order()


def test_the_same_build_in_a_later_package_restarts_nobody(full):
    full.release("rebuilt")
    full.install("vsmtp-plugin-b")
    full.wait_starts(1)
    assert full.versions()["vsmtp-plugin-b"] == "1.0.0-2"
    full.in_order()


def test_apt_upgrades_no_server_away_from_its_plugins(full):
    full.release("only-vsmtp")
    full.apt("upgrade")
    assert full.versions()["vsmtp"] == "1.0.0-1"
    refused = full.apt("--no-remove", "install", "vsmtp", check=False)
    assert refused.code == 100 and "vsmtp-plugin-a" in refused.out + refused.err
    full.wait_starts(1)
    # Whoever insists loses the plugins, and never runs with a wrong one.
    full.install("vsmtp")
    starts = full.wait_starts(2)
    assert starts[1]["version"] == "1.1.0" and seen(starts[1]) == {} and full.links() == {}
    full.in_order()


def test_a_reinstallation_of_all_is_one_start(full):
    """vSMTP's own script restarts it; we add nothing."""
    with full.record() as record:
        full.reinstall("vsmtp", "vsmtp-plugin-a", "vsmtp-plugin-b", "vsmtp-plugin-c", KIT)
        full.wait_starts(2)
    assert_one_start(full, record, "1.0.0", "abc")


def test_an_upgrade_of_the_kit_itself_restarts_nobody(full):
    before = full.show("vsmtp-plugind.service", "MainPID")
    full.release("later-kit")
    full.install(KIT)
    full.wait_starts(1)
    assert full.versions()[KIT].endswith("+next")
    assert full.is_active("vsmtp-plugind") and full.show("vsmtp-plugind.service", "MainPID") != before
    assert full.links() == links("1.0.0", "abc")
    full.in_order()
    full.plugin("hand")
    full.wait_starts(2)
    assert full.links()["vsmtp-plugin-hand.so"]


def apart(machine, name):
    """Installs what the image has at hand."""
    machine.sh(f"DEBIAN_FRONTEND=noninteractive dpkg -i /srv/apart/{name}/*.deb >/run/apart.log 2>&1")


def test_needrestart_finds_nothing_left_to_restart(full):
    apart(full, "needrestart")
    full.put("/etc/needrestart/conf.d/kit.conf", "$nrconf{restart} = 'a';\n$nrconf{kernelhints} = 0;\n", 0o644)
    full.release("1.1.0")
    with full.record() as record:
        out = full.upgrade().out
        full.wait_starts(2)
    assert_one_start(full, record, "1.1.0", "abc")
    assert "Restarting services" in out or "No services need to be restarted" in out, out
    assert "systemctl restart vsmtp.service" not in out, out


def test_an_unattended_upgrade_is_one_start(full):
    apart(full, "unattended-upgrades")
    full.put(
        "/etc/apt/apt.conf.d/52kit",
        '#clear Unattended-Upgrade::Origins-Pattern;\nUnattended-Upgrade::Origins-Pattern { "origin=kit"; };\n',
        0o644,
    )
    full.release("1.1.0")
    with full.record() as record:
        full.run("unattended-upgrade", "-v", timeout=300)
        full.wait_starts(2)
    assert_one_start(full, record, "1.1.0", "abc")


@pytest.mark.tenfold
@pytest.mark.parametrize("run", range(10))
def test_ten_runs_are_all_alike(machine, run):
    """The promise, whole: install, add a plugin, upgrade."""
    machine.install("vsmtp", "vsmtp-plugin-a", "vsmtp-plugin-b", KIT)
    machine.wait_starts(1)
    with machine.record() as record:
        machine.install("vsmtp-plugin-c")
        assert machine.links() == links("1.0.0", "abc")
        machine.wait_starts(2)
    assert seen(record.starts()[0]) == links("1.0.0", "abc"), str(record)
    machine.release("1.1.0")
    with machine.record() as record:
        machine.upgrade()
        machine.wait_starts(3)
    assert_one_start(machine, record, "1.1.0", "abc")
