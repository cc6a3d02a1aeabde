"""The root file system of an image that is a whole distribution: installed packages and our few files."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from orchestrator.images.disk import run

#: What must differ between guests, or belongs to this machine only.
_FORGOTTEN = (
    "etc/apt/apt.conf.d/99mmdebstrap", "etc/hostname", "etc/resolv.conf", "etc/ssh/ssh_host_*_key*",
    "var/lib/systemd/random-seed", "var/lib/dbus/machine-id", "var/cache/apt/*.bin", "var/log/apt/*",
)  # fmt: skip


def finish_system_root(
    root: Path, boot_packages: Path, overlay: Path, enabled: Iterable[str], masked: Iterable[str]
) -> None:
    """Add drivers and the recipe's files to an installed ``root``; take out what is not for sharing."""
    for pattern in _FORGOTTEN:
        # A link that leads nowhere, as resolv.conf may be here, is not found by a search.
        for path in root.glob(pattern) if "*" in pattern else [root / pattern]:
            path.unlink(missing_ok=True)
    run(["cp", "-R", "--no-preserve=ownership,mode", f"{overlay}/.", str(root)])
    (root / "etc/machine-id").write_text("")
    (root / "etc/hostname").write_text("localhost\n")
    (root / "etc/resolv.conf").symlink_to("/run/systemd/resolve/stub-resolv.conf")
    _add_drivers(root, boot_packages)
    for verb, units in (("enable", enabled), ("mask", masked)):
        run(["chroot", str(root), "systemctl", "--quiet", verb, *units])


def _add_drivers(root: Path, boot_packages: Path) -> None:
    """The kernel lives beside the disk; all its drivers are in it, so that any of them can be loaded."""
    release = next(path.parent for path in boot_packages.rglob("modules.builtin"))
    target = root / "usr/lib/modules" / release.name
    shutil.copytree(release, target, symlinks=True, ignore=shutil.ignore_patterns("build", "source"))
    run(["chown", "-R", "0:0", str(target)])
    run(["chroot", str(root), "depmod", release.name])
