# SPDX-License-Identifier: LGPL-2.1-or-later
"""A booted Debian with what builds packages, and an apt repository that has the kit's packages and a
stand-in vSMTP of two versions."""

import os
import shutil
from pathlib import Path

import debs
import harness
import kit
from layer import Layer
from machine import Machine

TOOLS = "build-essential debhelper autopkgtest".split()
VERSIONS = ("1.0.0", "1.1.0")


def kit_debs(out):
    """The daemon's package as all tests take it, and the other one that the same build made."""
    debs.kit_packages(out)
    ready = Path(os.environ.get("KIT_DEBS") or kit.scratch() / "debs")
    (found,) = ready.glob("dh-vsmtp-plugin_*.deb")
    shutil.copy(found, out)


class BuildRoot(harness.Image, Layer):
    """The image with compilers, and a layer with the repositories. more: further packages."""

    def __init__(self, *more):
        super().__init__(install=False, options=harness.recipe(more=(*TOOLS, *more)))
        self.layer = self.work / "apt"
        try:
            self._fill()
        except BaseException:
            self.close()
            raise

    def _fill(self):
        for version in VERSIONS:
            release = self.layer / "srv/releases" / version
            release.mkdir(parents=True)
            kit_debs(release)
            debs.vsmtp(release, version)
            debs.index(release)
        self.set_apt_up()
        self.open_directories()
        self.layers = [self.layer, self.base]


class Builder(Machine):
    def __init__(self, root):
        super().__init__(root, layers=root.layers)

    def put_source(self, sample, version):
        """A source package as it lies in the tree, for that vSMTP; returns its place."""
        place = f"/srv/build/{version}/{sample.name}"
        shutil.copytree(sample, self.path(place))
        changelog = self.path(f"{place}/debian/changelog")
        changelog.write_text(changelog.read_text().replace("1.0.0", version))
        return place

    def build(self, place, check=True):
        """dpkg-buildpackage with the installed tools; without network, as everything here."""
        return self.sh(f"cd {place} && dpkg-buildpackage -us -uc -b 2>&1", check=check, timeout=600)

    def autopkgtest(self, place):
        """What debian/tests asks for, by autopkgtest itself; the testbed is this container."""
        server = "/srv/autopkgtest-virt-here"
        shutil.copy(Path(__file__).with_name("autopkgtest-virt-here"), self.path(server))
        return self.sh(f"cd {place}/..; autopkgtest -B *.changes {place}/ -- {server} 2>&1", check=False, timeout=600)

    def publish(self, version):
        """What was built for that vSMTP comes into its release."""
        self.sh(f"cp /srv/build/{version}/*.deb /srv/releases/{version}/; cd /srv/releases/{version};"
                "dpkg-scanpackages --multiversion . >Packages.new; mv Packages.new Packages; rm -f Release")

    def fetch(self, version, out):
        out.mkdir(parents=True, exist_ok=True)
        for path in self.path(f"/srv/build/{version}").iterdir():
            if path.is_file():
                shutil.copy(path, out)
