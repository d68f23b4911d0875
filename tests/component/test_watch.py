# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rule 16: whatever happens to stores, links, program and configuration is seen while it runs."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

import kit
import world
from world import file_of, link_of, right_links

MYSQL = right_links(["mysql"])
BOTH = right_links(["mysql", "redis"])


@pytest.fixture
def served(tree):
    """A tree with one plugin, linked by a running daemon. The look after a burst, which would mend
    what an event did not tell, comes too late to be seen here."""
    tree.config(world.NO_SECOND_LOOK, "plugind.conf.d/00-settle.conf", "/usr/lib/vsmtp-plugind")
    tree.plugin("mysql")
    with tree.daemon() as daemon:
        daemon.wait_links(MYSQL)
        yield daemon


@pytest.fixture
def mounts():
    """Paths to unmount at the end."""
    paths = []
    yield paths
    for path in reversed(paths):
        subprocess.run(["umount", "-l", path], capture_output=True)


def remove(path):
    """At once, so that nobody puts anything back into it meanwhile."""
    if path.exists():
        path.rename(path.parent / ".removed")
        shutil.rmtree(path.parent / ".removed")


# ---- stores ----


def test_rule_16_files_come_change_and_go(served):
    tree = served.tree
    tree.plugin("redis")
    served.wait_links(BOTH)
    (tree / file_of("mysql")).unlink()
    served.wait_links(right_links(["redis"]))
    tree.put(file_of("redis"), b"no ELF any more")
    served.wait_links({})
    tree.plugin("redis")
    served.wait_links(right_links(["redis"]))
    (tree / file_of("redis")).rename(tree / file_of("redis", "1.1.0"))
    served.wait_links({})
    (tree / file_of("redis", "1.1.0")).rename(tree / file_of("redis"))
    served.wait_links(right_links(["redis"]))


def test_rule_16_renamed_in_from_elsewhere_and_out_again(served):
    tree = served.tree
    data = kit.plugin_bytes(built_for="1.0.0")
    elsewhere = tree.put("/srv/build/x.so", data)
    for _ in range(5):
        elsewhere.rename(tree / file_of("redis"))
        served.wait_links(BOTH)
        (tree / file_of("redis")).rename(elsewhere)
        served.wait_links(MYSQL)


def test_rule_16_a_hard_link_and_a_symlink_into_the_store(served):
    tree = served.tree
    elsewhere = tree.put("/srv/build/x.so", kit.plugin_bytes(built_for="1.0.0"))
    os.link(elsewhere, tree / file_of("redis"))
    served.wait_links(BOTH)
    (tree / file_of("redis")).unlink()
    served.wait_links(MYSQL)
    (tree / file_of("redis")).symlink_to("/srv/build/x.so")
    served.wait_links(BOTH)


@pytest.mark.parametrize("missing", [kit.STORE, "/usr/lib", "/usr"])
def test_rule_16_a_store_that_comes_later(tree, missing):
    """It, or what is above it, is made under the running daemon; with its files, or before them."""
    tree.config("[Plugind]\nVersion=1.0.0\n")
    tree.plugin("mysql")
    aside = tree / "aside"
    (tree / missing).rename(aside)
    with tree.daemon() as daemon:
        for _ in range(3):
            aside.rename(tree / missing)
            daemon.wait_links(MYSQL)
            (tree / missing).rename(aside)
            daemon.wait_links({})
        shutil.rmtree(aside)
        for part in ("/usr", "/usr/lib", kit.STORE):
            if not (tree / part).exists():
                (tree / part).mkdir(mode=0o755)
                time.sleep(0.02)
        tree.plugin("redis")
        daemon.wait_links(right_links(["redis"]))


def test_rule_16_a_store_removed_and_made_again(served):
    tree = served.tree
    for _ in range(5):
        shutil.rmtree(tree.store)
        served.wait_links({})
        tree.mkdir(kit.STORE)
        tree.plugin("mysql")
        served.wait_links(MYSQL)


def test_rule_16_a_store_gone_for_a_moment(served):
    """Too short a moment to be seen, perhaps: afterwards all is right, and watched."""
    tree = served.tree
    for _ in range(20):
        tree.store.rename(tree / "aside")
        (tree / "aside").rename(tree.store)
    served.wait_links(MYSQL)
    tree.plugin("redis")
    served.wait_links(BOTH)


def test_rule_16_a_store_exchanged_for_another(served):
    tree = served.tree
    for turn in range(1, 6):
        fresh = tree.mkdir(f"/usr/lib/fresh-{turn}")
        name = f"p{turn}"
        (fresh / Path(file_of(name)).name).write_bytes(kit.plugin_bytes(built_for="1.0.0"))
        (fresh / Path(file_of(name)).name).chmod(0o755)
        tree.store.rename(tree / f"usr/lib/old-{turn}")
        fresh.rename(tree.store)
        served.wait_links(right_links([name]))
        (tree / f"usr/lib/old-{turn}" / Path(file_of("late")).name).touch()  # is nobody's any more
    tree.plugin("redis")
    served.wait_links(right_links([name, "redis"]))


def test_rule_16_a_store_replaced_by_a_symlink(served):
    tree = served.tree
    tree.store.rename(tree / "opt")
    tree.store.symlink_to("/opt")
    served.wait_links(MYSQL)
    tree.plugin("redis", store="/opt")
    served.wait_links(BOTH)
    # the symlink is turned to another directory
    tree.plugin("other", store="/srv/second")
    (tree / "tmp/s").symlink_to("/srv/second")
    (tree / "tmp/s").rename(tree.store)
    served.wait_links(right_links(["other"]))
    tree.plugin("third", store="/srv/second")
    served.wait_links(right_links(["other", "third"]))


def test_rule_16_a_second_store_is_watched_from_when_it_is_named(served):
    tree = served.tree
    tree.plugin("redis", store="/usr/local/lib/vsmtp")
    tree.config("[Plugind]\nStore=/usr/lib/vsmtp /usr/local/lib/vsmtp\n")
    second = {link_of("redis"): "/usr/local/lib/vsmtp/libvsmtp-plugin-redis-1.0.0.so"}
    served.wait_links({**MYSQL, **second})
    (tree / "usr/local/lib/vsmtp/libvsmtp-plugin-redis-1.0.0.so").unlink()
    served.wait_links(MYSQL)


@pytest.mark.parametrize("over", [kit.STORE, "/usr/lib"])
def test_rule_16_a_mount_over_the_store_or_its_parent(served, mounts, over):
    """inotify does not hear of it; and what comes on the other file system is watched as well."""
    tree = served.tree
    for _ in range(2):
        world.mount("-t", "tmpfs", "-o", "mode=0755,size=4m", "kit", tree / over)
        mounts.append(tree / over)
        served.wait_links({})
        tree.mkdir(kit.STORE)
        path = tree / file_of("redis")  # from another file system: copied, not renamed
        path.write_bytes(kit.plugin_bytes(built_for="1.0.0"))
        path.chmod(0o755)
        served.wait_links(right_links(["redis"]))
        world.umount(mounts.pop())
        served.wait_links(MYSQL)


def test_rule_16_a_bind_mount_of_a_full_store(served, mounts):
    tree = served.tree
    tree.plugin("redis", store="/srv/image")
    subprocess.run(["mount", "--bind", tree / "srv/image", tree.store], check=True)
    mounts.append(tree.store)
    served.wait_links(right_links(["redis"]))


# ---- version directories ----


@pytest.mark.slow
def test_rule_16_a_version_directory_appears_with_its_file_at_once(served):
    tree = served.tree
    file = tree.store / "1.0.0/libvsmtp_plugin_redis.so"
    ready = tree.put("/srv/x.so", kit.plugin_bytes(built_for="1.0.0"))
    both = {link_of("mysql"), file.name}
    for turn in range(150):
        file.parent.mkdir(mode=0o755)
        ready.rename(file)
        served.wait_links(both)
        if turn % 3 == 0:  # and once more in a directory that is watched by now
            file.rename(ready)
            served.wait_links({link_of("mysql")})
            ready.rename(file)
            served.wait_links(both)
        file.rename(ready)
        file.parent.rmdir()
        served.wait_links({link_of("mysql")})


def test_rule_16_a_version_directory_renamed_in_and_out(served):
    tree = served.tree
    tree.put("/srv/1.0.0/libvsmtp_plugin_redis.so", kit.plugin_bytes(built_for="1.0.0"))
    for _ in range(5):
        (tree / "srv/1.0.0").rename(tree.store / "1.0.0")
        served.wait_links({link_of("mysql"), "libvsmtp_plugin_redis.so"})
        (tree.store / "1.0.0").rename(tree / "srv/1.0.0")
        served.wait_links({link_of("mysql")})


# ---- the program ----


def test_rule_16_the_program_replaced_removed_and_made_again(served):
    tree = served.tree
    tree.plugin("mysql", "1.1.0")
    tree.server("1.1.0")
    served.wait_links(right_links(["mysql"], "1.1.0"))
    tree.server(None)
    served.wait_links({})
    tree.server("1.0.0")
    served.wait_links(MYSQL)
    (tree / "usr/sbin").rename(tree / "aside")
    served.wait_links({})
    (tree / "aside").rename(tree / "usr/sbin")
    served.wait_links(MYSQL)
    (tree / kit.SERVER).write_bytes(kit.server_program("1.1.0").read_bytes())  # in place
    served.wait_links(right_links(["mysql"], "1.1.0"))


def test_rule_16_a_program_behind_a_symlink(served):
    tree = served.tree
    tree.plugin("mysql", "1.1.0")
    tree.put("/opt/v11/vsmtp", kit.server_program("1.1.0").read_bytes())
    tree.put("/opt/v10/vsmtp", kit.server_program("1.0.0").read_bytes())
    (tree / "opt/now").symlink_to("v11")
    (tree / kit.SERVER).unlink()
    (tree / kit.SERVER).symlink_to("/opt/now/vsmtp")
    served.wait_links(right_links(["mysql"], "1.1.0"))
    (tree / "tmp/now").symlink_to("v10")
    (tree / "tmp/now").rename(tree / "opt/now")
    served.wait_links(MYSQL)
    tree.put("/opt/v10/vsmtp", kit.server_program("1.1.0").read_bytes())
    served.wait_links(right_links(["mysql"], "1.1.0"))


# ---- the configuration ----


OFF = "[Plugin mysql]\nEnabled=no\n"
WHERE = [
    ("/etc/vsmtp-plugind", "plugind.conf"),
    ("/etc/vsmtp-plugind", "plugind.conf.d/x.conf"),
    ("/usr/lib/vsmtp-plugind", "plugind.conf"),
    ("/usr/lib/vsmtp-plugind", "plugind.conf.d/x.conf"),
]


@pytest.mark.parametrize("where, name", WHERE)
def test_rule_16_configuration_written_changed_and_removed(served, where, name):
    tree = served.tree
    for _ in range(2):
        path = tree.config(OFF, name, where)
        served.wait_links({})
        path.write_text("[Plugin mysql]\nEnabled=yes\n")
        served.wait_links(MYSQL)
        path.write_text(OFF)
        served.wait_links({})
        path.unlink()
        served.wait_links(MYSQL)


def test_rule_16_configuration_directories_made_and_removed(served):
    tree = served.tree
    etc = tree / "etc/vsmtp-plugind"
    for _ in range(3):
        remove(etc)
        tree.config(OFF)
        served.wait_links({})
        remove(etc)
        served.wait_links(MYSQL)


def test_rule_16_disable_is_not_undone(served):
    tree = served.tree
    tree.ctl("disable", "mysql", expect=0)
    assert tree.links() == {}
    for turn in range(5):
        tree.plugin(f"p{turn}")
        served.wait_links(right_links([f"p{i}" for i in range(turn + 1)]))
    tree.plugin("mysql", tag="another build")
    served.signal(signal.SIGHUP)
    served.wait_message("READY=1", count=2)
    assert link_of("mysql") not in tree.links()


# ---- the links directory ----


def test_rule_16_the_links_directory_removed_and_made_again(served):
    tree = served.tree
    for turn in range(5):
        remove(tree.links_dir)
        if turn % 2:
            with contextlib.suppress(FileExistsError):  # the daemon was faster
                tree.links_dir.mkdir(mode=0o755)
        served.wait_links(MYSQL)
    tree.links_dir.rename(tree / "aside")
    served.wait_links(MYSQL)
    (tree.links_dir / link_of("mysql")).unlink()
    served.wait_links(MYSQL)


def test_rule_16_etc_vsmtp_comes_later(tree):
    shutil.rmtree(tree / "etc/vsmtp")
    tree.plugin("mysql")
    with tree.daemon() as daemon:
        assert not (tree / "etc/vsmtp").exists()  # it is never made
        tree.mkdir("/etc/vsmtp")
        daemon.wait_links(MYSQL)
        assert (tree / "etc/vsmtp/services").is_dir()
        remove(tree / "etc/vsmtp")
        kit.wait_until(lambda: "0 plugins" in (daemon.status or "") or daemon.status)
        assert not (tree / "etc/vsmtp").exists()
        tree.mkdir("/etc/vsmtp")
        daemon.wait_links(MYSQL)


def test_rule_16_a_change_after_a_pass_that_had_nothing_to_do(served):
    tree = served.tree
    tree.plugin("redis", "0.9.0")
    kit.wait_until(lambda: "redis" in served.log, what="the word on a file that does not fit")
    (tree.links_dir / link_of("mysql")).unlink()
    served.wait_links(MYSQL)


def test_rule_16_links_changed_by_hand(served):
    tree = served.tree
    tree.link(link_of("mysql"), file_of("nothing"))
    served.wait_links(MYSQL)
    tree.link("mine.so", "/opt/mine.so")
    tree.link("stale.so", file_of("stale", "0.9.0"))
    served.wait_links({**MYSQL, "mine.so": "/opt/mine.so"})
    (tree.links_dir / link_of("mysql")).rename(tree.links_dir / "renamed.so")
    served.wait_links({"renamed.so": file_of("mysql"), "mine.so": "/opt/mine.so"})


def test_rule_09_a_program_that_could_not_be_run_is_asked_again_without_an_event(served):
    """Somebody had it open for writing (ETXTBSY), by another name of it, outside of what is watched."""
    tree = served.tree
    new = tree.put("/srv/vsmtp", kit.server_program("1.1.0").read_bytes())
    tree.plugin("mysql", "1.1.0")
    with open(new, "r+b"):
        os.link(new, tree / "tmp/vsmtp")
        (tree / "tmp/vsmtp").rename(tree / kit.SERVER)
        world.log_wait(served, "could not be run: Text file busy")
        assert served.tree.links() == MYSQL
    served.wait_links(right_links(["mysql"], "1.1.0"))
