"""New instances, and the addresses that are left for them. Pure."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.plan.steps import AddInstance, Plan


def within_addresses(plan: Plan, room: int, where: str) -> Plan:
    """The plan without the newest of its new instances, as many as have no address; a note says so. All else of it
    goes on: what gives an instance up makes room for the one that is to come."""
    added = [step.instance_id for step in plan.decisions if isinstance(step, AddInstance)]
    without = frozenset(added[max(0, room) :])
    if not without:
        return plan
    note = f"{len(without)} more wait for an address: none is left in {where}"
    decisions = tuple(step for step in plan.decisions if step.instance_id not in without)
    return replace(plan, decisions=decisions, notes=(*plan.notes, note))
