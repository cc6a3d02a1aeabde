"""Batches of a rolling upgrade (reference 4.5): their size, and who is in them."""

from __future__ import annotations

import pytest

from orchestrator.plan.batches import Candidate, batch_size, next_batch, small_shares
from orchestrator.plan.inputs import RollingPolicy
from tests.unit.plan.tables import row

PLAIN = RollingPolicy()


def walk(candidates: list[Candidate], size: int, policy: RollingPolicy = PLAIN) -> list[list[int]]:
    """All batches until everybody had a turn."""
    left, batches = list(candidates), []
    while left:
        batch = next_batch(left, size, policy)
        batches.append([each.instance_id for each in batch])
        left = [each for each in left if each.row not in batch]
    return batches


@pytest.mark.parametrize(
    ("percent", "sizes"),
    [
        # for totals     1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25
        (5, [1] * 25),
        (10, [1] * 19 + [2] * 6),
        (20, [1] * 9 + [2] * 5 + [3] * 5 + [4] * 5 + [5]),
        (25, [1] * 7 + [2] * 4 + [3] * 4 + [4] * 4 + [5] * 4 + [6] * 2),
        (33, [1] * 6 + [2] * 3 + [3] * 3 + [4] * 3 + [5] * 3 + [6] * 3 + [7] * 3 + [8]),
        (50, [1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12]),
        (100, list(range(1, 26))),
    ],
)
def test_a_batch_is_its_percentage_rounded_down_and_at_least_one(percent: int, sizes: list[int]) -> None:
    assert [batch_size(total, percent) for total in range(1, 26)] == sizes


@pytest.mark.parametrize(
    ("size", "batches"),
    [
        (1, [[0], [5], [1], [6], [2], [7], [3], [8], [4], [9]]),
        (2, [[0, 5], [1, 6], [2, 7], [3, 8], [4, 9]]),
        (5, [[0, 5], [1, 6], [2, 7], [3, 8], [4, 9]]),  # never beyond its update domain
    ],
)
def test_ten_instances_over_five_update_domains_are_walked_domain_by_domain(
    size: int, batches: list[list[int]]
) -> None:
    assert walk([Candidate(row(n, update_domain=n % 5)) for n in range(10)], size) == batches


def test_update_domains_of_two_placement_groups_are_not_one() -> None:
    rows = [row(n, update_domain=0, placement_group=n // 2) for n in range(4)]
    assert walk([Candidate(each) for each in rows], 4) == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("is_cross_zone", "batches"),
    [(False, [[0, 3], [1, 4], [2, 5]]), (True, [[0, 1, 2, 3], [4, 5]])],
)
def test_a_batch_stays_in_one_zone_unless_it_may_span_them(is_cross_zone: bool, batches: list[list[int]]) -> None:
    rows = [row(n, zone=str(n % 3 + 1)) for n in range(6)]
    policy = RollingPolicy(is_cross_zone=is_cross_zone)
    assert walk([Candidate(each) for each in rows], 4, policy) == batches


def test_spanning_zones_does_not_span_update_domains() -> None:
    rows = [row(n, zone=str(n % 2 + 1), update_domain=n // 2) for n in range(4)]
    assert walk([Candidate(each) for each in rows], 4, RollingPolicy(is_cross_zone=True)) == [[0, 1], [2, 3]]


@pytest.mark.parametrize(("is_first", "batches"), [(False, [[0], [1], [2], [3]]), (True, [[2], [0], [1], [3]])])
def test_the_unhealthy_go_first_when_asked(is_first: bool, batches: list[list[int]]) -> None:
    candidates = [Candidate(row(n), is_unhealthy=n == 2) for n in range(4)]
    assert walk(candidates, 1, RollingPolicy(is_unhealthy_first=is_first)) == batches


def test_phases_ascend_and_those_without_one_come_last() -> None:
    phases = {0: None, 1: 7, 2: 0, 3: 7, 4: -1}
    candidates = [Candidate(row(n), phase=phase) for n, phase in phases.items()]
    assert walk(candidates, 2) == [[4], [2], [1, 3], [0]]


def test_phases_come_before_the_unhealthy() -> None:
    candidates = [Candidate(row(0), phase=1), Candidate(row(1), phase=2, is_unhealthy=True)]
    assert walk(candidates, 1, RollingPolicy(is_unhealthy_first=True)) == [[0], [1]]


def test_who_serves_nobody_goes_first_and_leaves_room_for_others_beside_it() -> None:
    candidates = [Candidate(row(n), is_out=n == 3) for n in range(4)]
    assert walk(candidates, 2) == [[3, 0], [1, 2]]


def test_nobody_to_upgrade_is_no_batch() -> None:
    assert next_batch([], 5, PLAIN) == []


@pytest.mark.parametrize(
    ("policy", "total", "words"),
    [
        (PLAIN, 5, []),
        (PLAIN, 4, ["20 % of 4 is less than one instance: batches are of one", "a single unhealthy one stops"]),
        (RollingPolicy(batch_percent=25), 4, ["a single unhealthy one stops"]),
        (RollingPolicy(unhealthy_percent=50), 4, ["batches are of one"]),
        (PLAIN, 0, []),
    ],
)
def test_a_percentage_below_one_instance_is_a_warning(policy: RollingPolicy, total: int, words: list[str]) -> None:
    notes = small_shares(policy, total)
    assert len(notes) == len(words)
    assert all(word in note for word, note in zip(words, notes, strict=True))
