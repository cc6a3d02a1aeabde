from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from fake_cli_daemon import FakeDaemon, Vmss


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "some.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "8M"], check=True)
    return path


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("VMSS_IMAGES_DIR", str(tmp_path / "images"))
    return tmp_path / "images"


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def add(vmss: Vmss, disk: Path, *flags: str) -> int:
    return vmss("image", "add", "tiny", "--file", str(disk), "--sha256", checksum(disk), *flags).code


def test_an_image_is_added_listed_shown_verified_and_removed_without_a_daemon(
    vmss: Vmss, daemon: FakeDaemon, disk: Path, images: Path
) -> None:
    assert add(vmss, disk, "--login-user", "debian") == 0
    [listed] = json.loads(vmss("image", "list", "-o", "json").out)
    shown = json.loads(vmss("image", "show", "tiny:1.0.0", "-o", "json").out)
    assert listed == shown
    assert (shown["urn"], shown["loginUser"], shown["virtualSizeBytes"]) == (
        "local:tiny:tiny:1.0.0",
        "debian",
        8 * 2**20,
    )
    assert vmss("image", "verify").code == 0
    assert vmss("image", "remove", "tiny").code == 0
    assert json.loads(vmss("image", "list", "-o", "json").out) == []
    assert daemon.requests == []


def test_a_damaged_image_fails_its_verification(vmss: Vmss, disk: Path, images: Path) -> None:
    add(vmss, disk)
    with (images / "tiny/1.0.0/disk.qcow2").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"!")
    outcome = vmss("image", "verify", "tiny")
    assert (outcome.code, "checksum" in outcome.out) == (1, True)


@pytest.mark.parametrize("flags", [[], ["--file", "a", "--url", "https://x/y"], ["--file", "a", "--boot", "magic"]])
def test_an_image_wants_one_source_and_a_way_to_boot(vmss: Vmss, images: Path, flags: list[str]) -> None:
    assert vmss("image", "add", "tiny", "--sha256", "0" * 64, *flags).code == 2
    assert not images.exists()


def test_a_wrong_checksum_takes_nothing_in(vmss: Vmss, disk: Path, images: Path) -> None:
    outcome = vmss("image", "add", "tiny", "--file", str(disk), "--sha256", "0" * 64)
    assert (outcome.code, "ImageDamaged" in outcome.err) == (1, True)
    assert vmss("image", "show", "tiny").code == 3


@pytest.mark.parametrize("line", ["show tiny", "show tiny:1.0.0", "show a:b:c:1.0.0", "remove tiny", "verify tiny"])
def test_an_image_that_is_not_there_has_exit_code_3(vmss: Vmss, images: Path, line: str) -> None:
    assert vmss("image", *line.split()).code == 3


def test_an_image_without_a_recipe_is_refused_with_the_recipes_there_are(vmss: Vmss, images: Path) -> None:
    outcome = vmss("image", "build", "windows")
    assert outcome.code == 1
    assert "micro" in outcome.err
