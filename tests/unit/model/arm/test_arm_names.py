"""What instances are called, in both orchestration modes (reference 4.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.arm.names import InstanceNames, set_of_machine
from orchestrator.model.arm.shuffle import shuffled, unshuffled

NUMBERS = st.integers(0, 2**32 - 1)
UIDS = st.text("0123456789abcdef", min_size=12, max_size=12)
UNIFORM = InstanceNames("web", "0123456789ab", is_flexible=False)
FLEXIBLE = InstanceNames("web", "0123456789ab", is_flexible=True)


@given(UIDS, NUMBERS)
def test_a_number_is_read_back_from_its_place(uid: str, number: int) -> None:
    place = shuffled(uid, number)
    assert 0 <= place < 2**32
    assert unshuffled(uid, place) == number


def test_no_two_instances_of_a_set_share_a_name_and_sets_differ() -> None:
    names = {FLEXIBLE.name(number) for number in range(20_000)}
    assert len(names) == 20_000
    other = InstanceNames("web", "ba9876543210", is_flexible=True)
    assert not names & {other.name(number) for number in range(3)}


def test_what_has_more_than_32_bits_has_no_place() -> None:
    with pytest.raises(ValueError, match="32 bits"):
        shuffled("0123456789ab", 2**32)


def test_names_ids_and_host_names_in_both_modes() -> None:
    assert (UNIFORM.name(10), UNIFORM.id(10), UNIFORM.computer_name("w", 10)) == ("web_10", "10", "w00000a")
    name = FLEXIBLE.name(10)
    assert (FLEXIBLE.id(10), FLEXIBLE.computer_name("w", 10)) == (name, f"w{name[-8:]}")
    assert name == InstanceNames("web", "0123456789ab", is_flexible=True).name(10)


@given(NUMBERS)
def test_an_id_is_read_in_any_case(number: int) -> None:
    assert FLEXIBLE.number(FLEXIBLE.id(number)) == number
    assert FLEXIBLE.number(FLEXIBLE.id(number).upper()) == number


@pytest.mark.parametrize(
    "text", ["0", "web_0", "web_0123456", "web_012345678", "web_0123456g", "_01234567", "we_01234567"]
)
def test_what_is_no_id_of_a_flexible_set_is_none(text: str) -> None:
    assert FLEXIBLE.number(text) is None


@pytest.mark.parametrize("text", ["web_0", "web", "web_01234567", "00"])
def test_a_uniform_set_knows_numbers_only(text: str) -> None:
    assert UNIFORM.number(text) is None


@pytest.mark.parametrize(
    ("name", "set_name"),
    [("web_01234567", "web"), ("a_b_89ABCDEF", "a_b"), ("w_01234567_89abcdef", "w_01234567"), ("web", None)],
)
def test_the_set_of_a_vm_is_read_from_its_name(name: str, set_name: str | None) -> None:
    assert set_of_machine(name) == set_name
