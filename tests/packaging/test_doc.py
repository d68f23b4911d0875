# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/packaging-a-plugin.md shows the samples as they are, and tells of all that the helper refuses."""

import re
import shutil

import cases
import doc
import kit

TEXT = doc.DOCUMENT.read_text()


def test_the_document_shows_the_samples_as_they_are():
    for path, shown in doc.blocks(TEXT):
        assert shown == (doc.SAMPLES / path).read_text(), f"{path}: tests/packaging/doc.py writes it anew"


def test_the_document_shows_each_file_of_the_samples():
    shown = {path for path, _ in doc.blocks(TEXT)}
    there = {str(p.relative_to(doc.SAMPLES)) for p in doc.SAMPLES.rglob("*") if p.is_file()}
    if shutil.which("git") and (files := kit.run("git", "-C", doc.SAMPLES, "ls-files").out):
        there = set(files.split())  # not what was built there by hand
    assert shown == there
    assert len(re.findall(r"tests/samples/", TEXT)) == len(shown), "a link without its block"


def test_the_document_has_a_row_for_each_code():
    rows = "\n".join(re.findall(r"^\| `.*", TEXT, re.M))
    helper = (kit.SOURCE / "scripts/debhelper/dh_vsmtp_plugin").read_text()
    codes = set(re.findall(r"error\([^\n]*?: ([a-z]+(?:-[a-z]+)*): ", helper)) - {"error"}
    codes |= {case.error[0] for case in cases.load() if case.error}
    assert {"no-depends", "ambiguous", "no-entry-point", "twice"} <= codes
    assert {code for code in codes if f"`{code}`" not in rows} == set()


def test_the_manuals_are_in_order_and_know_each_option():
    programs = kit.SOURCE / "scripts/debhelper"
    for name in ("dh_vsmtp_plugin", "vsmtp-plugin-autopkgtest"):
        kit.run("podchecker", "-warnings", "-warnings", programs / name, expect=0)
    text = (programs / "dh_vsmtp_plugin").read_text()
    options = re.findall(r"^\t'([a-z-]+)=s' =>", text, re.M)
    assert options and all(f"=item B<--{option}=>" in text for option in options)


def test_rules_are_numbered_and_say_must_or_should():
    part = TEXT.split("\n## Rules\n")[1].split("\n## ")[0]
    rules = re.split(r"\n(?=\d+\. )", part)[1:]
    assert [int(rule.split(".")[0]) for rule in rules] == list(range(1, len(rules) + 1))
    assert all(re.search(r"\b(MUST|SHOULD)\b", rule) for rule in rules)


def test_what_configuration_management_asks_is_answered(tree):
    """The keys and exit codes that docs/configuration-management.md builds on."""
    text = (kit.SOURCE / "docs/configuration-management.md").read_text()
    assert set(re.findall(r"from_json\)(?:\.|\[')([a-z-]+)", text)) == {"changes", "in-sync"}
    tree.plugin("mysql")
    tree.config("[Plugin mysql]\nEnabled=yes\n", "plugind.conf.d/50-wanted.conf")
    assert len(tree.ctl("--json", "sync", expect=0).json["changes"]) == 1
    assert tree.ctl("--json", "sync", expect=0).json["changes"] == []
    status = tree.ctl("--json", "status", expect=0).json
    assert status["in-sync"] is True
    assert {"owed", "missed", "last-reload"} <= set(status)
    (tree.store / "libvsmtp-plugin-mysql-1.0.0.so").unlink()
    tree.ctl("--json", "sync", expect=4)
    status = tree.ctl("--json", "status", expect=0).json
    assert status["in-sync"] is False and [missed["name"] for missed in status["missed"]] == ["mysql"]
