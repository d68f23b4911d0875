# SPDX-License-Identifier: LGPL-2.1-or-later
"""rpm packages for the end-to-end tests: the kit's own, built by its rpm/, and stand-ins for vSMTP, its
plugins and the base system, made by rpmbuild.

A release is a directory with a repository: the kit, and vsmtp and its plugins of one version.
"""

import os
import re
import shutil
from pathlib import Path

import harness
import kit

from debs import FILLERS, PLUGINS, package_form, store_file

UNITS = "/usr/lib/systemd/system"

# A well-kept package, as Fedora's macros make it: it starts nothing, and is restarted at the end of
# the transaction by systemd's trigger.
VSMTP_SCRIPTS = """\
%post
[ $1 -ne 1 ] || systemctl --no-reload preset vsmtp.service >/dev/null 2>&1 || :
%preun
if [ $1 -eq 0 ]; then
    [ -d /run/systemd/system ] && now=--now || now=
    systemctl --no-reload disable $now vsmtp.service >/dev/null 2>&1 || :
fi
%postun
[ $1 -eq 0 ] || [ ! -d /run/systemd/system ] || systemctl set-property vsmtp.service Markers=+needs-restart || :
"""
# One that knows nothing of systemd: the new program is on disk, and the old one runs on.
CARELESS = {"scripts": ""}
# One that restarts at once, in the middle of the transaction, as before systemd knew marks.
IMPATIENT = {"scripts": "%postun\n[ $1 -eq 0 ] || systemctl try-restart vsmtp.service || :\n"}
# As the careless one, built for a Fedora where bin and sbin are one.
MERGED = {"scripts": "", "program": "/usr/bin/vsmtp"}

# systemd's own triggers, at its priorities; the base system has them.
SYSTEMD_TRIGGERS = f"""\
%transfiletriggerin -P 1000700 -- /usr/lib/tmpfiles.d
[ ! -d /run/systemd/system ] || systemd-tmpfiles --create || :
%transfiletriggerin -P 900900 -- {UNITS} /etc/systemd/system
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || :
    systemctl reload-or-restart --marked || :
fi
%transfiletriggerpostun -P 1000100 -- {UNITS} /etc/systemd/system
[ ! -d /run/systemd/system ] || systemctl daemon-reload || :
%transfiletriggerpostun -P 10000 -- {UNITS} /etc/systemd/system
[ ! -d /run/systemd/system ] || systemctl reload-or-restart --marked || :
"""

SPEC = """\
Name: {name}
Version: {version}
Release: {release}
Summary: Stand-in of {name}
License: LGPL-2.1-or-later
AutoReqProv: no
{relations}
%description
Stand-in of {name}.
%install
cp -a {tree}/. %{{buildroot}}/
{scripts}
%files
{files}
"""


def marked(package, scripts):
    """The scripts, stamped where they begin and end (see standins.MARK)."""
    return re.sub(
        "^%(pre|post|preun|postun)$",
        rf'''%\1
[ ! -x /usr/sbin/kit-mark ] || {{ /usr/sbin/kit-mark {package} \1 begins "$*"
trap '/usr/sbin/kit-mark {package} \1 ends' EXIT; }}''',
        scripts, flags=re.M,
    )  # fmt: skip


def build(out, name, version, files=None, relations=(), release=1, scripts=""):
    """One package. files: {path: (bytes, mode)}; below /etc they are configuration."""
    tree = kit.scratch() / f"rpm-{name}-{version}"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "root").mkdir(parents=True)
    for path, (data, mode) in (files or {}).items():
        path = tree / "root" / path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
    listed = "\n".join(("%config(noreplace) " if p.startswith("/etc/") else "") + p for p in files or {})
    spec = tree / f"{name}.spec"
    spec.write_text(SPEC.format(
        name=name, version=version, release=release, tree=tree / "root", scripts=marked(name, scripts), files=listed,
        relations="\n".join(relations),
    ))
    kit.run(
        "rpmbuild", "-bb", "--quiet", "--define", f"_topdir {tree / 'top'}", "--define", f"_rpmdir {out}",
        "--define", "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.rpm", "--define", "_build_id_links none",
        "--define", "__os_install_post %{nil}", "--define", "_binary_payload w1.gzdio", spec, expect=0,
    )
    shutil.rmtree(tree)


def vsmtp(out, version, release=1, scripts=VSMTP_SCRIPTS, program="/usr/sbin/vsmtp"):
    files = {
        program: (kit.server_program(version).read_bytes(), 0o755),
        f"{UNITS}/vsmtp.service": (harness.UNIT.encode(), 0o644),
        "/etc/vsmtp/vsmtp.vsl": (b"// stand-in\n", 0o644),
    }
    build(out, "vsmtp", package_form(version), files, release=release, scripts=scripts)


def plugin(out, name, version, release=1, tag=None):
    """Declares what rpm/vsmtp_plugin.sh would."""
    data = kit.plugin_bytes(tag=tag or name, built_for=version)
    form = package_form(version)
    relations = [f"Requires: (vsmtp >= {form} with vsmtp < {form}.0~)"]
    relations.append("OrderWithRequires: vsmtp-plugind")
    # The package's own name is what would be provided.
    build(out, f"vsmtp-plugin-{name}", form, {store_file(name, version): (data, 0o644)}, relations, release)


def gate(out, version):
    """Comes in behind all plugins; its scripts can be stopped in (see standins.MARK)."""
    requires = [f"Requires: vsmtp-plugin-{name} = {package_form(version)}" for name in PLUGINS]
    build(out, "kit-gate", package_form(version), {}, requires, scripts="%post\n:\n%preun\n:\n")


def fillers(out, version):
    """Packages that are nothing but many."""
    text = f"mkdir -p %{{buildroot}}/usr/share/kit-filler\ncd %{{buildroot}}/usr/share/kit-filler\n"
    text += f"for i in $(seq 0 {FILLERS - 1}); do echo {version} >$i; done\n"
    for i in range(FILLERS):
        text += f"%package -n kit-filler-{i}\nSummary: Filler\n%description -n kit-filler-{i}\nFiller.\n"
        text += f"%files -n kit-filler-{i}\n/usr/share/kit-filler/{i}\n"
    build(out, "kit-filler", package_form(version), scripts=text)


def built_kit():
    """Where the kit's packages are; KIT_RPMS names a directory where they have been built already."""
    ready = os.environ.get("KIT_RPMS")
    if not ready:
        ready = kit.scratch() / "rpms"
        if not ready.exists():
            env = kit.environment(RPM_NOCHECK="1", HOME="/root")
            kit.run(kit.SOURCE / "scripts/package-rpm", ready, env=env, timeout=600, expect=0)
    return Path(ready)


def kit_packages(out, more=()):
    """The kit itself, and more of its packages."""
    ready = built_kit()
    for name in ("vsmtp-plugind", *more):
        found = list(ready.glob(f"{name}-[0-9]*.rpm"))
        assert len(found) == 1, f"{ready}: {found}"
        shutil.copy(found[0], out)


def next_kit(out):
    """The same kit, as it has been built, as a later release."""
    tree = kit.scratch() / "next-kit-rpm"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "root").mkdir(parents=True)
    for package in built_kit().glob("*.rpm"):
        command = f"rpm2cpio {package} | cpio -idm --quiet -D {tree / 'root'}"
        kit.run("bash", "-ec", f"set -o pipefail; {command}", expect=0)
    text = (kit.SOURCE / "rpm/vsmtp-plugind.spec").read_text()
    install = f"%install\ncp -a {tree / 'root'}/. %{{buildroot}}/\n%post\n"
    for pattern, new in (
        ("^Release:.*$", "Release: 2"),
        ("(?s)^%prep\n.*?^%post\n", install),
        ("^%(license|doc) .*\n", ""),
    ):
        text = re.sub(pattern, new, text, flags=re.M)
    spec = tree / "next.spec"
    spec.write_text(text)
    compat = ("--load", kit.SOURCE / "tests/rpm/macros.compat")  # see scripts/package-rpm
    if kit.run("rpm", "-E", "%{?_unitdir}", expect=0).out.strip():
        compat = ()
    kit.run(
        "rpmbuild", "-bb", "--quiet", "--nodeps", *compat, "--define", f"_topdir {tree / 'top'}",
        "--define", "_unpackaged_files_terminate_build 0", "--define", "debug_package %{nil}",
        "--define", "__os_install_post %{nil}", "--define", "_build_id_links none", spec, expect=0,
    )  # fmt: skip
    for package in (tree / "top/RPMS").glob("*/vsmtp-plugind-[0-9]*.rpm"):
        shutil.copy(package, out)
    shutil.rmtree(tree)


LIBRARIES = ("ld-linux*.so.*", "libc.so.*", "libgcc_s.so.*", "libm.so.*")


def base(out, packages, image):
    """Stands for the Debian below: provides what these packages require of a system, and what any
    program needs of its image's libraries."""
    asked = kit.run("rpm", "-qp", "--requires", *packages, expect=0).out.splitlines()
    names = {line.split(" ")[0] for line in asked if not line.startswith(("rpmlib(", "(", "vsmtp"))}
    elfdeps = Path(kit.run("rpm", "-E", "%{_rpmconfigdir}", expect=0).out.strip()) / "elfdeps"
    for library in (p for name in LIBRARIES for p in Path(image).glob(f"usr/lib/*/{name}")):
        names |= set(kit.run(elfdeps, "--provides", library, expect=0).out.splitlines())
    provides = [f"Provides: {name}" for name in sorted({*names, "/bin/sh"})]
    build(out, "base-system", "1", {}, provides, scripts=SYSTEMD_TRIGGERS)
    return Path(out) / "base-system-1-1.rpm"


def index(directory):
    shutil.rmtree(Path(directory) / "repodata", ignore_errors=True)
    kit.run("createrepo_c", "--quiet", "--no-database", directory, expect=0)


def release(directory, version, more=()):
    directory.mkdir(parents=True)
    kit_packages(directory, more)
    vsmtp(directory, version)
    for name in PLUGINS:
        plugin(directory, name, version)
    gate(directory, version)
    index(directory)
