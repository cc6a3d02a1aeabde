"""Random verbs and faults on a simulated site, invariants after every step, and peace in the end.

Hypothesis shrinks what it finds to a short story; such stories are kept in tests/simulation/stories.py.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from orchestrator.hosts.simulated.virtual_time import VirtualLoop
from orchestrator.model.guest import Power
from orchestrator.model.instance import Instance, Stage
from tests.simulation.invariants import check_invariants
from tests.simulation.story import REPAIRING, Story, body

ACTIONS = st.sampled_from(["Replace", "Restart", "Reimage"])
RULES = st.sampled_from(["Default", "OldestVM", "NewestVM"])
VERBS = st.sampled_from(
    [
        "start",
        "stop",
        "hard_stop",
        "deallocate",
        "hibernate",
        "restart",
        "reimage",
        "redeploy",
        "reapply",
        "delete",
        "protect",
    ]
)
HOSTS = st.sampled_from(["h1", "h2", "h3"])


class VerbsAndFaults(RuleBasedStateMachine):
    """The store and the hosts, driven from outside; the daemon runs, and is killed, in between."""

    sets = Bundle("sets")

    @initialize(target=sets, capacity=st.integers(0, 4), action=ACTIONS, scale_in=RULES)
    def begin(self, capacity: int, action: str, scale_in: str) -> str:
        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.story = Story()
        self.silent: set[str] = set()
        self._run(self.story.start())
        return self._create(capacity, action, scale_in)

    def _run(self, what: Awaitable[None]) -> None:
        self.loop.run_until_complete(what)

    def _create(self, capacity: int, action: str, scale_in: str) -> str:
        repairs = {**REPAIRING["automaticRepairsPolicy"], "repairAction": action}
        content = body(capacity, automaticRepairsPolicy=repairs, scaleInPolicy={"rules": [scale_in]})
        names = {record.name for record in self.story.store.scale_sets()}
        name = next(f"set{n}" for n in range(100) if f"set{n}" not in names)
        uid: list[str] = []

        async def create() -> None:
            uid.append(self.story.create(name, content))

        self._run(create())
        return uid[0]

    def _with(self, uid: str, what: str, *values: object) -> None:
        """Call a verb of the story inside the loop, if the set still stands."""

        async def call() -> None:
            record = self.story.store.scale_set(uid)
            if record and not record.is_deleting:
                getattr(self.story, what)(uid, *values)

        self._run(call())

    def _rows(self, uid: str) -> list[Instance]:
        return [row for row in self.story.rows(uid) if row.counts]

    @rule(target=sets, capacity=st.integers(0, 3), action=ACTIONS, scale_in=RULES)
    @precondition(lambda self: len(self.story.store.scale_sets()) < 3)
    def create(self, capacity: int, action: str, scale_in: str) -> str:
        return self._create(capacity, action, scale_in)

    @rule(uid=sets, capacity=st.integers(0, 6))
    def scale(self, uid: str, capacity: int) -> None:
        self._with(uid, "scale", capacity)

    @rule(uid=sets, pick=st.integers(0, 10), verb=VERBS)
    def verb(self, uid: str, pick: int, verb: str) -> None:
        rows = self._rows(uid)
        if rows:
            self._with(uid, "verb", rows[pick % len(rows)].instance_id, verb)

    @rule(uid=consumes(sets))
    def delete_set(self, uid: str) -> None:
        self._with(uid, "delete_set")

    @rule(uid=sets, pick=st.integers(0, 10), fault=st.sampled_from(["kill_guest", "sicken_guest", "freeze_guest"]))
    def hurt_a_guest(self, uid: str, pick: int, fault: str) -> None:
        rows = [row for row in self._rows(uid) if self.story.guest(row)]
        if not rows:
            return
        where = self.story.uuid_of(uid, rows[pick % len(rows)].instance_id)

        async def hurt() -> None:
            getattr(self.story.world, fault)(*where)

        self._run(hurt())

    @rule(host=HOSTS, fault=st.sampled_from(["silence_host", "power_off_host"]))
    def lose_a_host(self, host: str, fault: str) -> None:
        self.silent.add(host)
        self._run(self._on_world(fault, host))

    @rule(host=HOSTS)
    def heal_a_host(self, host: str) -> None:
        self.silent.discard(host)
        self._run(self._on_world("heal_host", host))

    async def _on_world(self, what: str, host: str) -> None:
        getattr(self.story.world, what)(host)

    @rule()
    def kill_the_daemon(self) -> None:
        self._run(self.story.crash())
        self._run(self.story.start())

    @rule(seconds=st.sampled_from([0.05, 1.0, 7.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self._run(self._watch(seconds))

    async def _watch(self, seconds: float) -> None:
        until = self.loop.time() + seconds
        while self.loop.time() < until:
            await asyncio.sleep(min(0.5, seconds))
            check_invariants(self.story)

    @invariant()
    def everything_holds(self) -> None:
        if hasattr(self, "story"):
            check_invariants(self.story)

    def teardown(self) -> None:
        if not hasattr(self, "story"):
            return
        try:
            for host in sorted(self.silent):
                self._run(self._on_world("heal_host", host))
            self._run(self._peace())
        finally:
            self._run(self.story.crash())
            self.loop.close()
            asyncio.set_event_loop(None)

    async def _peace(self) -> None:
        """With all hosts back and nobody asking anything, every set comes to rest, and stays there."""
        for row in self.story.store.instances():
            guest = self.story.guest(row)
            if guest and guest.power is Power.RUNNING:
                guest.is_frozen = guest.is_sick = False
        await self.story.until(self._is_at_rest, within_s=1800.0)
        await asyncio.sleep(5)  # what has just taken effect is told a moment later
        seq = max((event.seq for event in self.story.store.events(limit=100_000)), default=0)
        await asyncio.sleep(120)
        told = {"health", "note", "host", "settle", "prove_model"}
        later = [event for event in self.story.store.events(seq) if event.kind not in told]
        assert not later, f"wanted unchanged, and still it acts: {[event.reason for event in later]}"

    def _is_at_rest(self) -> bool:
        return all(self._rests(record.uid) for record in self.story.store.scale_sets())

    def _rests(self, uid: str) -> bool:
        record = self.story.store.scale_set(uid)
        if record is None:
            return True
        rows = [row for row in self.story.rows(uid) if not row.is_quarantined or row.is_gone]
        protected = sum(1 for row in rows if row.protection.from_scale_in)
        wanted = max(record.capacity, protected)
        return (
            not any(row.is_gone for row in rows)
            and len(rows) == wanted
            and all(row.stage is Stage.FAILED or self.story.is_well(row) for row in rows)
        )


VerbsAndFaults.TestCase.settings = settings(
    max_examples=int(os.environ.get("VMSS_EXAMPLES", "60")),
    stateful_step_count=30,
    deadline=None,
    derandomize="VMSS_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
TestAnyVerbsAndFaultsKeepTheInvariantsAndEndInPeace = VerbsAndFaults.TestCase
