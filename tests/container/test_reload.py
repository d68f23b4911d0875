# SPDX-License-Identifier: LGPL-2.1-or-later
"""What only a real service manager can show: links, and how often vSMTP is restarted for them."""

import time

import harness
import kit
import pytest


def loaded_ok(start, name, target):
    assert start["loaded"].get(f"vsmtp-plugin-{name}.so") == (target, "ok"), start


def test_rule_18_a_copied_plugin_gives_its_link_and_one_restart(box):
    box.stage("mysql.so", kit.plugin_bytes(built_for="1.0.0"), 0o644)
    target = "/usr/lib/vsmtp/libvsmtp-plugin-mysql-1.0.0.so"
    box.run("cp", "/usr/lib/kit-staging/mysql.so", target)
    box.wait_links(["mysql"])
    assert box.links()["vsmtp-plugin-mysql.so"] == target
    starts = box.wait_starts(2)
    loaded_ok(starts[1], "mysql", target)
    assert box.show("vsmtp", "InvocationID") == starts[1]["invocation"]


def test_rule_18_a_burst_of_200_plugins_costs_one_restart(box):
    names = [f"n{i:03}" for i in range(200)]
    staged = {
        n: box.stage(n, kit.plugin_bytes(tag=n, built_for="1.0.0")) for n in names
    }
    store = box.path("/usr/lib/vsmtp")
    for name, path in staged.items():
        path.rename(store / f"libvsmtp-plugin-{name}-1.0.0.so")
    box.wait_links(names)
    starts = box.wait_starts(2)
    assert len(starts[1]["loaded"]) == 200
    for name in names:
        loaded_ok(starts[1], name, f"/usr/lib/vsmtp/libvsmtp-plugin-{name}-1.0.0.so")


def test_rule_18_a_trickle_of_15_plugins_costs_three_restarts_and_each_link_comes_at_once(box, capsys):
    """One every 100 ms, which is just the time of quiet that a reload waits for."""
    names = [f"n{i:02}" for i in range(15)]
    staged = [box.stage(n, kit.plugin_bytes(tag=n, built_for="1.0.0")) for n in names]
    store, links = box.path("/usr/lib/vsmtp"), box.path(kit.LINKS)
    spans = []
    for name, path in zip(names, staged):
        start = time.monotonic()
        path.rename(store / f"libvsmtp-plugin-{name}-1.0.0.so")
        kit.wait_until((links / f"vsmtp-plugin-{name}.so").is_symlink, what="the link", step=0.0005)
        spans.append(time.monotonic() - start)
        time.sleep(max(0, 0.1 - spans[-1]))  # the rhythm is what is tested
    kit.wait_until(lambda: len(box.starts()[-1]["loaded"]) == 15, 60, "all of them")
    box.wait_peace()
    with capsys.disabled():
        print(f"\n    ms to each link: {[round(s * 1000, 1) for s in spans]}, restarts: {len(box.starts()) - 1}")
    assert len(box.starts()) <= 4
    assert sorted(spans)[len(spans) // 2] < 0.02  # the machine may have better things to do for a while


def test_rule_19_ten_changes_a_second_apart_leave_the_server_running(box):
    for i in range(10):
        box.plugin("mysql", tag=f"build {i}")
        time.sleep(1)  # the rhythm is what is tested: the unit's start limit is 5 in 10 s
    box.wait_peace()
    assert box.is_active("vsmtp")
    assert box.show("vsmtp", "Result") == "success"
    last = box.starts()[-1]
    loaded_ok(last, "mysql", "/usr/lib/vsmtp/libvsmtp-plugin-mysql-1.0.0.so")
    assert not owed(box)


def owed(box):
    """Would a reload be asked for now?"""
    before = len(box.starts())
    box.ctl("sync")
    box.wait_peace()
    return len(box.starts()) != before


@pytest.fixture
def served(box):
    """One plugin is linked and loaded: two starts so far."""
    box.plugin("mysql", tag="first")
    box.wait_links(["mysql"])
    box.wait_starts(2)
    return box


LINK = f"{kit.LINKS}/vsmtp-plugin-mysql.so"
FILE = "/usr/lib/vsmtp/libvsmtp-plugin-mysql-1.0.0.so"


def test_rule_18_a_link_made_anew_with_the_same_text_restarts_nobody(served):
    served.sh(f"ln -s {FILE} {kit.LINKS}/../new && mv -T {kit.LINKS}/../new {LINK}")
    served.wait_starts(2)
    assert served.links() == {"vsmtp-plugin-mysql.so": FILE}


def test_rule_18_chmod_of_a_plugin_restarts_nobody(served):
    served.run("chmod", "0644", FILE)
    served.wait_starts(2)
    assert served.links() == {"vsmtp-plugin-mysql.so": FILE}


def test_rule_18_what_the_start_hook_recorded_counts_and_not_file_times(served):
    served.run("systemctl", "restart", "vsmtp")
    served.wait_starts(3)
    served.run("chmod", "0644", FILE)
    served.sh(f"ln -s {FILE} {kit.LINKS}/../new && mv -T {kit.LINKS}/../new {LINK}")
    served.plugin("mysql", tag="first")
    served.wait_starts(3)
    assert served.ctl_json("status")["in-sync"]


def test_rule_18_a_hard_link_to_a_plugin_restarts_nobody(served):
    served.run("ln", FILE, "/usr/lib/kit-staging/hard-link")
    served.wait_starts(2)


def test_rule_18_the_same_build_installed_again_restarts_nobody(served):
    served.plugin("mysql", tag="first")
    served.wait_starts(2)
    assert served.links() == {"vsmtp-plugin-mysql.so": FILE}


def test_rule_18_another_build_of_the_same_name_restarts_once(served):
    served.plugin("mysql", tag="second")
    starts = served.wait_starts(3)
    loaded_ok(starts[2], "mysql", FILE)


def test_rule_10_a_link_deleted_by_hand_is_put_back_and_restarts_nobody(served):
    served.run("rm", LINK)
    served.wait_links(["mysql"])
    served.wait_starts(2)
    assert "vsmtp-pluginctl disable" in served.journal("-u", harness.DAEMON)


def test_rule_09_a_removed_plugin_goes_and_costs_one_restart(served):
    served.run("rm", FILE)
    served.wait_links([])
    starts = served.wait_starts(3)
    assert starts[2]["loaded"] == {}


def test_rule_16_disable_is_not_undone(served):
    # Exit 4 would be right for "a plugin that had a link has none", 0 because it was asked for.
    served.ctl("disable", "mysql")
    served.wait_links([])
    served.wait_starts(3)
    served.plugin("csv")
    served.wait_links(["csv"])
    served.run("systemctl", "reload", harness.DAEMON)
    served.run("systemctl", "restart", harness.DAEMON)
    served.wait_daemon()
    served.wait_starts(4)
    assert set(served.links()) == {"vsmtp-plugin-csv.so"}
    served.ctl("enable", "mysql")
    served.wait_links(["csv", "mysql"])
    served.wait_starts(5)


def test_rule_18_a_stopped_server_is_never_started(box):
    box.run("systemctl", "stop", "vsmtp")
    box.plugin("mysql")
    box.wait_links(["mysql"])
    box.wait_starts(1)
    box.ctl("reload", check=False)
    box.ctl("sync", check=False)
    box.wait_starts(1)
    assert not box.is_active("vsmtp")


def test_rule_18_the_start_hook_makes_links_right_before_the_server_loads_them(box):
    box.run("systemctl", "stop", "vsmtp", harness.DAEMON)
    target = box.plugin("mysql")
    box.run("systemctl", "start", "vsmtp")
    starts = box.wait_starts(2)
    loaded_ok(starts[1], "mysql", target)
    # The daemon comes late and finds nothing to do.
    box.run("systemctl", "start", harness.DAEMON)
    box.wait_starts(2)


def test_rule_18_an_upgrade_of_server_and_plugins_costs_one_restart(box):
    old = {n: box.plugin(n) for n in ("csv", "mysql")}
    box.wait_links(old)
    box.wait_starts(2)
    # As a package manager does it: plugins first, then the program, the old files last; the
    # package's own script then restarts the service.
    new = {n: box.plugin(n, "1.1.0") for n in old}
    box.put(kit.SERVER, kit.server_program("1.1.0").read_bytes())
    box.run("systemctl", "restart", "vsmtp")
    for path in old.values():
        box.path(path).unlink()
    kit.wait_until(lambda: len(box.starts()) >= 3, what="the restart")
    box.wait_peace()
    starts = box.starts()
    assert all(r == "ok" for start in starts for _, r in start["loaded"].values()), starts
    for name, path in new.items():
        assert box.links()[f"vsmtp-plugin-{name}.so"] == path
        loaded_ok(starts[-1], name, path)
    # One by the package, and at most one by the daemon, which saw the program change first.
    assert len(starts) <= 4
    assert box.show("vsmtp", "NRestarts") == "0", "it crashed"


def test_rule_03_a_plugin_of_another_version_is_never_loaded(box):
    box.plugin("mysql", "1.1.0")
    box.plugin("csv")
    box.wait_links(["csv"])
    box.wait_starts(2)
    box.run("systemctl", "restart", "vsmtp")
    starts = box.wait_starts(3)
    assert set(starts[2]["loaded"]) == {"vsmtp-plugin-csv.so"}
    assert box.show("vsmtp", "NRestarts") == "0"


def test_rule_19_the_units_own_reload_is_used_if_it_has_one(box):
    box.put(
        "/etc/systemd/system/vsmtp.service.d/50-own-reload.conf",
        "[Service]\nExecReload=/bin/sh -c 'echo reloaded >>/run/own-reloads'\n",
        0o644,
    )
    box.run("systemctl", "daemon-reload")
    box.plugin("mysql")
    box.wait_links(["mysql"])
    reloads = box.path("/run/own-reloads")
    kit.wait_until(reloads.exists, what="the reload")
    box.wait_starts(1)
    assert reloads.read_text() == "reloaded\n"


def test_rule_19_action_none_makes_links_and_restarts_nobody(box):
    box.put("/etc/vsmtp-plugind/plugind.conf.d/50-none.conf", "[Plugind]\nAction=none\n", 0o644)
    box.run("systemctl", "reload", harness.DAEMON)
    box.plugin("mysql")
    box.wait_links(["mysql"])
    box.wait_starts(1)


def test_links_are_right_without_a_message_bus(box):
    box.run("systemctl", "stop", "dbus.socket", "dbus.service")
    target = box.plugin("mysql")
    box.wait_links(["mysql"])
    assert box.links()["vsmtp-plugin-mysql.so"] == target
    assert box.is_active(harness.DAEMON)
    box.run("systemctl", "start", "dbus.socket")


def test_a_reload_asked_for_while_the_executor_works_is_not_lost(box):
    """Aims at the moment: each plugin is put in as soon as the executor is seen at work."""
    for i in range(5):
        box.plugin(f"first{i}")
        kit.wait_until(
            lambda: box.show(harness.EXECUTOR, "ActiveState") != "inactive", 30, "the executor", 0.002
        )
        box.plugin(f"second{i}")
        box.wait_peace()
        last = box.starts()[-1]
        loaded_ok(last, f"second{i}", f"/usr/lib/vsmtp/libvsmtp-plugin-second{i}-1.0.0.so")
    assert box.is_active("vsmtp")


def test_two_units_are_both_restarted_and_a_stopped_one_is_not(box):
    for name in ("vsmtp-b", "vsmtp-c"):
        box.put(
            f"/etc/systemd/system/{name}.service",
            harness.UNIT.replace("[Service]", f"[Service]\nEnvironment=VSMTP_STANDIN_LOG=/run/{name}.log"),
            0o644,
        )
    box.put(
        "/etc/vsmtp-plugind/plugind.conf.d/50-units.conf",
        "[Plugind]\nUnit=vsmtp.service vsmtp-b.service vsmtp-c.service\n",
        0o644,
    )
    box.sh("systemctl daemon-reload; systemctl start vsmtp-b; systemctl reload vsmtp-plugind")
    log_b, log_c = box.path("/run/vsmtp-b.log"), box.path("/run/vsmtp-c.log")
    kit.wait_until(log_b.exists, what="the second server")
    before = len(log_b.read_text().splitlines())
    box.plugin("mysql")
    box.wait_links(["mysql"])
    box.wait_starts(2)
    kit.wait_until(lambda: len(log_b.read_text().splitlines()) > before, what="its restart")
    box.wait_peace()
    assert len(log_b.read_text().splitlines()) == before + 1
    assert "vsmtp-plugin-mysql.so" in log_b.read_text().splitlines()[-1]
    assert not log_c.exists()
