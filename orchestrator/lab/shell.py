"""Running other programs: argument lists only, and one kind of error."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

from orchestrator.errors import LabError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TIMEOUT_S = 60.0

# Each program the lab starts, and the Debian package that brings it.
PROGRAMS: Mapping[str, str] = {
    "env": "coreutils",
    "sleep": "coreutils",
    "hostname": "hostname",
    "setsid": "util-linux",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
    "losetup": "mount",
    "mkfs.ext4": "e2fsprogs",
    "libvirtd": "libvirt-daemon-system",
    "virtlogd": "libvirt-daemon-system",
    "qemu-system-x86_64": "qemu-system-x86",
}


def check_root() -> None:
    """Raise ``LabError`` unless we are root."""
    if os.geteuid() != 0:
        raise LabError("the lab makes namespaces and mounts: it needs root (try it with sudo)")


def check_programs(programs: Mapping[str, str] = PROGRAMS) -> None:
    """Raise ``LabError`` that names the packages of programs which are not there."""
    missing = [program for program in programs if shutil.which(program, path=PATH) is None]
    if missing:
        packages = sorted({programs[program] for program in missing})
        raise LabError(f"missing here: {', '.join(missing)}. Install: apt-get install {' '.join(packages)}")


def run(argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
    """Run a program to its end; ``LabError`` with its own last words when it fails or hangs.

    Its output goes to a file and not to a pipe: a daemon it leaves behind would keep a pipe open.
    """
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(
                list(argv),
                env={"PATH": PATH, **(env or {})},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise LabError(f"'{' '.join(argv)}' failed: {error}") from error
        if done.returncode != 0:
            output.seek(0)
            words = output.read().decode(errors="replace").strip().splitlines()
            raise LabError(f"'{' '.join(argv)}' failed ({done.returncode}): {words[-1] if words else 'no word'}")
