from __future__ import annotations

import pytest

from orchestrator.errors import BadInput
from orchestrator.model.sizes import Size, SizeCatalogue


def test_a_size_is_found_whatever_the_case() -> None:
    assert SizeCatalogue().get("standard_d2S_V5") == Size("Standard_D2s_v5", 2, 8192)


def test_an_unknown_size_is_refused_with_its_neighbours() -> None:
    with pytest.raises(BadInput) as caught:
        SizeCatalogue().get("Standard_D2_v5")
    assert caught.value.target == "sku.name"
    assert "Standard_D2s_v5" in caught.value.message


def test_a_sites_own_size_replaces_a_built_in_one() -> None:
    assert SizeCatalogue([Size("lab_micro", 2, 128)]).get("Lab_Micro").memory_mib == 128


@pytest.mark.parametrize("numbers", [(0, 512, None), (1, 8, None), (1, 512, 0)])
def test_a_size_without_substance_is_refused(numbers: tuple[int, int, int | None]) -> None:
    with pytest.raises(BadInput):
        Size("x", *numbers)
