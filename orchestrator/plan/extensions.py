"""In what order extensions run on an instance, and what comes next (reference 4.9)."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.model.extension_order import extension_order
from orchestrator.model.instance import ExtensionState, Instance
from orchestrator.plan.inputs import ExtensionWish


@dataclass(frozen=True, slots=True)
class NextExtension:
    """What to run, or why the instance fails, or neither: all is done."""

    run: ExtensionWish | None = None
    failed: ExtensionState | None = None


def in_order(wishes: tuple[ExtensionWish, ...]) -> list[ExtensionWish]:
    """Extensions after those they name in ``provisionAfterExtensions`` (in any case), else in the model's order."""
    order = extension_order((wish.name, wish.after) for wish in wishes)
    by_name = {wish.name: wish for wish in wishes}
    return [by_name[name] for name in (*order.names, *order.in_circle)]


def next_extension(row: Instance, wishes: tuple[ExtensionWish, ...]) -> NextExtension:
    """The first extension whose newest configuration has not run; a failure that is not suppressed ends it."""
    for wish in in_order(wishes):
        state = row.extensions.get(wish.name)
        if state is None or state.sequence != wish.sequence or state.code == "transitioning":
            return NextExtension(run=wish)
        if state.code == "failed" and not wish.is_failure_suppressed:
            return NextExtension(failed=state)
    return NextExtension()
