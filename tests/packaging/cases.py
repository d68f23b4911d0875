# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table cases.txt, the files it speaks of, and what a package declares in neutral form."""

import re
import struct
from pathlib import Path

import kit

TABLE = Path(__file__).with_name("cases.txt")
ONE = {"case", "version", "layout", "error"}
MANY = {"file", "path", "declares"}
EM_AARCH64, EM_X86_64 = 183, 62


class Case:
    """One block: name, version, layout, files [(kind, FILE, NAME or None)], paths, declares, error."""

    def __init__(self, lines):
        found = {key: [] for key in ONE | MANY}
        for line in lines:
            key, value = line.split(None, 1)
            assert key in found, f"{TABLE}: {line}"
            found[key].append(value)
        for key in ONE - {"error"}:
            assert len(found[key]) == 1, f"{TABLE}: one line \"{key}\" in {lines}"
        self.name, self.version, self.layout = (found[k][0] for k in ("case", "version", "layout"))
        self.files = [(*words.split(), None)[:3] for words in found["file"]]
        self.paths, self.declares = found["path"], found["declares"]
        self.error = tuple(found["error"][0].split()) if found["error"] else None
        assert self.declares == sorted(self.declares), f"{TABLE}: {self.name}: not sorted"
        assert bool(self.paths) == bool(self.declares) != bool(self.error), f"{TABLE}: {self.name}"

    def put_files(self, source, changed=bytes):
        """Makes the built files below that directory, each changed by that function."""
        for kind, file, _ in self.files:
            if kind != "missing":
                path = Path(source) / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(changed(contents(kind, tag=file)))

    def check_error(self, text):
        """Just one line of a build's output tells the error."""
        lines = [line for line in text.splitlines() if "error: " in line and "; cure: " in line]
        assert len(lines) == 1, text
        code, file = self.error
        assert f"error: {file}: {code}: " in lines[0], lines[0]


def load():
    blocks, lines = [], []
    for line in [*TABLE.read_text().splitlines(), ""]:
        if line.startswith("#"):
            continue
        if line.strip():
            lines.append(line)
        elif lines:
            blocks.append(Case(lines))
            lines = []
    assert len({case.name for case in blocks}) == len(blocks)
    return blocks


def versioned(sign):
    """Flags that give the entry point a version: "@@" the default one, "@" one of the past."""
    script, header = kit.scratch() / "versions", kit.scratch() / f"symver{len(sign)}.h"
    script.write_text("V1 {global: module_entrypoint; local: *;};\n")
    header.write_text(
        "int kit_entry(void);\nint kit_entry(void) { return 1; }\n"
        f'__asm__(".symver kit_entry,module_entrypoint{sign}V1");\n'
    )
    return ("-DNO_ENTRY", "-include", str(header), f"-Wl,--version-script={script}")


def contents(kind, tag=""):
    kind, _, note = kind.partition("=")
    if kind == "text":
        return b"INPUT ( libvsmtp.so )\n"
    options = {
        "good": {},
        "cut": {},
        "other-machine": {},
        "transport": {"entry": "deserialize_transport"},
        "no-entry": {"entry": None},
        "versioned": {"flags": versioned("@@")},
        "old-version": {"flags": versioned("@")},
        "program": {"shared": False},
        "noted": {"note": note},
    }[kind]
    data = kit.plugin_bytes(tag=tag, **options)
    if kind == "cut":
        return data[: len(data) // 2]
    return on_other_machine(data) if kind == "other-machine" else data


def on_other_machine(data):
    """The same file as of the other of two machines, if it is an ELF file."""
    if data[:4] != b"\x7fELF":
        return data
    (machine,) = struct.unpack_from("=H", data, 18)
    other = EM_X86_64 if machine == EM_AARCH64 else EM_AARCH64
    return data[:18] + struct.pack("=H", other) + data[20:]


def neutral_deb(fields):
    """{"Depends": ..., "Provides": ...} of a Debian package, as the table writes it."""
    found = set()
    for field, word in (("Depends", "requires"), ("Provides", "provides")):
        for relation in filter(None, re.split(r",\s*", fields.get(field, ""))):
            said = re.fullmatch(r"(\S+?)(?::any)?(?: \(([<>=]+) (\S+)\))?", relation)
            name, operator, version = said.groups()
            if name.startswith("vsmtp"):
                operator = {"<<": "<", ">>": ">", None: ""}.get(operator, operator)
                found.add(f"{word} {name} {operator} {version or ''}".strip())
    return sorted(found)


def check_note(path, version):
    """That file's note, read by the kit alone: nothing else tells its version here."""
    copy = kit.scratch() / "noted.so"
    copy.write_bytes(Path(path).read_bytes())
    done = kit.run(kit.program("vsmtp-pluginctl"), "verify", f"--for={version}", copy, expect=0)
    assert f"for vSMTP {version}," in done.out, done
