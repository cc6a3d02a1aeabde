"""Images as clients of Azure look for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from fake_world import GROUP, SUB, World

from orchestrator.images.versions import ImageVersion
from orchestrator.model.guest import Boot

LOCATION = f"/subscriptions/{SUB}/providers/Microsoft.Compute/locations/local"
VERSIONS = f"{LOCATION}/publishers/vmss/artifacttypes/vmimage/offers/micro/skus/1/versions"
EXTENSIONS = f"{LOCATION}/publishers/Microsoft.Azure.Extensions/artifacttypes/vmextension/types"


def image(name: str, version: str, **members: Any) -> ImageVersion:
    made = ImageVersion(
        name=name,
        publisher="vmss",
        offer=name.partition("-")[0],
        sku=name.partition("-")[2] or "1",
        version=version,
        os_name="Linux 1",
        architecture="x86_64",
        login_user="root",
        size_bytes=10,
        virtual_size_bytes=(1 << 30) + 1,
        sha256="a" * 64,
        boot=Boot.UEFI,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return replace(made, **members)


class FakeCatalogue:
    def list(self) -> list[ImageVersion]:
        return [image("micro", "1.0.9"), image("micro", "1.0.10"), image("debian-12", "2.0.0")]


@pytest.fixture
def stocked(world: World) -> World:
    world.app.state.api = replace(world.app.state.api, catalogue=FakeCatalogue())
    return world


def test_aliases_are_read_without_a_token(stocked: World) -> None:
    answer = stocked.send("GET", "/metadata/aliases", is_local=False)
    linux = answer.json()["outputs"]["aliases"]["value"]["Linux"]
    assert linux["Debian12"] == {
        "publisher": "vmss",
        "offer": "debian",
        "sku": "12",
        "version": "latest",
        "architecture": "x64",
    }
    assert set(linux) == {"Debian12", "Micro"}


def test_versions_come_as_a_bare_array_newest_first(stocked: World) -> None:
    assert [each["name"] for each in stocked.get(VERSIONS)] == ["1.0.10", "1.0.9"]
    query = "?api-version=2024-11-01&$top=1&$orderby=name desc&$expand=properties"
    [newest] = stocked.get(f"{VERSIONS}{query}")
    assert newest["name"] == "1.0.10"
    assert newest["properties"]["osDiskImage"] == {"operatingSystem": "Linux", "sizeInGb": 2}
    oldest = stocked.get(f"{VERSIONS}?api-version=2024-11-01&$orderby=name%20asc")
    assert [each["name"] for each in oldest] == ["1.0.9", "1.0.10"]


def test_one_version_is_shown_with_its_properties(stocked: World) -> None:
    shown = stocked.get(f"{VERSIONS}/latest")
    assert (shown["name"], shown["properties"]["hyperVGeneration"]) == ("1.0.10", "V2")
    assert shown["id"].endswith("/versions/1.0.10")
    assert stocked.send("GET", f"{VERSIONS}/7.7.7").status_code == 404


def test_publishers_offers_and_skus_lead_to_the_versions(stocked: World) -> None:
    publishers = stocked.get(f"{LOCATION}/publishers")
    assert [each["name"] for each in publishers] == [
        "Microsoft.Azure.Extensions",
        "Microsoft.ManagedServices",
        "vmss",
    ]
    offers = f"{LOCATION}/publishers/VMSS/artifacttypes/vmimage/offers"
    assert [each["name"] for each in stocked.get(offers)] == ["debian", "micro"]
    assert [each["name"] for each in stocked.get(f"{offers}/Debian/skus")] == ["12"]


def test_an_image_that_is_not_there_and_a_place_that_is_not_ours_are_not_found(stocked: World) -> None:
    missing = stocked.send("GET", VERSIONS.replace("micro", "windows"))
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "NotFound")
    elsewhere = stocked.send("GET", VERSIONS.replace("/local/", "/mars/"))
    assert elsewhere.json()["error"]["code"] == "LocationNotFound"


def test_images_are_managed_images_of_every_group(stocked: World) -> None:
    path = f"{GROUP}/providers/Microsoft.Compute/images"
    assert {each["name"] for each in stocked.get(path)["value"]} == {"micro", "debian-12"}
    assert stocked.get(f"{path}/Micro")["properties"]["storageProfile"]["osDisk"]["osType"] == "Linux"
    assert stocked.send("GET", f"{path}/nothing").status_code == 404


def test_the_extensions_that_there_are_have_their_versions(world: World) -> None:
    assert [each["name"] for each in world.get(EXTENSIONS)] == ["CustomScript"]
    assert [each["name"] for each in world.get(f"{EXTENSIONS}/customscript/versions")] == ["2.0", "2.1"]
    assert world.get(f"{EXTENSIONS}/CustomScript/versions/2.1")["properties"]["vmScaleSetEnabled"] is True
    assert world.send("GET", f"{EXTENSIONS}/Dancing/versions").status_code == 404


def test_usages_are_the_room_on_the_hosts(world: World) -> None:
    world.put("/providers/Vmss.Local/hosts/h1", {"uri": "qemu:///system"})
    usages = {each["name"]["value"]: each for each in world.get(f"{LOCATION}/usages")["value"]}
    assert (usages["cores"]["currentValue"], usages["cores"]["limit"]) == (1, 4)
    assert usages["virtualMachines"]["limit"] == 4096 // 96, "so many of the smallest size"
    assert (usages["memory"]["currentValue"], usages["memory"]["limit"], usages["memory"]["unit"]) == (
        96,
        4096,
        "MiB",
    )
