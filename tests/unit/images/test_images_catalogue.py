"""What the catalogue holds, finds and refuses."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import ImageError
from orchestrator.images.catalogue import Catalogue
from orchestrator.images.versions import ImageVersion, Urn
from orchestrator.model.guest import Boot

MakeDisk = Callable[..., Path]
Sha256 = Callable[[Path], str]


@pytest.fixture
def add(catalogue: Catalogue, make_disk: MakeDisk, sha256: Sha256) -> Callable[..., ImageVersion]:
    disk = make_disk("source.qcow2")

    def add(name: str = "web", urn: str | None = None, **options: object) -> ImageVersion:
        wanted = Urn.parse(urn) if urn else None
        return catalogue.add(name, disk, sha256(disk), urn=wanted, **options)  # type: ignore[arg-type]

    return add


Add = Callable[..., ImageVersion]


def test_an_added_image_is_shown_with_all_that_was_said_of_it(catalogue: Catalogue, add: Add) -> None:
    added = add("web", "Contoso:WebServer:2024:1.2.3", boot=Boot.UEFI, login_user="debian", os_name="debian 12")
    assert catalogue.show("web") == added
    assert catalogue.list() == [added]
    assert (added.boot, added.login_user, added.os_name) == (Boot.UEFI, "debian", "debian 12")
    assert (added.virtual_size_bytes, added.urn) == (1024 * 1024, "Contoso:WebServer:2024:1.2.3")
    files = catalogue.files(added)
    assert Path(files.disk_path).stat().st_size == added.size_bytes
    assert (files.kernel_path, files.boot, files.disk_sha256) == (None, Boot.UEFI, added.sha256)


def test_latest_is_the_highest_number_not_the_last_text(catalogue: Catalogue, add: Add) -> None:
    for version in ("1.9.0", "1.10.0", "1.2.0"):
        add("web", f"contoso:web:1:{version}")
    assert catalogue.resolve("contoso", "web", "1", "latest").version == "1.10.0"
    assert catalogue.resolve("contoso", "web", "1", "1.9.0").version == "1.9.0"
    assert [image.version for image in catalogue.list()] == ["1.10.0", "1.9.0", "1.2.0"]


@pytest.mark.parametrize("asked", ["web", "WEB", "web:1.0.0", "CONTOSO:Web:SKU1:LATEST", "contoso:web:sku1:1.0.0"])
def test_an_image_is_found_by_alias_or_urn_in_any_case(catalogue: Catalogue, add: Add, asked: str) -> None:
    added = add("web", "contoso:web:sku1:1.0.0")
    assert catalogue.show(asked) == added


@pytest.mark.parametrize("asked", ["db", "web:2.0.0", "contoso:web:sku2:latest", "contoso:web:sku1:1.0.1"])
def test_what_is_not_there_is_named(catalogue: Catalogue, add: Add, asked: str) -> None:
    add("web", "contoso:web:sku1:1.0.0")
    with pytest.raises(ImageError, match=f"There is no image '{asked}'") as missing:
        catalogue.show(asked)
    assert missing.value.code == "ImageNotFound"


@pytest.mark.parametrize("asked", ["a:b:c:newest", "a:b:c:1.0", "a:b/..:c:1.0.0", "a:b:c:d:e"])
def test_a_urn_that_is_none_is_refused(catalogue: Catalogue, asked: str) -> None:
    with pytest.raises(ImageError) as refused:
        catalogue.show(asked)
    assert refused.value.code == "ImageNotAllowed"


@pytest.mark.parametrize("name", ["", "../up", "Web", "a/b", ".hidden", "a" * 65, "a\n"])
def test_a_name_that_is_no_folder_name_is_refused(catalogue: Catalogue, add: Add, name: str) -> None:
    with pytest.raises(ImageError) as refused:
        add(name, "contoso:web:sku1:1.0.0")
    assert refused.value.code == "ImageNotAllowed"
    assert not catalogue.folder.exists() or not list(catalogue.folder.iterdir())


def test_the_same_version_is_not_added_twice(add: Add) -> None:
    add("web", "contoso:web:1:1.0.0")
    with pytest.raises(ImageError, match="exists already"):
        add("web", "contoso:web:1:1.0.0")


def test_without_a_version_each_add_is_the_next_one(add: Add) -> None:
    assert [add().urn, add().urn] == ["local:web:web:1.0.0", "local:web:web:1.0.1"]


def test_a_refused_image_leaves_nothing_in_the_catalogue(
    catalogue: Catalogue, make_disk: MakeDisk, sha256: Sha256
) -> None:
    leaning = make_disk("leaning.qcow2", "1M", "-b", str(make_disk("base.qcow2")), "-F", "qcow2")
    for checksum, reason in ((sha256(leaning), "backing file"), ("0" * 64, "sha256"), ("abc", "is not")):
        with pytest.raises(ImageError, match=reason):
            catalogue.add("web", leaning, checksum)
    assert list(catalogue.folder.iterdir()) == []


def test_an_image_that_boots_a_kernel_directly_cannot_be_added(add: Add) -> None:
    with pytest.raises(ImageError, match="bios or uefi"):
        add(boot=Boot.DIRECT_KERNEL)


def test_a_removed_image_is_gone_with_its_folder(catalogue: Catalogue, add: Add) -> None:
    add("web", "contoso:web:1:1.0.0")
    add("web", "contoso:web:1:1.0.1")
    catalogue.remove("web", "1.0.0")
    assert [image.version for image in catalogue.list()] == ["1.0.1"]
    catalogue.remove("web")
    assert list(catalogue.folder.iterdir()) == []
    with pytest.raises(ImageError, match="There is no image 'web'"):
        catalogue.remove("web")


def test_a_changed_disk_is_found_damaged_though_it_was_right_before(catalogue: Catalogue, add: Add) -> None:
    image = add()
    catalogue.verify(image)
    disk = Path(catalogue.files(image).disk_path)
    disk.write_bytes(disk.read_bytes()[:-1] + b"x")
    with pytest.raises(ImageError, match=r"'disk\.qcow2' of image 'web'") as damaged:
        catalogue.verify(image)
    assert damaged.value.code == "ImageDamaged"


def test_a_disk_once_found_right_is_not_read_again(
    catalogue: Catalogue, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = add()
    catalogue.verify(image)
    monkeypatch.setattr("orchestrator.images.catalogue.sha256_of", lambda path: pytest.fail(f"{path} was read"))
    catalogue.verify(image)


def test_a_missing_file_of_a_version_is_named(catalogue: Catalogue, add: Add) -> None:
    image = add()
    Path(catalogue.files(image).disk_path).unlink()
    for ask in (catalogue.files, catalogue.verify):
        with pytest.raises(ImageError, match=r"lacks its file 'disk\.qcow2'"):
            ask(image)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": "web"}'])
def test_a_damaged_description_hides_its_own_image_only(catalogue: Catalogue, add: Add, text: str) -> None:
    other = add("db")
    web = add("web")
    (catalogue.folder / "web" / web.version / "image.json").write_text(text)
    assert catalogue.list() == [other]
    assert len(catalogue.damaged()) == 1
    assert "web" in catalogue.damaged()[0]
    with pytest.raises(ImageError) as damaged:
        catalogue.show("web")
    assert damaged.value.code == "ImageDamaged"


def test_a_description_of_another_image_is_damage(catalogue: Catalogue, add: Add) -> None:
    web = add("web")
    (catalogue.folder / "web" / web.version / "image.json").write_text(replace(web, name="db").to_json())
    with pytest.raises(ImageError, match="describes another image"):
        catalogue.show("web")


def test_a_description_survives_being_written_and_read(add: Add) -> None:
    image = add()
    assert ImageVersion.from_json(image.to_json()) == image
    assert json.loads(image.to_json())["boot"] == "bios"


def test_a_version_in_the_making_is_not_seen_and_one_maker_does_not_clear_anothers(catalogue: Catalogue) -> None:
    with catalogue.workspace() as mine:
        (mine / "half").write_text("made")
        with catalogue.workspace() as other:
            assert other != mine
        assert (mine / "half").exists()
        assert catalogue.list() == []
    assert list(catalogue.folder.iterdir()) == []


def test_what_a_killed_maker_left_is_cleared_by_the_next(catalogue: Catalogue) -> None:
    dies = (
        "import os, sys; from pathlib import Path; from orchestrator.images.workspace import workspace\n"
        "with workspace(Path(sys.argv[1])) as work: (work / 'half').write_text('made'); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", dies, str(catalogue.folder)], check=False)
    assert done.returncode == 9
    assert len(list(catalogue.folder.iterdir())) == 1
    with catalogue.workspace() as work:
        assert list(catalogue.folder.iterdir()) == [work]


def test_two_adds_of_one_version_at_once_end_with_one_image(catalogue: Catalogue, add: Add) -> None:
    results: list[object] = []

    def attempt() -> None:
        try:
            results.append(add("web", "contoso:web:1:1.0.0"))
        except ImageError as error:
            results.append(error.message)

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(result, ImageVersion) for result in results) == 1
    assert [image.version for image in catalogue.list()] == ["1.0.0"]
    catalogue.verify(catalogue.show("web"))
