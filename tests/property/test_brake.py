"""The brake on repairs, over random sets and random sickness, and over an outage lived through."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from orchestrator.model.health import Health
from orchestrator.model.instance import Instance, Stage
from orchestrator.plan.inputs import RepairWish, Rules, Seen, Sight, World
from orchestrator.plan.repair import is_sick, plan_repairs
from tests.unit.plan.tables import NOW, row, wish, world

GRACE_S = 30.0
REPAIR = RepairWish("Replace", GRACE_S)
RULES = Rules()
AGES = st.sampled_from([1.0, 40.0, 299.0, 301.0, 5000.0])


@st.composite
def sets(draw: st.DrawFn, kinds_of: str = "wwwwwwsdr") -> World:
    """Up to 120 instances on up to five hosts; some dead, some sick for some time, some just repaired."""
    count, hosts = draw(st.integers(1, 120)), draw(st.integers(1, 5))
    kinds = draw(st.lists(st.sampled_from(kinds_of), min_size=count, max_size=count))
    rows, seen = [], {}
    for number, kind in enumerate(kinds):
        changes = {"repairs": 1, "stage": Stage.BOOTING, "changed_at": NOW - 5} if kind == "r" else {}
        rows.append(row(number, host=f"h{number % hosts + 1}", **changes))
        if kind == "s":
            state = draw(st.sampled_from([Health.UNHEALTHY, Health.UNKNOWN]))
            seen[f"i{number}"] = Seen(Sight.RUNNING, state, NOW - draw(AGES))
        elif kind == "d":
            seen[f"i{number}"] = Seen(Sight.DEAD)
    return world(rows, **seen)


@given(sets())
def test_never_more_than_the_share_is_under_repair_at_once(there: World) -> None:
    count = len(there.rows)
    under_way = sum(1 for each in there.rows if each.repairs)
    begun = plan_repairs(wish(count, repair=REPAIR), there).repairs
    assert len(begun) + under_way <= max(under_way, 1, count // 20)


@given(sets("wwsdr"))
def test_no_sick_guest_is_repaired_in_an_outage_that_is_younger_than_the_hold(there: World) -> None:
    count = len(there.rows)
    sick = [each for each in there.rows if is_sick(each, there)]
    assume(len(sick) > max(1, count // 5))
    repaired = [each.row for each in plan_repairs(wish(count, repair=REPAIR), there).repairs if each.row in sick]
    for_long = [each for each in sick if NOW - there.of(each).health_since >= RULES.brake_hold_s]
    assert len(repaired) <= (1 if len(for_long) > max(1, count // 5) else 0)


@given(st.integers(2, 6), st.integers(2, 6), AGES)
def test_a_whole_host_of_sick_guests_is_held_and_then_mended_one_at_a_time(
    hosts: int, on_each: int, age_s: float
) -> None:
    rows = [row(n, host=f"h{n % hosts + 1}") for n in range(hosts * on_each)]
    ill = {f"i{each.instance_id}": Seen(Sight.RUNNING, Health.UNHEALTHY, NOW - age_s) for each in rows[::hosts]}
    begun = plan_repairs(wish(len(rows), repair=REPAIR), world(rows, **ill)).repairs
    assert len(begun) == (1 if age_s >= RULES.brake_hold_s else 0)


@given(st.integers(3, 200), st.data())
def test_an_outage_that_lasts_is_lived_through_one_at_a_time(count: int, data: st.DataObject) -> None:
    """All fall sick within a minute and stay so, whatever is done: time goes on by the plan's own wake times."""
    began = {n: NOW + data.draw(st.integers(0, 60), label="sick after") for n in range(min(count, 8))}
    since = {n: began.get(n, NOW) for n in range(count)}
    rows = {n: row(n, host=f"h{n % 3 + 1}") for n in range(count)}
    now, first = NOW, None
    for _ in range(40):
        there = _at(now, rows, since)
        plan = plan_repairs(wish(count, repair=REPAIR), there)
        assert len(plan.repairs) <= 1
        for repair in plan.repairs:
            first = now if first is None else first
            number = repair.row.instance_id
            rows[number] = repair.row.but(repairs=repair.repairs, stage=Stage.BOOTING, changed_at=now)
        coming = [n for n, each in rows.items() if each.stage is Stage.BOOTING]
        assert len(coming) <= 1
        if coming and not plan.repairs:  # it comes up, and is sick at once
            rows[coming[0]] = rows[coming[0]].but(stage=Stage.READY, changed_at=now)
            since[coming[0]] = now
        now = max(now + 5, plan.look_again_at or now)
    assert first is not None, "an outage is not waited out for ever"
    fell_sick = sorted(began.get(n, NOW) for n in range(count))
    assert first >= fell_sick[max(1, count // 5)] + RULES.brake_hold_s


def _at(now: float, rows: dict[int, Instance], since: dict[int, float]) -> World:
    seen = {
        n: Seen(Sight.RUNNING, Health.UNHEALTHY if since[n] <= now else Health.HEALTHY, min(since[n], now))
        for n in rows
    }
    return World(tuple(rows.values()), seen, {}, now, RULES)
