"""What must always hold (docs/architecture.md), read from the store and the simulated hosts alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from orchestrator.model.guest import Owner, Power
from orchestrator.model.instance import Instance, Stage

if TYPE_CHECKING:
    from tests.simulation.story import Story


def check_invariants(story: Story) -> None:
    """Raises ``AssertionError`` with the story so far."""
    try:
        _never_more_than_wanted(story)
        _every_guest_has_a_row(story)
        _one_generation_runs(story)
        _addresses_are_unique(story)
        _ids_are_never_reused(story)
        _foreign_guests_are_untouched(story)
        _protected_are_never_chosen(story)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{story.log()}") from error


def _never_more_than_wanted(story: Story) -> None:
    """Live <= wanted, counting everything that runs on hosts that answer; what a lower wish leaves surplus
    may be on its way out."""
    for record in story.store.scale_sets():
        rows = {row.instance_id: row for row in story.rows(record.uid)}
        running = [
            guest.spec.owner
            for host in story.world.hypervisors.values()
            if not host.is_silent
            for guest in host.guests.values()
            if guest.power is Power.RUNNING and guest.spec.owner.set_uid == record.uid
        ]
        there = [rows[o.instance_id] for o in running if o.instance_id in rows]
        wanted = [row for row in there if not row.is_gone and not row.is_quarantined]
        assert len(wanted) <= max(record.capacity, len([r for r in rows.values() if r.counts]))
        aside = [o for o in running if o.instance_id in rows and _is_aside(rows[o.instance_id])]
        counted = sum(1 for row in rows.values() if row.counts)
        leaving = sum(1 for row in rows.values() if row.is_gone and not row.is_lost)
        allowed = max(record.capacity, counted) + leaving
        assert len(running) - len(aside) <= allowed, "more guests run than wanted"


def _is_aside(row: Instance) -> bool:
    """Given up with a host that was silent: it may run there until the host is back and it is dealt with."""
    return row.is_lost or row.is_quarantined


def _every_guest_has_a_row(story: Story) -> None:
    """A domain exists only after its row; what has none is a leftover of a crash, gone at the next look."""
    if story.controller is None:
        return
    rows = {(row.set_uid, row.instance_id) for row in story.store.instances()}
    for host in story.world.hypervisors.values():
        for guest in host.guests.values():
            owner: Owner = guest.spec.owner
            assert (owner.set_uid, owner.instance_id) in rows, f"{guest.spec.name} runs and has no row"


def _one_generation_runs(story: Story) -> None:
    running = Counter(guest.spec.owner.vm_uuid for guest in story.world.running())
    assert all(count == 1 for count in running.values()), "one instance runs twice"


def _addresses_are_unique(story: Story) -> None:
    addresses = Counter(row.address for row in story.store.instances())
    assert all(count == 1 for count in addresses.values()), "one address is given twice"


def _ids_are_never_reused(story: Story) -> None:
    for record in story.store.scale_sets():
        seen = story.ids_seen.setdefault(record.uid, set())
        now = {row.instance_id for row in story.rows(record.uid)}
        high = max(seen, default=-1)
        assert all(number in seen or number > high for number in now), "an id came back"
        gone_before = {number for number in seen if number not in now}
        story.ids_seen[record.uid] = seen | now
        assert not gone_before & now
        assert all(number < record.next_instance_id for number in now)


def _foreign_guests_are_untouched(story: Story) -> None:
    for host in story.world.hypervisors.values():
        assert all(power is Power.RUNNING for power in host.foreign_guests.values()), "a foreign guest was touched"


def _protected_are_never_chosen(story: Story) -> None:
    for set_uid, number in story.protected_seen:
        record = story.store.scale_set(set_uid)
        row = story.store.instance(set_uid, number)
        if record is None or record.is_deleting:
            continue
        assert row is not None, f"the protected {number} is gone"
        assert not row.is_gone or row.is_lost, f"the protected {number} was chosen"


def check_skew(story: Story, uid: str) -> None:
    """Fault-domain skew <= 1 while every host answers and has room."""
    counts = Counter({host.fault_domain: 0 for host in story.hosts})
    counts.update(row.fault_domain for row in story.counted(uid) if row.stage is not Stage.WAITING)
    assert max(counts.values()) - min(counts.values()) <= 1, f"fault domains hold {dict(counts)}"
