"""Whose a thing on a host is, by the rows."""

from __future__ import annotations

import pytest

from orchestrator.model.guest import HostCapacity, HostView, Owner, Power, SeenGuest, SeenVolume
from orchestrator.model.instance import Instance, Stage
from orchestrator.plan.strays import Census, stray_owners
from tests.unit.plan.tables import row

MINE = "0a0b0c0d"
OURS = Owner(MINE, "a" * 12, 0, 1)


def _view(*owners: Owner | None) -> HostView:
    guests = tuple(SeenGuest(f"web_{n}", f"u{n}", owner, Power.SHUT_OFF) for n, owner in enumerate(owners))
    volumes = tuple(SeenVolume(owner.disk_volume, owner, 1) for owner in owners if owner)
    return HostView(guests, volumes, HostCapacity(1, 1, 0, 0, 1, 1))


@pytest.mark.parametrize(
    ("instance", "owned_on"),
    [
        (row(0, host="h1"), {"h1"}),
        (row(0, host="h1", is_gone=True), {"h1"}),
        (row(0, host="h1", moving_from="h2"), {"h1", "h2"}),
        (row(0, host=None, moving_from="h2", stage=Stage.WAITING), {"h2"}),
        (row(0, host=None, stage=Stage.WAITING), set()),
        (row(0, host="h1", stage=Stage.WAITING), set()),
        (row(0, host="h1", generation=2), set()),
    ],
)
def test_a_row_owns_what_it_has_where_it_is_and_where_it_comes_from(instance: Instance, owned_on: set[str]) -> None:
    for host in ("h1", "h2", "h3"):
        census = Census.of([instance], MINE, host)
        assert (stray_owners(_view(OURS), census) == []) is (host in owned_on), host


def test_what_is_not_ours_is_no_stray() -> None:
    census = Census.of([], MINE, "h1")
    assert stray_owners(_view(None, Owner("f" * 8, "a" * 12, 0, 1)), census) == []


def test_the_marker_of_a_half_copied_disk_tells_its_owner() -> None:
    assert Owner.of_volume(OURS.copying_volume) == OURS
    assert OURS.copying_volume not in {OURS.disk_volume, OURS.seed_volume, OURS.log_volume}
