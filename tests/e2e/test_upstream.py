# SPDX-License-Identifier: LGPL-2.1-or-later
"""A vSMTP packaged with upstream's manners (see standins.UPSTREAM): its postinst links two plugins by
`ln -s` and fails where such a link exists, and gives the links directory to the user vsmtp."""

import pytest

import harness
import kit
from machine import seen
from standins import UPSTREAM_PLUGINS

SERVER = "vsmtp-upstream"


def links(version):
    return {
        f"libvsmtp_plugin_{name}.so": f"/usr/lib/vsmtp/{version}/libvsmtp_plugin_{name}.so"
        for name in UPSTREAM_PLUGINS
    }


@pytest.fixture
def upstream(machine):
    """It runs, without the kit: one start."""
    machine.release("upstream-1.0.0")
    machine.install(SERVER)
    machine.sh("systemctl start vsmtp")
    machine.wait_starts(1)
    assert machine.links() == links("1.0.0")
    return machine


def test_without_the_kit_each_upgrade_fails(upstream):
    """What this kit is for; if this test fails, the stand-in has become too kind."""
    upstream.release("upstream-1.1.0")
    assert upstream.upgrade(check=False).code == 100
    assert upstream.states()[SERVER] == "iF"
    assert upstream.links() == links("1.0.0") and "dangles" in upstream.disorder()


@pytest.mark.parametrize("how", ["apt", "dpkg"])
def test_rule_17_with_the_daemon_its_upgrade_succeeds(upstream, how):
    upstream.install("vsmtp-plugind")
    upstream.wait_starts(1)
    upstream.release("upstream-1.1.0")
    with upstream.record() as record:
        if how == "apt":
            upstream.upgrade()
        else:
            upstream.sh(f"dpkg -i /srv/repo/{SERVER}_*.deb")
        upstream.wait_starts(2)
    assert [seen(s) for s in record.starts()] == [links("1.1.0")], str(record)
    # The dangling ones went behind the lock, before its script asked for the names.
    gone = [e.time for e in record.of("file") if "/etc/vsmtp/plugins/libvsmtp_plugin_" in e.text]
    script = next(e.time for e in record.of("mark") if f"{SERVER} postinst begins" in e.text)
    assert gone and gone[0] < script, str(record)
    assert upstream.links() == links("1.1.0")
    upstream.in_order()


def test_rule_17_a_daemon_that_crashes_meanwhile_makes_no_link_before_its_script(upstream):
    upstream.install("vsmtp-plugind")
    upstream.wait_starts(1)
    upstream.release("upstream-1.1.0")
    with upstream.stopped_at(f"{SERVER} postinst begins", "apt-get", "-q", "-y", "dist-upgrade"):
        upstream.wait_links_are({})
        upstream.sh(f"systemctl kill -s KILL {harness.DAEMON}")
        kit.wait_until(lambda: upstream.show(harness.DAEMON, "NRestarts") == "1", 20, "its restart")
        upstream.wait_daemon()
        assert upstream.links() == {}
    assert upstream.transaction[0] == 0, upstream.transaction
    assert seen(upstream.wait_starts(2)[-1]) == links("1.1.0") == upstream.links()
    upstream.in_order()


def test_the_kit_first_then_upstream(machine):
    machine.release("upstream-1.0.0")
    machine.install("vsmtp-plugind")
    machine.install(SERVER)
    machine.sh("systemctl start vsmtp")
    starts = machine.wait_starts(1)
    assert seen(starts[0]) == links("1.0.0") == machine.links()
    assert machine.run("stat", "-c%U:%a", "/etc/vsmtp/plugins").out.strip() == "root:755", "taken over"
    machine.wait_daemon()
    machine.in_order()
    machine.release("upstream-1.1.0")
    machine.upgrade()
    starts = machine.wait_starts(2)
    assert seen(starts[1]) == links("1.1.0") == machine.links()
    machine.in_order()


def test_all_in_one_transaction(machine):
    machine.release("upstream-1.0.0")
    machine.install(SERVER, "vsmtp-plugind")
    machine.sh("systemctl start vsmtp")
    assert seen(machine.wait_starts(1)[0]) == links("1.0.0")
    machine.wait_daemon()
    machine.in_order()


def test_a_reinstallation_fails_as_without_us_and_mail_stays_up(upstream):
    """Nothing dangles then, and what is right is not ours to remove."""
    without = upstream.reinstall(SERVER, check=False)
    assert without.code == 100
    upstream.sh("rm /etc/vsmtp/plugins/*.so; dpkg --configure -a")
    upstream.wait_starts(2)
    upstream.install("vsmtp-plugind")
    # What a server loaded that started without the kit is not on record: only times tell then.
    upstream.sh("systemctl restart vsmtp")
    before = len(upstream.wait_starts(3))
    assert upstream.reinstall(SERVER, check=False).code == 100
    assert upstream.states()[SERVER] == "iF"
    upstream.wait_starts(before)
    assert upstream.is_active("vsmtp") and upstream.is_active(harness.DAEMON)
    assert upstream.links() == links("1.0.0")
    upstream.sh("systemctl restart vsmtp")
    assert seen(upstream.wait_starts(before + 1)[-1]) == links("1.0.0")


def test_purging_the_kit_leaves_what_a_removed_upstream_comes_back_to(upstream):
    """Its postinst makes no directory of its own where /etc/vsmtp is there already."""
    upstream.install("vsmtp-plugind")
    upstream.wait_starts(1)
    upstream.remove(SERVER)
    upstream.purge("vsmtp-plugind")
    assert upstream.path("/etc/vsmtp/plugins").is_dir()
    upstream.install(SERVER)
    assert upstream.states()[SERVER] == "ii"


def test_purging_upstream_takes_all_and_installing_it_again_works(upstream):
    upstream.install("vsmtp-plugind")
    upstream.wait_starts(1)
    upstream.purge(SERVER)
    upstream.wait_peace()
    assert not upstream.path("/etc/vsmtp").exists()
    upstream.in_order()
    upstream.install(SERVER)
    upstream.sh("systemctl start vsmtp")
    assert seen(upstream.wait_starts(2)[-1]) == links("1.0.0")
    upstream.wait_daemon()
    upstream.in_order()
