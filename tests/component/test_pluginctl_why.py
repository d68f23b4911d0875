# SPDX-License-Identifier: LGPL-2.1-or-later
"""vsmtp-pluginctl why: one real example of each gate, with the values compared and the cure."""

import os
import shutil

import pytest

import bus
import kit

CODES = """name-not-understood disabled not-regular untrusted unreadable being-written not-elf truncated
wrong-machine not-shared-object no-entry-point version-conflict version-unknown version-mismatch
missing-library quarantined shadowed name-taken foreign-in-the-way""".split()
NAME = "libvsmtp-plugin-mysql-1.0.0.so"
PATH = f"{kit.STORE}/{NAME}"
LINK = "vsmtp-plugin-mysql.so"


def gates_of(answer, path):
    """The gates of one candidate of `why --json`."""
    found = [c for c in answer["candidates"] if c["path"] == path]
    assert len(found) == 1, answer
    assert [g["code"] for g in found[0]["gates"]] == CODES
    return found[0], {g["code"]: g for g in found[0]["gates"]}


def check(tree, code, values, cure, path=PATH, word=None, run=None):
    """`why` says that this gate failed, those before it passed, those behind were not reached."""
    run = run or tree.ctl
    word = word or os.path.basename(path)
    candidate, gates = gates_of(run("why", word, "--json", expect=0).json, path)
    assert candidate["gate"] == code
    at = CODES.index(code)
    assert [gates[c]["mark"] for c in CODES] == (
        ["passed"] * at + ["failed"] + ["not-reached"] * (len(CODES) - at - 1)
    )
    assert all(gates[c]["values"] for c in CODES[:at])
    text = run("why", word, expect=0).out
    for part in values:
        assert part in gates[code]["values"]
        assert part in text
    for part in cure:
        assert part in gates[code]["cure"]
        assert part in text
    line = next(x for x in text.splitlines() if x.startswith(f"  {code} ") and "FAILED" in x)
    assert gates[code]["values"] in line
    listed = [e for e in run("list", "--json", expect=0).json["entries"] if e["target"] == path]
    assert [e["gate"] for e in listed] == [code]


def test_linked_passes_all(tree):
    tree.plugin("mysql")
    tree.ctl("sync", expect=0)
    candidate, gates = gates_of(tree.ctl("why", "mysql", "--json", expect=0).json, PATH)
    assert {g["mark"] for g in gates.values()} == {"passed"}
    assert (candidate["gate"], candidate["link"], candidate["action"]) == ("linked", LINK, "keep")
    assert f"linked as {kit.LINKS}/{LINK}" in tree.ctl("why", "mysql", expect=0).out
    assert gates["version-mismatch"]["values"] == "made for vSMTP 1.0.0, the server is 1.0.0"


@pytest.mark.parametrize(
    "file, value",
    [
        ("libvsmtp-plugin-foo-1.0.so", "no full one"),
        ("libvsmtp-plugin.so", "no NAME"),
        ("foo.bar.so", "letters, digits"),
    ],
)
def test_rule_01_name_not_understood(tree, file, value):
    tree.plugin("x", file=file)
    check(
        tree,
        "name-not-understood",
        [file, value],
        ["libvsmtp-plugin-NAME-VERSION.so"],
        f"{kit.STORE}/{file}",
    )


def test_disabled(tree):
    tree.plugin("mysql")
    tree.config("[Plugin mysql]\nEnabled=no\n")
    check(tree, "disabled", ["Enabled=no in [Plugin mysql]"], ["vsmtp-pluginctl enable mysql"])


@pytest.mark.parametrize(
    "make, value",
    [
        (lambda p: p.mkdir(), "directory"),
        (lambda p: os.mkfifo(p), "pipe"),
        (lambda p: p.symlink_to("nowhere.so"), "leads nowhere"),
        (lambda p: p.symlink_to(p.name), "circle"),
    ],
)
def test_not_regular(tree, make, value):
    make(tree.store / NAME)
    check(tree, "not-regular", [value], [PATH])


def test_rule_12_untrusted(tree):
    tree.plugin("mysql")
    (tree / PATH).chmod(0o775)
    check(
        tree,
        "untrusted",
        [PATH, "owner root", "mode 0775", "others than its owner"],
        [f"chmod go-w {PATH}"],
    )
    os.chown(tree / PATH, 1234, 0)
    check(
        tree,
        "untrusted",
        ["owner user 1234, group 0, mode 0775"],
        [f"chown root {PATH} && chmod go-w {PATH}"],
    )
    (tree / PATH).chmod(0o755)
    check(
        tree,
        "untrusted",
        [f"{PATH} belongs to user 1234 (mode 0755), not to root"],
        [f"chown root {PATH}"],
    )
    os.chown(tree / PATH, 0, 0)
    (tree / PATH).chmod(0o755)
    (tree / "usr/lib").chmod(0o777)
    check(tree, "untrusted", ["/usr/lib may be written", "mode 0777"], ["chmod go-w /usr/lib"])


def test_unreadable(tree):
    tree.plugin("mysql")
    (tree / PATH).chmod(0o200)
    check(tree, "unreadable", ["mode 0200"], [f"chmod u+r {PATH}"])


def test_rule_13_being_written(tree):
    tree.plugin("mysql")
    with open(tree / PATH, "r+b"):
        check(
            tree,
            "being-written",
            ["somebody has it open for writing"],
            ["it is looked at again when they close it"],
        )
    tree.ctl("sync", expect=0)
    assert LINK in tree.links()


@pytest.mark.parametrize("data, value", [(b"#!/bin/sh\n", "10 bytes"), (b"", "empty (0 bytes)")])
def test_not_elf(tree, data, value):
    tree.put(PATH, data)
    check(tree, "not-elf", [value], ["put the compiled library there"])


def test_truncated(tree):
    data = kit.plugin_bytes()
    tree.put(PATH, data[:8192])
    check(tree, "truncated", ["8192 bytes"], ["again, whole"])


def test_wrong_machine(tree):
    data = bytearray(kit.plugin_bytes())
    data[18:20] = (183).to_bytes(2, "little")
    tree.put(PATH, bytes(data))
    check(
        tree,
        "wrong-machine",
        ["made for 64-bit little-endian AArch64", "the server is 64-bit little-endian x86-64"],
        ["install the build of mysql for 64-bit little-endian x86-64"],
    )


def test_not_shared_object(tree):
    tree.plugin("mysql", shared=False)
    check(tree, "not-shared-object", ["a program (DF_1_PIE)"], ["cc -shared"])


def test_no_entry_point(tree):
    tree.plugin("mysql", entry="something_else")
    check(
        tree,
        "no-entry-point",
        ["module_entrypoint", "deserialize_transport"],
        ["export the entry point"],
    )


def test_rule_02_version_conflict(tree):
    tree.plugin("mysql", note="1.1.0")
    check(
        tree,
        "version-conflict",
        ["its name says 1.0.0", "its note (.note.vsmtp) says 1.1.0"],
        ["name and contents agree"],
    )


def test_rule_04_version_unknown(tree):
    tree.plugin("mysql", layout="C")
    tree.config("[Plugind]\nUnversioned=skip\n")
    check(
        tree,
        "version-unknown",
        ["no version is known", "Unversioned=skip"],
        ["libvsmtp-plugin-mysql-VERSION.so", "Version= in [Plugin mysql]"],
        f"{kit.STORE}/mysql.so",
    )


def test_version_mismatch(tree):
    tree.plugin("mysql")
    tree.server("1.1.0")
    check(
        tree,
        "version-mismatch",
        ["made for vSMTP 1.0.0, the server is 1.1.0"],
        [
            "install the build of mysql for vSMTP 1.1.0 (its package's next version), or hold "
            "vsmtp back"
        ],
    )
    tree.server("0.9.0")
    check(tree, "version-mismatch", ["the server is 0.9.0"], ["upgrade vSMTP to 1.0.0"])
    tree.server("1.1.0", manner="silent")
    check(tree, "version-mismatch", ["the server's version is not known"], ["Version= in [Plugind]"])
    tree.server(None)
    check(tree, "version-mismatch", ["vSMTP is not installed"], ["install vSMTP 1.0.0"])


def test_missing_library(tree, tmp_path):
    """Below another root that is not judged, so this one runs in the tree (see bus.Host)."""
    bus.require()
    tree.plugin("mysql", needs=("libnowhere.so.7", "libgone.so.8"))
    with bus.Host(tree, tmp_path, start=False) as host:

        def inside(*args, **options):
            return host.run("vsmtp-pluginctl", *args, **options)

        check(
            tree,
            "missing-library",
            ["does not find libnowhere.so.7 and libgone.so.8"],
            ["install the packages that hold libnowhere.so.7 and libgone.so.8"],
            run=inside,
        )


@pytest.mark.parametrize(
    "files, config, winner, why",
    [
        (
            (f"{kit.STORE}/1.0.0/libvsmtp_plugin_mysql.so", PATH),
            "",
            PATH,
            "layout A comes before B",
        ),
        (
            ("/usr/local/lib/vsmtp/" + NAME, PATH),
            "[Plugind]\nStore=/usr/lib/vsmtp /usr/local/lib/vsmtp\n",
            PATH,
            "its store comes first",
        ),
        (
            (f"{kit.STORE}/libvsmtp-plugin-mysql-1.0.0+b.so", PATH),
            "",
            PATH,
            "its version is written just as the server's",
        ),
    ],
)
def test_rule_06_shadowed(tree, files, config, winner, why):
    for file in files:
        tree.put(file, kit.plugin_bytes(tag=file))
    tree.config(config)
    loser = next(f for f in files if f != winner)
    check(tree, "shadowed", [f"{winner} is preferred: {why}"], ["one plugin gets one link"], loser,
          word=loser if "/local/" in loser else None)
    tree.ctl("sync", expect=0)
    assert list(tree.links().values()) == [winner]


def test_rule_06_one_file_under_two_names(tree):
    tree.plugin("mysql")
    os.link(tree / PATH, tree.store / "libvsmtp-plugin-oracle-1.0.0.so")
    check(
        tree,
        "shadowed",
        [f"{PATH} is preferred: it is the same file under another name"],
        ["nothing needs to be done"],
        f"{kit.STORE}/libvsmtp-plugin-oracle-1.0.0.so",
    )


def test_rule_07_name_taken(tree):
    tree.plugin("mysql")
    tree.plugin("oracle")
    tree.config("[Plugin mysql]\nLinkName=db.so\n[Plugin oracle]\nLinkName=db.so\n")
    check(
        tree,
        "name-taken",
        ["the link name db.so belongs to plugin mysql"],
        ["LinkName= in [Plugin oracle]"],
        f"{kit.STORE}/libvsmtp-plugin-oracle-1.0.0.so",
    )


def test_rule_08_foreign_in_the_way(tree):
    tree.plugin("mysql")
    tree.link(LINK, "/opt/own-build.so")
    check(
        tree,
        "foreign-in-the-way",
        [f"{kit.LINKS}/{LINK}", "not made by this kit"],
        ["remove that entry", "LinkName= in [Plugin mysql]"],
    )
    tree.ctl("sync", expect=4)
    assert tree.links() == {LINK: "/opt/own-build.so"}


def test_rule_08_a_link_made_by_hand_to_the_very_file_needs_no_cure(tree):
    tree.plugin("mysql")
    tree.mkdir("opt")
    os.link(tree / PATH, tree / "opt/same.so")
    tree.link("mine.so", "/opt/same.so")
    check(
        tree,
        "foreign-in-the-way",
        ["mine.so", "made by hand, is this very file"],
        ["nothing needs to be done"],
    )


def test_every_code_but_the_one_of_later_is_here():
    """Each gate that can exist has its example above."""
    with open(__file__) as f:
        text = f.read()
    for code in CODES:
        assert code == "quarantined" or f'"{code}",' in text or f'"{code}", ' in text, code


# ---- what may be asked about ----


@pytest.mark.parametrize("word", ["mysql", "my-sql", NAME, PATH, LINK])
def test_why_takes_a_name_a_file_a_path_or_a_link(tree, word):
    if word == "my-sql":
        tree.plugin("my_sql")
    tree.plugin("mysql")
    tree.ctl("sync", expect=0)
    done = tree.ctl("why", word, "--json", expect=0)
    assert len(done.json["candidates"]) == 1


def test_why_tells_what_keeps_a_right_file_from_its_link(tree):
    tree.plugin("mysql")
    tree.plugin("csv", "1.1.0")
    assert "\n  no link leads to it\n" in tree.ctl("why", "csv").out, "its gates tell"
    shutil.rmtree(tree.path / "etc/vsmtp")
    said = tree.ctl("why", "mysql").out
    assert "no link leads to it: there is no directory above /etc/vsmtp/plugins" in " ".join(said.split())


def test_why_takes_paths_as_the_caller_sees_them(tree):
    tree.plugin("mysql")
    for word in (str(tree / PATH), f"./{NAME}"):
        done = tree.ctl("why", word, cwd=tree.store, expect=0)
        assert PATH in done.out


def test_why_tells_all_files_of_a_plugin(tree):
    for version in ("0.9.0", "1.0.0", "1.1.0"):
        tree.plugin("mysql", version)
    assert tree.ctl("why", "mysql", expect=0).out.count("name-not-understood passed") == 3


def test_why_of_what_only_a_link_has(tree):
    tree.link("gone.so", f"{kit.STORE}/libvsmtp-plugin-gone-1.0.0.so")
    tree.link("mine.so", "/opt/mine.so")
    (tree.links_dir / "README").write_text("x")
    assert "leads to /usr/lib/vsmtp/libvsmtp-plugin-gone-1.0.0.so, which is not there" in tree.ctl(
        "why", "gone", expect=0
    ).out
    assert "a pass removes it" in tree.ctl("why", "gone.so", expect=0).out
    assert "not ours" in tree.ctl("why", "mine.so", expect=0).out
    assert "never touched" in tree.ctl("why", f"{kit.LINKS}/mine.so", expect=0).out
    assert "is no symlink" in tree.ctl("why", "README", expect=0).out


@pytest.mark.parametrize(
    "word, hint", [("MySQL", "mysql"), ("own_build", "own-build"), ("mysq", "mysql")]
)
def test_why_of_the_unknown_hints_at_what_is_near(tree, word, hint):
    tree.plugin("mysql")
    tree.link("own-build", "/opt/x")
    done = tree.ctl("why", word, expect=1)
    assert f"(near to it: {hint})" in done.err
    assert tree.ctl("why", word, "--json", expect=1).json["near"] == hint
    done = tree.ctl("why", "zzz", expect=1)
    assert "near to it" not in done.err and "list shows all" in done.err


def test_why_shows_the_package_note_and_does_not_judge_it(tree):
    if not shutil.which("objcopy"):
        pytest.skip("needs objcopy")
    note = b'{"type":"deb","name":"vsmtp-plugin-mysql","version":"9.9.9-1"}\0'
    data = (4).to_bytes(4, "little") + len(note).to_bytes(4, "little")
    data += (0xCAFE1A7E).to_bytes(4, "little") + b"FDO\0" + note + b"\0" * (-len(note) % 4)
    source = kit.scratch() / "note.s"
    numbers = ",".join(str(b) for b in data)
    source.write_text(
        f'.section .note.package,"a",@note\n.balign 4\n.byte {numbers}\n'
        '.section .note.GNU-stack,"",@progbits\n'
    )
    tree.plugin("mysql", flags=(str(source),))
    done = tree.ctl("why", "mysql", "--json", expect=0).json
    assert "9.9.9-1" in done["candidates"][0]["package-note"]
    assert done["candidates"][0]["gate"] == "linked"
    text = tree.ctl("why", "mysql", expect=0).out
    assert "package (not judged)" in text and "9.9.9-1" in text
