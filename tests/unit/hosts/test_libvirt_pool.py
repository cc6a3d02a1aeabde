"""Capacity within limits, and the names under which an image's copies are kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.errors import ImageError
from orchestrator.hosts.libvirt.capacity import measure
from orchestrator.hosts.libvirt.facts import DomainFacts
from orchestrator.hosts.libvirt.images import is_held, parts
from orchestrator.model.guest import Boot, ImageFiles, Owner
from orchestrator.model.host import HostLimits

GIB = 1024**3
PROMISED = (DomainFacts("a", None, 512, 1), DomainFacts("b", None, 1024, 2))
IMAGE = ImageFiles("/i/d", "a" * 64, GIB, Boot.DIRECT_KERNEL, "/i/k", "b" * 64, "/i/r", "c" * 64)


class FakeHost:
    """A call to a host of 8 GiB, 4 CPUs and a pool of 100 GiB, 60 of them free."""

    @property
    def connection(self) -> FakeHost:
        return self

    pool = connection

    def getInfo(self) -> list[object]:  # noqa: N802
        return ["x86_64", 8192, 4]

    def getMemoryStats(self, _cell: int) -> dict[str, int]:  # noqa: N802
        return {"total": 8192 * 1024}

    def info(self) -> list[int]:
        return [2, 100 * GIB, 40 * GIB, 60 * GIB]


def test_without_limits_all_that_the_host_has_counts() -> None:
    found = measure(FakeHost(), HostLimits(), PROMISED, 30 * GIB)
    assert (found.memory_mib, found.vcpus, found.pool_bytes, found.pool_bytes_free) == (
        8192,
        4,
        100 * GIB,
        60 * GIB,
    )
    assert (found.memory_mib_used, found.vcpus_used) == (1536, 3)


def test_limits_lower_what_may_be_promised() -> None:
    found = measure(FakeHost(), HostLimits(memory_mib=4096, vcpus=2, pool_gib=50), PROMISED, 30 * GIB)
    assert (found.memory_mib, found.vcpus, found.pool_bytes, found.pool_bytes_free) == (4096, 2, 50 * GIB, 20 * GIB)


def test_limits_above_what_there_is_add_nothing() -> None:
    found = measure(FakeHost(), HostLimits(memory_mib=1 << 20, pool_gib=1000), (), 0)
    assert (found.memory_mib, found.pool_bytes, found.pool_bytes_free) == (8192, 100 * GIB, 60 * GIB)


def test_a_pool_used_beyond_its_limit_has_no_room_and_not_less_than_none() -> None:
    assert measure(FakeHost(), HostLimits(pool_gib=10), (), 30 * GIB).pool_bytes_free == 0


def test_a_kernel_travels_with_its_disk_and_a_bios_image_has_none() -> None:
    assert len(parts("0a0b0c0d", IMAGE)) == 3
    assert len(parts("0a0b0c0d", replace(IMAGE, boot=Boot.BIOS))) == 1
    with pytest.raises(ImageError):
        parts("0a0b0c0d", replace(IMAGE, kernel_path=None, kernel_sha256=None))


def test_copies_of_two_installations_or_two_images_never_share_a_name() -> None:
    named = [
        part.volume
        for installation in ("0a0b0c0d", "ffffffff")
        for image in (IMAGE, replace(IMAGE, disk_sha256="d" * 64))
        for part in parts(installation, image)
    ]
    assert len(named) == len(set(named)) == 12
    assert all(Owner.of_volume(name) is None for name in named)


def test_a_copy_counts_only_with_its_marker() -> None:
    wanted = parts("0a0b0c0d", IMAGE)
    whole = {part.volume for part in wanted} | {part.marker for part in wanted}
    assert is_held(whole, wanted)
    for name in whole:
        assert not is_held(whole - {name}, wanted)


def test_every_volume_of_a_guest_names_its_owner() -> None:
    owner = Owner("0a0b0c0d", "0123456789ab", 12, 3)
    for name in (owner.disk_volume, owner.seed_volume, owner.log_volume, f"{owner.log_volume}.0"):
        assert Owner.of_volume(name) == owner
    assert Owner.of_volume(f"{owner.log_volume}.bak") is None
