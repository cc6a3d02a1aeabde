"""Long random walks of the planner alone: random sets, models, faults and orders, invariants after every step.

``VMSS_WALK_SEED`` and ``VMSS_WALKS`` choose where the walks begin and how many there are: a night of them is
``VMSS_WALKS=20000``. Every failure names the seed that plays it again.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from orchestrator.model import wishes
from orchestrator.model.health import Health
from orchestrator.model.instance import Cause, Instance, Protection, Stage, WantedPower
from orchestrator.plan import steps
from orchestrator.plan.inputs import Cost, RepairWish, RollingPolicy, Rules, SetWish, Sight, World
from orchestrator.plan.planner import plan_set
from orchestrator.plan.steps import Plan
from tests.property.plan_site import Guest, Site, host_facts, new_site

FIRST_SEED = int(os.environ.get("VMSS_WALK_SEED", "1"))
WALKS = int(os.environ.get("VMSS_WALKS", "800"))
STEPS = 130  # 800 walks of 130 steps: more than 100,000
PASSES_TO_PEACE = 1500

RULES = Rules(
    host_lease_s=15.0, brake_hold_s=60.0, repair_settle_s=120.0, upgrade_settle_s=60.0, rebalance_quiet_s=120.0
)


def a_site(rng: random.Random) -> Site:
    zones = rng.choice([1, 1, 2, 3])
    hosts = {}
    for number in range(rng.randint(zones, 5)):
        name = f"h{number + 1}"
        hosts[name] = host_facts(name, str(number % zones + 1), number, rng.choice([3, 6, 100]))
    is_zonal = zones > 1 and rng.random() < 0.6
    policy = RollingPolicy(
        batch_percent=rng.choice([5, 20, 50, 100]),
        unhealthy_percent=rng.choice([20, 50, 100]),
        unhealthy_upgraded_percent=rng.choice([0, 20, 100]),
        pause_s=rng.choice([0.0, 5.0]),
        is_cross_zone=rng.random() < 0.3,
        is_unhealthy_first=rng.random() < 0.3,
        has_surge=rng.random() < 0.3,
        rolls_back_failed=rng.random() < 0.5,
        rolls_back_model=rng.random() < 0.2,
        canary_count=rng.choice([0, 0, 1]),
    )
    wish = SetWish(
        uid="a" * 12,
        name="web",
        capacity=rng.randint(0, 8),
        next_instance_id=0,
        model_version=1,
        vcpus=1,
        memory_mib=96,
        zones=tuple(str(n + 1) for n in range(zones)) if is_zonal else (),
        fault_domain_count=rng.choice([None, None, 1, 2 if zones == 1 and len(hosts) > 1 else 1]),
        scale_in_rule=rng.choice(["Default", "OldestVM", "NewestVM"]),
        is_unhealthy_first=rng.random() < 0.3,
        repair=RepairWish(rng.choice(["Replace", "Restart", "Reimage"]), 10.0) if rng.random() < 0.7 else None,
        health_interval_s=1.0,
        upgrade_mode=rng.choice(["Manual", "Automatic", "Rolling", "Rolling"]),
        rolling=policy,
        is_overprovisioned=rng.random() < 0.3,
        runs_extensions_on_trial=rng.random() < 0.7,
        is_zone_balance_strict=is_zonal and rng.random() < 0.3,
        rebalances_zones=is_zonal and rng.random() < 0.3,
    )
    return new_site(rng, wish, hosts, RULES)


class Walk:
    """One walk: it moves the site on and checks each move."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.site = a_site(self.rng)
        self.steps = 0

    # One pass of the loop

    def look(self) -> Plan:
        self.site.sweep()
        for _ in range(60):
            world = self.site.world()
            plan = plan_set(self.site.wish, world)
            self.check_plan(world, plan)
            if not plan.decides:
                for step in plan.actions:
                    self.site.begin(step)
                if any(self._is_one_more(step, world) for step in plan.actions):
                    self._check_count(world)
                self.check_site()
                return plan
            self.site.decide(plan, world)
        raise AssertionError(f"it goes on deciding: {plan}")

    # What must hold of a plan

    def check_plan(self, world: World, plan: Plan) -> None:
        wish = self.site.wish
        assert plan == plan_set(wish, self._shuffled(world)), "the order of hosts changes the plan"
        for step in plan.steps:
            assert step.reason, f"{step.kind} without a reason"
            assert isinstance(step, steps.AddInstance) or step.instance_id in self.site.rows, f"{step} of nobody"
        for step in plan.decisions:
            self._check_decision(world, step)
        replaced = [s for s in plan.decisions if isinstance(s, steps.GiveUpInstance) and s.cause is Cause.REPAIR]
        assert len(replaced) <= max(1, int(wish.capacity * world.rules.repair_share)), "too many repairs at once"
        living = [
            step for step in plan.decisions if not isinstance(step, steps.GiveUpInstance | steps.KeepInstance)
        ]
        deciding = Counter(s.instance_id for s in living)
        assert all(count == 1 for count in deciding.values()), f"two decisions about one instance: {plan.decisions}"
        acting = Counter(step.instance_id for step in plan.actions)
        assert all(count == 1 for count in acting.values()), "two actions for one instance"

    def _is_one_more(self, step: steps.Step, world: World) -> bool:
        """A domain that is made anew over a running one is none more, nor one that comes from another host."""
        is_there = world.of_id(step.instance_id).sight is Sight.RUNNING
        return (
            isinstance(step, steps.CreateGuest)
            and not is_there
            and self.site.rows[step.instance_id].moving_from is None
        )

    def _check_count(self, world: World) -> None:
        """Whoever may run, wanted or on the way out, is no more than are wanted when another one is made."""
        site = self.site
        live = {n for (_, n), guest in site.guests.items() if guest.is_running and self._is_current(n, guest)}
        live |= {step.instance_id for step in site.busy.values() if isinstance(step, steps.CreateGuest)}
        rows = [site.rows[number] for number in live if number in site.rows and not site.rows[number].is_lost]
        rows = [row for row in rows if not self._is_stuck(row)]
        most = max(site.wish.capacity, len(world.counted()))
        assert len(rows) <= most, f"{len(rows)} run or are made, and {most} are wanted"

    def _is_current(self, number: int, guest: Guest) -> bool:
        """Of an earlier generation is what a sweep takes away: no plan sees it."""
        return number in self.site.rows and self.site.rows[number].generation == guest.generation

    def _is_stuck(self, row: Instance) -> bool:
        left_at = row.gone_at if row.is_gone else row.quarantined_at
        return left_at is not None and self.site.now - left_at > self.site.rules.stuck_delete_s

    def _shuffled(self, world: World) -> World:
        names = list(world.hosts)
        self.rng.shuffle(names)
        return replace(world, hosts={name: world.hosts[name] for name in names})

    def _check_decision(self, world: World, step: steps.Step) -> None:
        row = self.site.rows.get(step.instance_id)
        match step:
            case steps.GiveUpInstance(cause=cause) if cause is not Cause.SET_DELETED:
                assert row is not None and not row.is_gone
                is_protected = row.protection.from_scale_in or row.protection.from_scale_set_actions
                assert not is_protected, f"the protected {row.instance_id} is chosen: {step.reason}"
            case steps.ApplyModel():
                assert row is not None and not row.protection.from_scale_set_actions, step.reason
            case steps.RepairInPlace(is_reimage=True):
                assert row is not None and not row.protection.from_scale_set_actions, step.reason
            case steps.DeclareLost():
                assert row is not None
                silent = [world.hosts[name].silent_since for name in (row.host, row.moving_from) if name]
                waited = max((world.now - since for since in silent if since is not None), default=0.0)
                assert waited >= world.rules.host_lease_s, "given up too early"
            case steps.AddInstance(host=str(host)) | steps.PlaceInstance(host=host) | steps.MoveInstance(host=host):
                facts = world.hosts[host]
                assert facts.is_up and not facts.is_draining, f"placed on {host}, which takes none"
            case _:
                pass

    # What must hold of the site

    def check_site(self) -> None:
        site, wish = self.site, self.site.wish
        live = Counter(number for (host, number), guest in site.guests.items() if guest.is_running)
        for number, count in live.items():
            lost = site.rows[number].is_lost if number in site.rows else False
            assert count == 1 or lost, f"{number} runs twice"
        counted = [row for row in site.rows.values() if row.counts and not row.is_on_trial]
        surge = len(site.upgrade.surged) if site.upgrade and site.upgrade.is_running else 0
        trials = sum(1 for row in site.rows.values() if row.is_on_trial and row.counts)
        protected = sum(1 for row in counted if row.protection.from_scale_in)
        most = max(wish.capacity + surge + 1, protected + surge + 1)  # one more while zones are evened out
        creating = [step.instance_id for step in site.busy.values() if isinstance(step, steps.CreateGuest)]
        running = [row for row in counted if site.sight(row) is Sight.RUNNING or row.instance_id in creating]
        if any(row.instance_id in creating for row in counted if site.sight(row) is not Sight.RUNNING):
            assert len(running) <= max(most, len(counted)), "more guests than wanted are made"
        assert trials <= max(1, wish.capacity) + 1 + wish.capacity, "too many on trial"
        asleep = [row for row in site.rows.values() if row.is_quarantined and not row.is_gone]
        assert len(asleep) <= site.rules.quarantine_most + 1, "quarantine grows"
        for (host, number), guest in site.guests.items():
            assert number in site.rows or not site.hosts[host].is_up or not guest.is_running, f"{number}: stray"
        self._check_batch()

    def _check_batch(self) -> None:
        upgrade, wish = self.site.upgrade, self.site.wish
        if upgrade is None or not upgrade.batch or not upgrade.is_running:
            return
        rows = [self.site.rows[number] for number in upgrade.batch if number in self.site.rows]
        rows = [row for row in rows if not row.redeploys_done]  # it may have come from another zone since
        if not wish.rolling.is_cross_zone and upgrade.reason.value == "model":
            assert len({row.zone for row in rows if row.host}) <= 1, "a batch crosses zones"

    # What happens

    def happen(self) -> None:
        self.steps += 1
        happening = self.rng.choices(*HAPPENINGS)[0]
        happening(self)

    def any_row(self) -> Instance | None:
        rows = [row for row in self.site.rows.values() if not row.is_gone]
        return self.rng.choice(rows) if rows else None

    def put(self, row: Instance) -> None:
        self.site.rows[row.instance_id] = row

    # Peace

    def make_peace(self) -> None:
        """No more faults: within so many passes everything is as wanted, and nothing is left to do."""
        site = self.site
        for name, host in site.hosts.items():
            room = host_facts(name, host.zone, host.fault_domain, 1000).room
            site.hosts[name] = replace(host, silent_since=None, is_draining=False, room=room)
        site.sick_models.clear()
        site.bad_scripts.clear()
        site.wish = replace(site.wish, is_repair_suspended=False, repair=RepairWish("Replace", 1.0))
        for _ in range(PASSES_TO_PEACE):
            self._calm_down()
            plan = self.look()
            self.steps += 1
            for number in list(site.busy):
                site.end(number)
            site.now += 1.0 if plan.actions else 10.0
            if not plan.steps and not site.busy and self._is_peace():
                return
        raise AssertionError(f"no peace: {plan}\n{self.describe()}")

    def _calm_down(self) -> None:
        site = self.site
        for guest in site.guests.values():
            if guest.health is not Health.HEALTHY:
                guest.health, guest.health_since = Health.HEALTHY, site.now
        for number, row in list(site.rows.items()):
            if row.stage is Stage.FAILED and row.counts:
                self.put(wishes.reapplied(row, site.now))
            elif row.counts and row.wanted_power is not WantedPower.RUNNING:
                self.put(wishes.started(row, site.now))
            if row.protection != Protection():
                self.put(site.rows[number].but(protection=Protection()))

    def _is_peace(self) -> bool:
        site = self.site
        counted = [row for row in site.rows.values() if row.counts]
        is_right = len(counted) == site.wish.capacity and all(row.stage is Stage.READY for row in counted)
        is_clean = all(row.counts or row.is_quarantined for row in site.rows.values())
        is_upgraded = site.upgrade is None or not site.upgrade.is_running
        return is_right and is_clean and is_upgraded

    def describe(self) -> str:
        rows = "\n".join(f"  {self.site.sight(row)} {row}" for row in self.site.rows.values())
        notes = plan_set(self.site.wish, self.site.world()).notes
        return f"{self.site.wish}\n{self.site.upgrade}\n{rows}\n{notes}"


Happening = Callable[[Walk], None]


def look(walk: Walk) -> None:
    walk.look()


def finish_an_action(walk: Walk) -> None:
    if walk.site.busy:
        walk.site.end(walk.rng.choice(sorted(walk.site.busy)))


def finish_all_actions(walk: Walk) -> None:
    for number in sorted(walk.site.busy):
        walk.site.end(number)


def cut_off_an_action(walk: Walk) -> None:
    if walk.site.busy:
        del walk.site.busy[walk.rng.choice(sorted(walk.site.busy))]


def time_goes_on(walk: Walk) -> None:
    walk.site.now += walk.rng.choice([0.5, 2.0, 10.0, 60.0, 400.0])


def scale(walk: Walk) -> None:
    capacity = walk.rng.randint(0, 9)
    walk.site.wish = replace(walk.site.wish, capacity=capacity, changed_at=walk.site.now)


def use_a_verb(walk: Walk) -> None:
    row = walk.any_row()
    if row is None or row.is_quarantined:
        return
    now = walk.site.now
    verbs: list[Callable[[Instance, float], Instance]] = [
        wishes.started,
        partial(wishes.powered_off, is_hard=True),
        partial(wishes.powered_off, is_hard=False),
        wishes.deallocated,
        wishes.hibernated,
        wishes.restarted,
        wishes.redeployed,
        wishes.reapplied,
    ]
    walk.put(walk.rng.choice(verbs)(row, now))


def reimage(walk: Walk) -> None:
    row = walk.any_row()
    if row is not None and not row.is_quarantined:
        key = walk.site.new_key()
        version = walk.site.wish.model_version
        walk.put(wishes.reimaged(row, walk.site.now, model_version=version, host_key=key))


def delete(walk: Walk) -> None:
    row = walk.any_row()
    if row is None:
        return
    fewer = 1 if row.counts else 0
    walk.put(wishes.given_up(row, walk.site.now, cause=Cause.USER))
    walk.site.wish = replace(walk.site.wish, capacity=max(0, walk.site.wish.capacity - fewer))


def protect(walk: Walk) -> None:
    row = walk.any_row()
    if row is not None and not row.is_on_trial and not row.is_quarantined:
        flags = walk.rng.choice([Protection(), Protection(True, False), Protection(True, True)])
        walk.put(row.but(protection=flags))


def change_the_model(walk: Walk) -> None:
    cost = walk.rng.choice([Cost.NOTHING, Cost.IN_PLACE, Cost.IN_PLACE, Cost.RESTART, Cost.REIMAGE])
    is_sick, is_bad = walk.rng.random() < 0.2, walk.rng.random() < 0.1
    walk.site.change_model(cost, is_sick=is_sick, is_bad=is_bad)


def change_the_mode(walk: Walk) -> None:
    mode = walk.rng.choice(["Manual", "Automatic", "Rolling"])
    walk.site.wish = replace(walk.site.wish, upgrade_mode=mode)  # type: ignore[arg-type]


def cancel_the_upgrade(walk: Walk) -> None:
    upgrade = walk.site.upgrade
    if upgrade is not None and upgrade.is_running:
        walk.site.upgrade = upgrade.but(is_cancel_wanted=True)


def _any_guest(walk: Walk) -> Guest | None:
    keys = sorted(walk.site.guests)
    return walk.site.guests[walk.rng.choice(keys)] if keys else None


def a_guest_dies(walk: Walk) -> None:
    guest = _any_guest(walk)
    if guest:
        guest.is_running = False


def a_guest_turns(walk: Walk) -> None:
    guest = _any_guest(walk)
    if guest:
        states = [Health.HEALTHY, Health.UNHEALTHY, Health.UNKNOWN, Health.INITIALIZING]
        guest.health, guest.health_since = walk.rng.choice(states), walk.site.now


def a_host_falls_silent_or_returns(walk: Walk) -> None:
    name = walk.rng.choice(sorted(walk.site.hosts))
    host = walk.site.hosts[name]
    since = None if host.silent_since is not None else walk.site.now
    walk.site.hosts[name] = replace(host, silent_since=since)


def a_host_drains_or_not(walk: Walk) -> None:
    name = walk.rng.choice(sorted(walk.site.hosts))
    host = walk.site.hosts[name]
    walk.site.hosts[name] = replace(host, is_draining=not host.is_draining)


def repairs_are_resumed(walk: Walk) -> None:
    walk.site.wish = replace(walk.site.wish, is_repair_suspended=False)


HAPPENINGS: tuple[list[Happening], list[int]] = (
    [
        look,
        finish_an_action,
        finish_all_actions,
        cut_off_an_action,
        time_goes_on,
        scale,
        use_a_verb,
        reimage,
        delete,
        protect,
        change_the_model,
        change_the_mode,
        cancel_the_upgrade,
        a_guest_dies,
        a_guest_turns,
        a_host_falls_silent_or_returns,
        a_host_drains_or_not,
        repairs_are_resumed,
    ],
    [30, 15, 10, 3, 12, 3, 4, 1, 2, 2, 3, 1, 1, 3, 3, 3, 1, 1],
)


def _walk(seed: int) -> int:
    walk = Walk(seed)
    try:
        for _ in range(STEPS):
            walk.happen()
        walk.make_peace()
    except BaseException as error:
        error.add_note(f"VMSS_WALK_SEED={seed} VMSS_WALKS=1, at step {walk.steps}")
        raise
    return walk.steps


@pytest.mark.timeout(0)
def test_the_planner_holds_its_invariants_over_a_hundred_thousand_steps() -> None:
    steps_walked = sum(_walk(seed) for seed in range(FIRST_SEED, FIRST_SEED + WALKS))
    assert WALKS < 800 or steps_walked >= 100_000
