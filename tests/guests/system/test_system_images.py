"""An image that is damaged on the daemon's disk never becomes a guest."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from bodies import micro_set
from conftest import MakeDaemon, MakeSet
from system import Daemon, codes_of

from orchestrator.cli.faults import ApiError
from orchestrator.images.build import DEFAULT_FOLDER
from orchestrator.images.catalogue import Catalogue
from orchestrator.lab import Lab


@pytest.fixture
def disk(tmp_path: Path, lab: Lab) -> Path:
    """The disk of a micro image in a catalogue of its own, found right once."""
    newest = Catalogue(DEFAULT_FOLDER).resolve_alias("micro")
    folder = tmp_path / "images" / "micro" / newest.version
    shutil.copytree(DEFAULT_FOLDER / "micro" / newest.version, folder)
    Catalogue(tmp_path / "images").verify(newest)
    return folder / "disk.qcow2"


def _flip_a_bit(path: Path, *, is_seen: bool) -> None:
    """Change one bit in the middle; rot keeps the file's times, another writer does not."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(before.st_size // 2)
        [value] = file.read(1)
        file.seek(before.st_size // 2)
        file.write(bytes([value ^ 1]))
    later_ns = before.st_mtime_ns + (1_000_000_000 if is_seen else 0)
    os.utime(path, ns=(before.st_atime_ns, later_ns))


@pytest.fixture
def choosy(make_daemon: MakeDaemon, disk: Path) -> Daemon:
    """A daemon with that catalogue."""
    choosy = make_daemon("choosy", images_dir=str(disk.parents[2]))
    choosy.start()
    return choosy


@pytest.mark.parametrize("is_seen", [True, False], ids=["by_someone", "by_rot"])
def test_a_damaged_image_is_told_and_makes_nothing(
    make_set: MakeSet, choosy: Daemon, disk: Path, is_seen: bool
) -> None:
    _flip_a_bit(disk, is_seen=is_seen)
    damaged = make_set("damaged", micro_set(1), on=choosy)
    with pytest.raises(ApiError) as failure:
        damaged.wait(damaged.creation)
    assert failure.value.code == "ImageDamaged"
    assert "damaged_0" in failure.value.message
    assert "disk.qcow2" in failure.value.message
    assert "ProvisioningState/failed/ImageDamaged" in codes_of(damaged.instances()[0])
    assert damaged.left() == [], "nothing is half made"
    assert choosy.copies_of_images() == [], "no half of an image either"

    _flip_a_bit(disk, is_seen=is_seen)
    damaged.do("reimage", 0)
    damaged.wait_ready(0)
