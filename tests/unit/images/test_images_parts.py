"""What images are made from: recipes, kernels, drivers, and the machine's own sources of packages."""

from __future__ import annotations

import gzip
import lzma
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import ImageError
from orchestrator.images import recipes
from orchestrator.images.build import build
from orchestrator.images.catalogue import DISK, INITRD, KERNEL, Catalogue
from orchestrator.images.disk import make_initramfs
from orchestrator.images.kernel import module_order, unpack_kernel
from orchestrator.images.recipes import load_recipe, recipe_names
from orchestrator.images.suites import AptTarget, Suite, choose_suite, parse_targets

BOOKWORM = {"ID": "debian", "VERSION_CODENAME": "bookworm"}
NOBLE = {"ID": "ubuntu", "VERSION_CODENAME": "noble"}

PVH_NOTE = struct.pack("<III", 4, 8, 18) + b"Xen\0"


def elf(note: bytes = PVH_NOTE) -> bytes:
    return b"\x7fELF" + bytes(500) + note + bytes(500)


def bz_image(payload: bytes, size: int) -> bytes:
    """The shape of a bzImage: a header in the first sectors, the packed kernel behind it."""
    head = bytearray(3 * 512)
    head[0x1F1], head[0x202:0x206] = 2, b"HdrS"
    body = payload + struct.pack("<I", size)
    struct.pack_into("<II", head, 0x248, 16, len(body))
    return bytes(head) + bytes(16) + body + b"trailer"


def packed_by(tool: str, data: bytes) -> bytes:
    command = {"lz4": ["lz4", "-l", "-c"], "zstd": ["zstd", "-c"]}[tool]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("tool", ["gzip", "xz", "lz4", "zstd"])
def test_a_kernel_with_a_pvh_entry_is_unpacked(tool: str) -> None:
    pack = {"gzip": gzip.compress, "xz": lzma.compress}.get(tool, lambda data: packed_by(tool, data))
    assert unpack_kernel(bz_image(pack(elf()), len(elf()))) == elf()


def test_a_kernel_without_that_entry_or_packed_in_an_unknown_way_stays_as_it_is() -> None:
    plain = elf(note=b"")
    for image in (
        bz_image(gzip.compress(plain, mtime=0), len(plain)),
        bz_image(b"????" + elf(), len(elf())),
        b"\x7fELF already" + bytes(1000),
    ):
        assert unpack_kernel(image) == image


def test_a_kernel_that_unpacks_to_another_size_is_damaged() -> None:
    with pytest.raises(ImageError, match="instead of 7") as damaged:
        unpack_kernel(bz_image(gzip.compress(elf()), 7))
    assert damaged.value.code == "ImageDamaged"


@pytest.fixture
def drivers(tmp_path: Path) -> Path:
    """A kernel's folder of drivers: plain and packed ones, and the list of those built in."""
    folder = tmp_path / "lib/modules/6.1"
    folder.mkdir(parents=True)

    def driver(name: str, *needs: str) -> bytes:
        return (
            b"\x7fELF" + name.encode() + b"\0license=GPL\0depends=" + ",".join(needs).encode() + b"\0vermagic=6.1\0"
        )

    (folder / "virtio-net.ko").write_bytes(driver("virtio-net", "virtio", "net_failover"))
    (folder / "net_failover.ko.xz").write_bytes(lzma.compress(driver("net_failover", "failover")))
    (folder / "failover.ko.gz").write_bytes(gzip.compress(driver("failover")))
    (folder / "virtio.ko.zst").write_bytes(packed_by("zstd", driver("virtio", "virtio_ring", "ext4")))
    (folder / "virtio_ring.ko").write_bytes(driver("virtio_ring"))
    (folder / "modules.builtin").write_text("kernel/fs/ext4/ext4.ko\n")
    return tmp_path


def test_drivers_come_after_what_they_need_and_unpacked(drivers: Path) -> None:
    ordered = module_order(drivers, ("virtio_net", "virtio_ring", "ext4"))
    assert [name for name, _ in ordered] == ["virtio_ring", "virtio", "failover", "net_failover", "virtio_net"]
    assert all(content.startswith(b"\x7fELF") for _, content in ordered)


def test_a_driver_that_the_kernel_lacks_is_named(drivers: Path) -> None:
    with pytest.raises(ImageError, match="no driver 'virtio_sound'"):
        module_order(drivers, ("virtio-sound",))


def test_an_initramfs_holds_its_script_busybox_and_the_drivers_in_order(tmp_path: Path) -> None:
    init, busybox = tmp_path / "init", tmp_path / "busybox"
    init.write_text("#!/bin/sh\n")
    busybox.write_bytes(b"\x7fELF")
    make_initramfs(init, busybox, [("b", b"1"), ("a", b"2")], tmp_path, tmp_path / "initrd")
    out = tmp_path / "out"
    out.mkdir()
    archive = (tmp_path / "initrd").read_bytes()
    subprocess.run(["cpio", "--quiet", "-id"], input=archive, cwd=out, check=True)
    assert (out / "modules").read_text() == "b\na\n"
    assert [path.name for path in sorted((out / "lib").iterdir())] == ["a.ko", "b.ko"]
    assert (out / "init").stat().st_mode & 0o777 == 0o755
    assert (out / "bin/insmod").readlink() == Path("busybox")


DEBIAN_TARGETS = parse_targets(
    "http://m/debian/|bookworm|bookworm|Debian|Debian|main\n"
    "http://m/debian/|bookworm|bookworm|Debian|Debian|non-free\n"
    "http://m/debian/|bookworm-updates|bookworm-updates|Debian|Debian|main\n"
    "http://m/debian/|bookworm-backports|bookworm-backports|Debian Backports|Debian Backports|main\n"
    "http://s/security/|bookworm-security|bookworm-security|Debian|Debian-Security|main\n"
    "http://other/apt/|stable|stable|Someone|Someone|main\n"
    "not in our format\n"
)


def test_the_machines_own_mirrors_are_used_and_no_strangers() -> None:
    for wanted in ("machine", "bookworm"):
        suite = choose_suite(wanted, BOOKWORM, DEBIAN_TARGETS)
        assert (suite.distribution, suite.name) == ("debian", "bookworm")
        assert suite.lines == (
            "deb http://m/debian/ bookworm main non-free",
            "deb http://m/debian/ bookworm-updates main",
            "deb http://s/security/ bookworm-security main",
        )


def test_another_debian_release_comes_from_the_same_mirrors() -> None:
    trixie = {"ID": "debian", "VERSION_CODENAME": "trixie"}
    suite = choose_suite("bookworm", trixie, [_as_trixie(target) for target in DEBIAN_TARGETS])
    assert suite.lines == (
        "deb http://m/debian/ bookworm main",
        "deb http://m/debian/ bookworm-updates main",
        "deb http://s/security/ bookworm-security main",
    )


def _as_trixie(target: AptTarget) -> AptTarget:
    release = target.release.replace("bookworm", "trixie")
    return AptTarget(target.uri, release, release, target.origin, target.label, target.component)


UBUNTU_TARGETS = parse_targets(
    "http://u/ubuntu/|noble|noble|Ubuntu|Ubuntu|main\nhttp://u/ubuntu/|noble|noble|Ubuntu|Ubuntu|universe\n"
)


def test_on_ubuntu_micro_is_ubuntu_and_debian_comes_from_the_default_mirror() -> None:
    assert choose_suite("machine", NOBLE, UBUNTU_TARGETS) == Suite(
        "ubuntu", "noble", ("deb http://u/ubuntu/ noble main universe",)
    )
    assert choose_suite("bookworm", NOBLE, UBUNTU_TARGETS) == Suite("debian", "bookworm", ())


def test_ubuntu_without_lists_of_packages_is_told_to_get_them() -> None:
    with pytest.raises(ImageError, match="apt-get update"):
        choose_suite("machine", NOBLE, [])


def test_an_unknown_distribution_cannot_build() -> None:
    with pytest.raises(ImageError, match="'arch'"):
        choose_suite("machine", {"ID": "arch"}, [])


def test_every_recipe_can_be_read_and_names_a_kernel_for_its_packages() -> None:
    assert recipe_names() == ["debian-12", "micro"]
    for name in recipe_names():
        recipe = load_recipe(name)
        assert set(recipe.kernel) == set(recipe.packages)
        assert recipe.packages_for("debian")
    with pytest.raises(ImageError, match="cannot be built from ubuntu"):
        load_recipe("debian-12").packages_for("ubuntu")
    with pytest.raises(ImageError, match="there are: debian-12, micro"):
        load_recipe("../micro")


@pytest.fixture
def own_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the recipes that a test may change."""
    folder = tmp_path / "images"
    shutil.copytree(recipes.data_folder("images"), folder)
    monkeypatch.setattr(recipes, "data_folder", lambda name: folder)
    return folder


@pytest.mark.parametrize("changed", ["micro/recipe.toml", "micro/root/etc/inittab", "initramfs/init"])
def test_any_change_of_a_recipe_or_suite_changes_its_fingerprint(own_recipes: Path, changed: str) -> None:
    before = load_recipe("micro").fingerprint("debian/bookworm")
    assert load_recipe("micro").fingerprint("debian/bookworm") == before
    assert load_recipe("micro").fingerprint("debian/trixie") != before
    with (own_recipes / changed).open("a") as file:
        file.write("# changed\n")
    assert load_recipe("micro").fingerprint("debian/bookworm") != before


def test_an_image_is_built_again_only_when_its_recipe_changed_or_when_asked(
    own_recipes: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake_files(recipe: object, suite: object, work: Path, say: object) -> Path:
        staged = work / "staged"
        staged.mkdir()
        for name in (DISK, KERNEL, INITRD):
            (staged / name).write_text(name)
        return staged

    monkeypatch.setattr("orchestrator.images.build.machine_suite", lambda wanted: Suite("debian", "bookworm", ()))
    monkeypatch.setattr("orchestrator.images.build._make_files", fake_files)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    said: list[str] = []
    first = build("micro", catalogue, said.append)
    assert build("micro", catalogue, said.append) == first
    assert said[-1] == "micro 1.0.0 is built already"
    assert build("micro", catalogue, said.append, force=True).version == "1.0.1"
    (own_recipes / "initramfs/init").write_text("other")
    assert build("micro", catalogue, said.append).version == "1.0.2"
    catalogue.verify(catalogue.show("vmss:micro:1:latest"))


def test_a_build_that_fails_leaves_nothing(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ImageError("mmdebstrap ended with code 1.")

    monkeypatch.setattr("orchestrator.images.build.machine_suite", lambda wanted: Suite("debian", "bookworm", ()))
    monkeypatch.setattr("orchestrator.images.build.bootstrap", fail)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(ImageError, match="code 1"):
        build("micro", catalogue, lambda line: None)
    assert list(catalogue.folder.iterdir()) == []


def test_building_without_root_is_refused_in_one_sentence(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.images.build.machine_suite", lambda wanted: Suite("debian", "bookworm", ()))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ImageError, match="built as root"):
        build("micro", catalogue, lambda line: None)
