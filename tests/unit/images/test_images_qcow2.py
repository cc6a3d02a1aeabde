"""A stranger's qcow2 file is read by us before QEMU sees it."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import ImageError
from orchestrator.images import qcow2

MakeDisk = Callable[..., Path]


def changed(path: Path, offset: int, data: bytes) -> Path:
    """The same file with some bytes of its header overwritten."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
    return path


def test_a_plain_file_is_taken_and_its_virtual_size_known(make_disk: MakeDisk) -> None:
    assert qcow2.inspect(make_disk(size="3M")) == 3 * 1024 * 1024


@pytest.mark.parametrize("option", ["compat=0.10", "cluster_size=512", "cluster_size=2M", "compression_type=zstd"])
def test_the_kinds_that_qemu_img_makes_are_taken(make_disk: MakeDisk, option: str) -> None:
    assert qcow2.inspect(make_disk("disk.qcow2", "1M", "-o", option)) == 1024 * 1024


def test_a_backing_file_inside_is_refused(make_disk: MakeDisk) -> None:
    base = make_disk("base.qcow2")
    leaning = make_disk("leaning.qcow2", "1M", "-b", str(base), "-F", "qcow2")
    with pytest.raises(ImageError, match="backing file") as refused:
        qcow2.inspect(leaning)
    assert refused.value.code == "ImageNotAllowed"


def test_an_external_data_file_is_refused(make_disk: MakeDisk, tmp_path: Path) -> None:
    leaning = make_disk("leaning.qcow2", "1M", "-o", f"data_file={tmp_path / 'data.raw'}")
    with pytest.raises(ImageError, match="another file"):
        qcow2.inspect(leaning)


def test_the_name_of_a_data_file_alone_is_refused(make_disk: MakeDisk, tmp_path: Path) -> None:
    leaning = make_disk("leaning.qcow2", "1M", "-o", f"data_file={tmp_path / 'data.raw'}")
    with pytest.raises(ImageError, match="another file"):
        qcow2.inspect(changed(leaning, 72, struct.pack(">Q", 0)))


def test_a_raw_file_is_refused_even_when_it_could_be_a_disk(tmp_path: Path) -> None:
    raw = tmp_path / "disk.raw"
    raw.write_bytes(bytes(1024 * 1024))
    with pytest.raises(ImageError, match="not in qcow2 format"):
        qcow2.inspect(raw)


def test_an_absurd_virtual_size_is_refused_before_qemu_sees_it(make_disk: MakeDisk) -> None:
    with pytest.raises(ImageError, match="2 TiB"):
        qcow2.inspect(changed(make_disk(), 24, struct.pack(">Q", 2 * 1024**4 + 512)))


@pytest.mark.parametrize(
    ("offset", "data", "reason"),
    [
        (32, struct.pack(">I", 2), "encrypted"),
        (72, struct.pack(">Q", 1 << 1), "corrupt"),
        (72, struct.pack(">Q", 1 << 40), "not known"),
        (4, struct.pack(">I", 7), "unknown kind"),
        (20, struct.pack(">I", 63), "unknown kind"),
        (24, struct.pack(">Q", 0), "virtual size"),
    ],
)
def test_a_header_that_promises_trouble_is_refused(
    make_disk: MakeDisk, offset: int, data: bytes, reason: str
) -> None:
    with pytest.raises(ImageError, match=reason):
        qcow2.inspect(changed(make_disk(), offset, data))


def test_a_file_that_only_qemu_finds_broken_is_damaged(make_disk: MakeDisk) -> None:
    broken = changed(make_disk(), 40, struct.pack(">Q", 0xFFFF_FFFF_FFFF_0000))
    with pytest.raises(ImageError, match="qemu-img cannot read it") as refused:
        qcow2.inspect(broken)
    assert refused.value.code == "ImageDamaged"


def test_a_file_that_hangs_qemu_img_is_refused_at_the_time_limit(
    make_disk: MakeDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_: object, timeout: float, **__: object) -> None:
        raise subprocess.TimeoutExpired("qemu-img", timeout)

    disk = make_disk()
    monkeypatch.setattr(qcow2.subprocess, "run", hang)
    with pytest.raises(ImageError, match="timed out"):
        qcow2.inspect(disk)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_fail_otherwise_than_by_refusing(tail: bytes) -> None:
    for start in (tail, b"QFI\xfb\0\0\0\3" + tail):
        try:
            qcow2.refuse_unsafe(qcow2.read_header(start))
        except ImageError:
            continue
