"""Making the files of an image: an ext4 disk in qcow2 and an initramfs. Formats are always named."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import ImageError

_MIB = 1024 * 1024

#: Where the initramfs looks for drivers and its list of them.
_DRIVERS, _DRIVER_LIST = "lib", "modules"

#: The names of busybox that its script uses.
_APPLETS = ("sh", "insmod", "mount", "poweroff", "switch_root", "usleep")


def make_disk(tree: Path, target: Path, size_mib: int) -> None:
    """A qcow2 file holding one ext4 file system (no partitions) filled from ``tree``; sparse.

    The time stamps and the UUID are left to mke2fs: two builds differ.
    """
    raw = target.with_suffix(".raw")
    with raw.open("wb") as file:
        file.truncate(size_mib * _MIB)
    run(["mke2fs", "-q", "-t", "ext4", "-F", "-L", "root", "-m", "1", "-J", "size=8", "-E", "lazy_itable_init=0",
         "-d", str(tree), str(raw)])  # fmt: skip
    run(
        [
            "qemu-img",
            "convert",
            "-f",
            "raw",
            "-O",
            "qcow2",
            "-o",
            "compat=1.1,lazy_refcounts=off",
            str(raw),
            str(target),
        ]
    )
    raw.unlink()


def make_initramfs(
    init: Path, busybox: Path, modules: Sequence[tuple[str, bytes]], work: Path, target: Path
) -> None:
    """An uncompressed cpio archive: unpacking it costs a booting guest nothing worth saving."""
    tree = work / "initramfs"
    for folder in ("bin", "dev", "proc", "root", _DRIVERS):
        (tree / folder).mkdir(parents=True)
    shutil.copy(init, tree / "init")
    (tree / "init").chmod(0o755)
    shutil.copy(busybox, tree / "bin/busybox")
    (tree / "bin/busybox").chmod(0o755)
    for applet in _APPLETS:
        (tree / "bin" / applet).symlink_to("busybox")
    for name, content in modules:
        (tree / _DRIVERS / f"{name}.ko").write_bytes(content)
    (tree / _DRIVER_LIST).write_text("".join(f"{name}\n" for name, _ in modules))
    names = sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
    archive = run(
        ["cpio", "--quiet", "-o", "-H", "newc", "--reproducible", "--owner=0:0"],
        cwd=tree,
        data="\n".join(names).encode(),
    )
    target.write_bytes(archive)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(command: Sequence[str], *, cwd: Path | None = None, data: bytes = b"", timeout_s: float = 600) -> bytes:
    """Run a tool of the builder; raises ``ImageError`` with its own words."""
    try:
        done = subprocess.run(command, cwd=cwd, input=data, capture_output=True, timeout=timeout_s, check=False)
    except FileNotFoundError as error:
        raise ImageError(f"'{command[0]}' is not installed; images cannot be built without it.") from error
    except subprocess.TimeoutExpired as error:
        raise ImageError(f"'{command[0]}' did not end within {timeout_s:.0f} s.") from error
    if done.returncode != 0:
        raise ImageError(f"'{command[0]}' failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
