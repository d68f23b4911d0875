# SPDX-License-Identifier: LGPL-2.1-or-later
"""vsmtp-pluginctl sync and reload, with a double of the service manager."""

import pytest

import bus

UNIT = bus.UNIT


@pytest.fixture
def host(tree, where):
    """vSMTP runs with the one plugin that is there; nothing is owed."""
    tree.config(bus.CONFIG_QUICK)
    tree.link("vsmtp-plugin-first.so", tree.plugin("first"))
    with bus.Host(tree, where) as h:
        yield h


def test_rule_18_sync_asks_for_the_reload_and_does_not_wait(host):
    host.apply("executor hold-ready")
    host.tree.plugin("second")
    done = host.ctl("sync", expect=0)
    assert "a reload is owed and was asked for" in done.out
    host.wait("executor spawned")
    assert host.count("executor exit") == 0
    host.apply("executor release")
    host.wait_end()
    assert host.restarts == 1


def test_sync_asks_for_nothing_if_nothing_is_owed(host):
    host.ctl("sync", expect=0)
    assert "reload" not in host.ctl("sync", expect=0).out
    assert host.count("executor spawned") == 0


@pytest.mark.parametrize("args", [["--no-reload"], ["--start-of=vsmtp.service"]])
def test_sync_without_a_reload(host, args):
    host.tree.plugin("second")
    host.ctl("sync", *args, expect=0)
    assert "vsmtp-plugin-second.so" in host.tree.links()
    assert host.count("executor spawned") == 0


def test_rule_19_action_none_is_left_to_the_administrator(host):
    host.tree.config(bus.CONFIG_QUICK + "Action=none\n")
    host.tree.plugin("second")
    done = host.ctl("sync", expect=0)
    assert "Action=none leaves it to you" in done.out
    host.ctl("reload", expect=3)
    assert host.count("executor spawned") == 0


def test_rule_09_no_reload_while_not_all_is_known(host):
    host.tree.plugin("second")
    host.tree.server("1.0.0", manner="silent")
    host.ctl("sync", expect=1)
    host.ctl("reload", expect=1)
    assert host.count("executor spawned") == 0


def test_status_tells_what_is_owed_and_why(host):
    host.tree.plugin("second")
    host.ctl("sync", "--no-reload", expect=0)
    done = host.ctl("status", expect=0)
    assert "links are right; a reload is owed" in done.out.splitlines()[0]
    assert UNIT in done.out and "vsmtp-plugin-second.so" in done.out
    facts = host.ctl("status", "--json", expect=0).json
    assert facts["owed"] is True and facts["units"][0]["state"] == "active"
    assert "a reload is owed" in host.ctl("plan", expect=0).out


def test_reload_waits_until_nothing_is_owed(host):
    host.tree.plugin("second")
    done = host.ctl("reload", expect=0)
    assert "the server runs with all of it now" in done.out
    assert host.restarts == 1
    host.wait_end()
    again = host.ctl("reload", expect=0)
    assert "nothing is owed" in again.out
    assert host.restarts == 1


def test_reload_force_restarts_though_nothing_is_owed(host):
    host.ctl("reload", "--force", expect=0)
    assert host.restarts == 1
    host.wait_end()
    host.ctl("sync", expect=0)
    assert host.count("executor spawned") == 1


def test_reload_that_fails_is_exit_3_with_the_reason(host):
    host.apply(f"{UNIT} result failed")
    host.tree.plugin("second")
    done = host.ctl("reload", expect=3)
    assert "the reload is not confirmed" in done.err
    assert "last reload: failed" in done.err
    assert "vsmtp-plugin-second.so" in host.tree.links()


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_rule_18_a_stopped_server_is_owed_nothing(tree, where, force):
    tree.config(bus.CONFIG_QUICK)
    tree.plugin("first")
    with bus.Host(tree, where, start=False) as host:
        host.apply(f"{UNIT} load loaded")
        done = host.ctl("reload", *force, expect=0)
        assert "does not run" in done.out
        host.ctl("sync", expect=0)
        assert host.count("executor spawned") == 0
        assert host.count(f"started {UNIT}") == 0
    assert not (tree / "run/vsmtp-plugind/reload-requested").exists()


def test_no_service_manager_is_an_answer(tree, where):
    tree.plugin("first")
    with bus.Host(tree, where, start=False, manager=False) as host:
        done = host.ctl("reload", expect=3)
        assert "no service manager" in done.out
        host.ctl("reload", expect=0)
        host.ctl("sync", expect=0)
        assert "no service manager" in host.ctl("status", expect=0).out


def test_disable_asks_for_the_reload(host):
    host.ctl("reload", "--force", expect=0)  # makes a record of what is loaded
    host.wait_end()
    done = host.ctl("disable", "first", expect=0)
    assert "was asked for" in done.out
    host.wait_end(2)
    assert host.restarts == 2
    host.ctl("enable", "first", "--no-reload", expect=0)
    assert "vsmtp-plugin-first.so" in host.tree.links()
    assert host.count("executor spawned") == 2
