from __future__ import annotations

import pytest

from orchestrator.errors import BadInput
from orchestrator.model.arm.skus import Hosts, region_skus, scale_set_sku
from orchestrator.model.guest import HostCapacity
from orchestrator.model.sizes import AZURE_SIZES, Size, SizeCatalogue


def test_a_size_is_found_whatever_the_case() -> None:
    assert SizeCatalogue().get("standard_d2S_V5") == Size("Standard_D2s_v5", 2, 8192)


# Figures as the documentation of each family gives them.
@pytest.mark.parametrize(
    ("name", "vcpus", "gib", "family"),
    [
        ("Standard_B1ls", 1, 0.5, "standardBSFamily"),
        ("Standard_B1s", 1, 1, "standardBSFamily"),
        ("Standard_B2s", 2, 4, "standardBSFamily"),
        ("Standard_B2ms", 2, 8, "standardBSFamily"),
        ("Standard_B20ms", 20, 80, "standardBSFamily"),
        ("Standard_B2ts_v2", 2, 1, "standardBsv2Family"),
        ("Standard_B2ls_v2", 2, 4, "standardBsv2Family"),
        ("Standard_B2s_v2", 2, 8, "standardBsv2Family"),
        ("Standard_B8ls_v2", 8, 16, "standardBsv2Family"),
        ("Standard_B32s_v2", 32, 128, "standardBsv2Family"),
        ("Standard_D2_v3", 2, 8, "standardDv3Family"),
        ("Standard_D64s_v3", 64, 256, "standardDSv3Family"),
        ("Standard_D4s_v4", 4, 16, "standardDSv4Family"),
        ("Standard_D96as_v4", 96, 384, "standardDASv4Family"),
        ("Standard_D8s_v5", 8, 32, "standardDSv5Family"),
        ("Standard_D48as_v5", 48, 192, "standardDASv5Family"),
        ("Standard_D2ls_v5", 2, 4, "standardDLSv5Family"),
        ("Standard_E2s_v3", 2, 16, "standardESv3Family"),
        ("Standard_E64s_v3", 64, 432, "standardESv3Family"),
        ("Standard_E64s_v4", 64, 504, "standardESv4Family"),
        ("Standard_E64s_v5", 64, 512, "standardESv5Family"),
        ("Standard_E96as_v5", 96, 672, "standardEASv5Family"),
        ("Standard_F72s_v2", 72, 144, "standardFSv2Family"),
        ("Standard_A1_v2", 1, 2, "standardAv2Family"),
        ("Standard_A8m_v2", 8, 64, "standardAv2Family"),
    ],
)
def test_azures_sizes_have_azures_figures(name: str, vcpus: int, gib: float, family: str) -> None:
    size = SizeCatalogue().get(name)
    assert (size.vcpus, size.memory_mib, size.family) == (vcpus, gib * 1024, family)


def test_the_catalogue_names_each_size_once() -> None:
    names = [size.name for size in AZURE_SIZES]
    assert len(set(names)) == len(names) >= 60


def test_an_unknown_size_is_refused_with_its_neighbours() -> None:
    with pytest.raises(BadInput) as caught:
        SizeCatalogue().get("Standard_D2s_v55")
    assert caught.value.target == "sku.name"
    assert "Standard_D2s_v5" in caught.value.message


def test_a_sites_own_size_replaces_a_built_in_one() -> None:
    assert SizeCatalogue([Size("lab_micro", 2, 128)]).get("Lab_Micro").memory_mib == 128


@pytest.mark.parametrize("numbers", [(0, 512, None), (1, 8, None), (1, 512, 0)])
def test_a_size_without_substance_is_refused(numbers: tuple[int, int, int | None]) -> None:
    with pytest.raises(BadInput):
        Size("x", *numbers)


def test_a_set_in_one_placement_group_is_told_that_it_may_have_a_hundred() -> None:
    size = SizeCatalogue().get("Lab_Micro")
    many, few = scale_set_sku(size), scale_set_sku(size, is_single_placement_group=True)
    assert many["sku"] == {"name": "Lab_Micro", "tier": "Standard"}
    assert (many["capacity"]["maximum"], few["capacity"]["maximum"]) == (1000, 100)


def host(vcpus: int, memory_mib: int) -> HostCapacity:
    return HostCapacity(vcpus, memory_mib, 0, 0, 0, 0)


def test_a_location_lists_each_size_with_its_family_its_figures_and_the_zones() -> None:
    [item] = region_skus([SizeCatalogue().get("Standard_B1ls")], "local", {"2": [], "1": []})
    assert (item["name"], item["size"], item["family"]) == ("Standard_B1ls", "B1ls", "standardBSFamily")
    assert item["locationInfo"] == [{"location": "local", "zones": ["1", "2"], "zoneDetails": []}]
    figures = {each["name"]: each["value"] for each in item["capabilities"]}
    assert (figures["vCPUs"], figures["MemoryGB"], figures["MaxDataDiskCount"]) == ("1", "0.5", "0")
    assert item["restrictions"] == []


@pytest.mark.parametrize(
    ("hosts", "kind", "where"),
    [
        ({"1": [host(2, 8192)], "2": [host(4, 9000)]}, None, None),
        ({"1": [host(2, 8191)], "2": [host(4, 9000)]}, "Zone", {"locations": ["local"], "zones": ["1"]}),
        ({"1": [host(1, 9000), host(2, 100)]}, "Location", {"locations": ["local"]}),
        ({"1": [host(1, 9000), None]}, None, None),
        ({"1": [host(1, 9000), host(2, 8192)]}, None, None),
        ({}, None, None),
    ],
    ids=["fits", "one zone is small", "no host is big enough", "one has not answered", "one is enough", "no host"],
)
def test_a_size_is_restricted_where_no_host_is_big_enough(
    hosts: Hosts, kind: str | None, where: dict[str, list[str]] | None
) -> None:
    [item] = region_skus([SizeCatalogue().get("Standard_D2s_v5")], "local", hosts)
    found = [(each["type"], each["restrictionInfo"]) for each in item["restrictions"]]
    assert found == ([] if kind is None else [(kind, where)])
