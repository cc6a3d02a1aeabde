"""In what order extensions run on an instance, and what comes next (reference 4.9)."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from orchestrator.model.instance import ExtensionState, Instance
from orchestrator.plan.inputs import ExtensionWish


@dataclass(frozen=True, slots=True)
class NextExtension:
    """What to run, or why the instance fails, or neither: all is done."""

    run: ExtensionWish | None = None
    failed: ExtensionState | None = None


def in_order(wishes: tuple[ExtensionWish, ...]) -> list[ExtensionWish]:
    """Extensions after those they name in ``provisionAfterExtensions`` (in any case), else in the model's order."""
    by_name = {wish.name.lower(): wish for wish in wishes}
    graph = {wish.name.lower(): [each.lower() for each in wish.after if each.lower() in by_name] for wish in wishes}
    try:
        names = list(TopologicalSorter(graph).static_order())
    except CycleError:
        names = list(by_name)
    return [by_name[name] for name in names]


def next_extension(row: Instance, wishes: tuple[ExtensionWish, ...]) -> NextExtension:
    """The first extension whose newest configuration has not run; a failure that is not suppressed ends it."""
    for wish in in_order(wishes):
        state = row.extensions.get(wish.name)
        if state is None or state.sequence != wish.sequence or state.code == "transitioning":
            return NextExtension(run=wish)
        if state.code == "failed" and not wish.is_failure_suppressed:
            return NextExtension(failed=state)
    return NextExtension()
