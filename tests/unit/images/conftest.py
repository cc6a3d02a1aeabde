"""Small real qcow2 files, and a catalogue of its own for each test."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.images.catalogue import Catalogue


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path / "catalogue")


@pytest.fixture
def make_disk(tmp_path: Path) -> Callable[..., Path]:
    """Make a qcow2 file with ``qemu-img create`` and any further arguments."""

    def make(name: str = "disk.qcow2", size: str = "1M", *arguments: str) -> Path:
        path = tmp_path / name
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *arguments, str(path), size], check=True)
        return path

    return make


@pytest.fixture
def sha256() -> Callable[[Path], str]:
    return lambda path: hashlib.sha256(path.read_bytes()).hexdigest()
