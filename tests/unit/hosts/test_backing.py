"""An overlay's header after its disk came to a host whose images lie elsewhere."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import ImageError
from orchestrator.hosts.libvirt.backing import rebased


@pytest.fixture(params=["0.10", "1.1"])
def overlay(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Like libvirt's own, in both versions of the header, with something written on it."""
    base, disk = tmp_path / "base.qcow2", tmp_path / "disk.qcow2"
    _run("qemu-img", "create", "-q", "-f", "qcow2", str(base), "1M")
    options = f"backing_fmt=qcow2,compat={request.param}"
    _run("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-o", options, str(disk), "2M")
    _run("qemu-io", "-f", "qcow2", "-c", "write -P 7 64k 64k", str(disk))
    return disk


def _run(*argv: str) -> bytes:
    return subprocess.run(argv, check=True, capture_output=True, timeout=30).stdout


@pytest.mark.parametrize("folder", ["x", "a-much-longer-name-than-before/" + "y" * 200])
def test_the_base_is_the_new_hosts_and_all_else_stays(overlay: Path, tmp_path: Path, folder: str) -> None:
    new_base = tmp_path / folder / "base.qcow2"
    new_base.parent.mkdir(parents=True)
    (tmp_path / "base.qcow2").rename(new_base)
    before = overlay.read_bytes()
    overlay.write_bytes(rebased(before, str(new_base)))
    info = json.loads(_run("qemu-img", "info", "-f", "qcow2", "--output=json", str(overlay)))
    assert (info["backing-filename"], info["backing-filename-format"]) == (str(new_base), "qcow2")
    assert info["virtual-size"] == 2 << 20
    _run("qemu-img", "check", "-q", "-f", "qcow2", str(overlay))
    read = _run("qemu-io", "-f", "qcow2", "-c", "read -P 7 64k 64k", "-c", "read -P 0 0 64k", str(overlay))
    assert b"verification failed" not in read
    assert rebased(overlay.read_bytes(), str(tmp_path / "base.qcow2")) == before


def test_what_is_no_overlay_is_refused(tmp_path: Path, overlay: Path) -> None:
    base = (tmp_path / "base.qcow2").read_bytes()
    whole = overlay.read_bytes()
    for start, path in ((base, "/x"), (b"\0" * 65_536, "/x"), (whole[:512], "/x"), (whole, "/" + "z" * 1023)):
        with pytest.raises(ImageError):
            rebased(start, path)
