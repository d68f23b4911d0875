# SPDX-License-Identifier: LGPL-2.1-or-later
"""The roots that the gates work in, of the host's suite or the one in KIT_SUITE, kept in KIT_CACHE as the
containers' image is.

    python3 tests/gates/roots.py KIND     bare, booted, testbed, build, cross or lintian: prints the tar's path;
                                          makes it if need be
"""

import re
import shlex
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
sys.path[:0] = [str(SOURCE / "tests/lib"), str(SOURCE / "tests/container")]

import harness  # noqa: E402


def declared():
    """What the tests of debian/tests depend on, without the packages themselves."""
    text = (SOURCE / "debian/tests/control").read_text()
    found = {name.strip() for line in re.findall(r"^Depends:(.*)$", text, re.M) for name in line.split(",")}
    return sorted(found - {"vsmtp-plugind", "dh-vsmtp-plugin"})


def bare():
    return ["--variant=minbase"]


def testbed():
    """Boots, and has what the tests declare and nothing more, so what they forgot to declare fails.
    autopkgtest itself wants apt-utils and dpkg-dev."""
    packages = "systemd systemd-sysv dbus apt-utils dpkg-dev".split()
    return ["--variant=minbase", f"--include={','.join(packages + declared())}"]


def build_dep(*options):
    """A hook that installs what debian/control asks for, and nothing more."""
    control = (SOURCE / "debian/control").read_text()
    wanted = re.search(r"^Build-Depends:.*\n(?: .*\n)*", control, re.M)[0]
    stub = "Source: wanted\nMaintainer: nobody <nobody@vsmtp-plugind.invalid>\n%s\nPackage: wanted\nArchitecture: any\n"
    return (
        '--customize-hook=set -e; mkdir -p "$1/tmp/wanted/debian"; printf %s ' + shlex.quote(stub % wanted)
        + ' >"$1/tmp/wanted/debian/control"; chroot "$1" sh -ec "cd /tmp/wanted;'
        + f' apt-get -q -y --no-install-recommends {" ".join(options)} build-dep ./"; rm -r "$1/tmp/wanted"'
    )


def build():
    """What Debian's builders have: build-essential, and the build dependencies. What we forgot to name
    fails there."""
    return ["--variant=buildd", build_dep()]


def cross():
    """Native tools, and of arm64 what debian/control asks for: a Build-Depends that cannot be had for
    another architecture fails here."""
    return [
        "--variant=buildd",
        "--architectures=amd64,arm64",
        "--include=crossbuild-essential-arm64,qemu-user-static",
        build_dep("--host-architecture", "arm64"),
    ]


def lintian():
    """lintian of a suite."""
    return ["--variant=minbase", "--include=lintian"]


if __name__ == "__main__":
    kinds = {"bare": bare, "booted": harness.recipe, "testbed": testbed, "build": build, "cross": cross, "lintian": lintian}
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        sys.exit(__doc__)
    try:
        print(harness.image_tar(kinds[sys.argv[1]]()))
    except harness.CannotBoot as why:
        sys.exit(str(why))
