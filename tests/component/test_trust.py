# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rule 12: vSMTP loads plugins as root, so every component of their paths must be to be trusted."""

import os
import subprocess

import pytest

import kit
import world
from world import file_of, right_links

NOBODY = 65534
STORE_PATH = ["/", "/usr", "/usr/lib", kit.STORE]


def gates(tree):
    rows = tree.ctl("list", "--json", expect=0).json["entries"]
    return {row["target"]: row["gate"] for row in rows}


def why(tree, name="mysql"):
    done = tree.ctl("why", name)
    return done.out + done.err


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
@pytest.mark.parametrize("where", [*STORE_PATH, file_of("mysql")])
def test_rule_12_what_others_may_write_is_not_linked(tree, where, mode):
    """Every component counts, sticky or not, whoever the group is; the first bad one is named."""
    tree.plugin("mysql")
    (tree / where).chmod(mode)
    tree.config("[Plugind]\nVersion=1.0.0\n")  # the program lies below the bad directory, too
    # Above the top lies the configuration, too: it is not known then.
    tree.ctl("sync", expect=1 if where == "/" else (0, 4))
    assert tree.links() == {}
    assert gates(tree) == {file_of("mysql"): "untrusted"}
    assert where in why(tree)
    (tree / where).chmod(0o755)
    tree.ctl("sync", expect=0)
    assert tree.links() == right_links(["mysql"])


@pytest.mark.parametrize("where", [*STORE_PATH, file_of("mysql")])
def test_rule_12_what_others_own_is_not_linked_unless_allowed(tree, where):
    tree.plugin("mysql")
    os.chown(tree / where, NOBODY, 0)
    tree.config("[Plugind]\nVersion=1.0.0\n")
    tree.ctl("sync", expect=1 if where == "/" else (0, 4))
    assert tree.links() == {}
    assert gates(tree) == {file_of("mysql"): "untrusted"}
    tree.config("[Plugind]\nVersion=1.0.0\nRequireRootOwned=no\n")
    if where == "/":  # above the configuration, too, which is judged as root's in any case
        tree.ctl("sync", expect=1)
        return
    tree.ctl("sync", expect=0)
    assert tree.links() == right_links(["mysql"])
    (tree / where).chmod(0o775)  # only the owner test was dropped
    tree.ctl("sync", expect=4)
    assert tree.links() == {}


def test_rule_12_the_version_directory_counts(tree):
    path = tree.plugin("redis", layout="B")
    (tree.store / "1.0.0").chmod(0o777)
    tree.ctl("sync", expect=(0, 4))
    assert tree.links() == {}
    assert gates(tree) == {path: "untrusted"}
    assert kit.STORE + "/1.0.0" in why(tree, "redis")


@pytest.mark.parametrize("text", ["/opt/real/mysql.so", "../../../opt/real/mysql.so"])
@pytest.mark.parametrize("bad", ["/opt", "/opt/real", "/opt/real/mysql.so"])
def test_rule_12_a_symlinked_entry_is_judged_where_it_leads(tree, text, bad):
    tree.put("/opt/real/mysql.so", kit.plugin_bytes(built_for="1.0.0"))
    (tree / file_of("mysql")).symlink_to(text)
    tree.ctl("sync", expect=0)
    assert tree.links() == right_links(["mysql"])
    (tree / bad).chmod(0o777)
    tree.ctl("sync", expect=4)
    assert tree.links() == {}
    assert bad in why(tree)


def test_rule_12_a_symlink_in_the_middle_of_the_way_counts(tree):
    """/opt/way leads on to /srv/far: the directories above both are on the way."""
    tree.put("/srv/far/mysql.so", kit.plugin_bytes(built_for="1.0.0"))
    tree.mkdir("/opt/step")
    (tree / "opt/step/way").symlink_to("/srv/far")
    (tree / file_of("mysql")).symlink_to("/opt/step/way/mysql.so")
    tree.ctl("sync", expect=0)
    assert tree.links() == right_links(["mysql"])
    (tree / "opt/step").chmod(0o777)  # who writes here decides where `way` leads
    tree.ctl("sync", expect=4)
    assert tree.links() == {}
    assert "/opt/step" in why(tree)


def test_rule_12_a_version_directory_may_be_a_symlink_and_is_judged_where_it_leads(tree):
    tree.put("/opt/v1/libvsmtp_plugin_redis.so", kit.plugin_bytes(built_for="1.0.0"))
    (tree.store / "1.0.0").symlink_to("/opt/v1")
    tree.ctl("sync", expect=0)
    assert set(tree.links()) == {"libvsmtp_plugin_redis.so"}
    (tree / "opt").chmod(0o777)
    tree.ctl("sync", expect=4)
    assert tree.links() == {}


def test_rule_12_one_bad_file_does_not_keep_the_others(tree):
    tree.plugin("mysql")
    tree.plugin("redis")
    (tree / file_of("redis")).chmod(0o666)
    tree.ctl("sync", expect=0)
    assert tree.links() == right_links(["mysql"])


# ---- the links directory ----


@pytest.mark.parametrize("owner, mode", [(NOBODY, 0o755), (0, 0o775), (0, 0o757), (NOBODY, 0o777)])
@pytest.mark.parametrize("who", ["sync", "daemon"])
def test_rule_12_the_links_directory_is_taken_over_and_it_is_said(tree, owner, mode, who):
    tree.plugin("mysql")
    tree.link("mine.so", "/opt/mine.so")
    os.chown(tree.links_dir, owner, owner)
    tree.links_dir.chmod(mode)
    if who == "sync":
        done = tree.ctl("sync", expect=0)
        said = done.out + done.err
    else:
        with tree.daemon() as daemon:
            said = daemon.log
    st = tree.links_dir.stat()
    assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (0, 0, 0o755)
    assert kit.LINKS in said
    assert "took" in said or "taken" in said, said
    assert tree.links() == {**right_links(["mysql"]), "mine.so": "/opt/mine.so"}


def test_rule_12_without_the_privilege_it_is_only_reported(open_tree):
    """The user of a rootless tree whose links directory is another's."""
    tree = open_tree
    tree.plugin("mysql")
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", tree.path], check=True)
    os.chown(tree.links_dir, 1234, 1234)
    tree.links_dir.chmod(0o777)
    done = tree.ctl("sync", user=NOBODY)
    assert done.code == 1 and kit.LINKS in done.err, done
    assert tree.links_dir.stat().st_uid == 1234


@pytest.mark.parametrize("to", ["/etc/elsewhere", "../elsewhere", "/no/such"])
def test_rule_12_a_symlinked_links_directory_is_refused(tree, to):
    tree.plugin("mysql")
    tree.mkdir("/etc/elsewhere")
    tree.links_dir.rmdir()
    tree.links_dir.symlink_to(to)
    done = tree.ctl("sync", expect=1)
    assert "symlink" in done.err
    assert os.listdir(tree / "etc/elsewhere") == [] and tree.links_dir.is_symlink()
    with tree.daemon() as daemon:
        world.log_wait(daemon, "is a symlink")
        tree.links_dir.unlink()
        tree.mkdir(kit.LINKS)
        daemon.wait_links(right_links(["mysql"]))


def test_rule_12_its_parents_are_never_a_reason_to_stop(tree):
    tree.plugin("mysql")
    os.chown(tree / "etc/vsmtp", NOBODY, NOBODY)
    (tree / "etc/vsmtp").chmod(0o775)
    tree.ctl("sync", expect=0)
    assert tree.links() == right_links(["mysql"])
    st = (tree / "etc/vsmtp").stat()
    assert (st.st_uid, st.st_mode & 0o777) == (NOBODY, 0o775)


def test_rule_12_a_cured_directory_is_noticed(tree):
    """chmod of the file, of its store, of a directory above: the cure that `why` names works at once."""
    tree.plugin("mysql")
    tree.config(world.NO_SECOND_LOOK + "Version=1.0.0\n")
    with tree.daemon() as daemon:
        daemon.wait_links(right_links(["mysql"]))
        for where in (file_of("mysql"), kit.STORE, "/usr"):
            (tree / where).chmod(0o777)
            daemon.wait_links({})
            (tree / where).chmod(0o755)
            daemon.wait_links(right_links(["mysql"]))
