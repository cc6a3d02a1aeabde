"""In what order extensions run on an instance, what comes next, and how long it may take (reference 4.9).

Note [What a failure holds up]: those provisioned after the one that failed, and those after them. All others still
run; when nothing more can, the instance fails, and every failure is named. A suppressed failure holds nobody up.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.model.extension_order import extension_order
from orchestrator.model.instance import ExtensionState, Instance
from orchestrator.plan.inputs import ExtensionWish


@dataclass(frozen=True, slots=True)
class NextExtension:
    """What to end, or what to run, or why the instance fails, or none of them: all is done. ``held_up`` pairs the
    extensions that cannot run with the ones that hold them up."""

    stop: ExtensionState | None = None
    run: ExtensionWish | None = None
    failed: tuple[ExtensionState, ...] = ()
    held_up: tuple[tuple[str, str], ...] = ()


def in_order(wishes: tuple[ExtensionWish, ...]) -> list[ExtensionWish]:
    """Extensions after those they name in ``provisionAfterExtensions`` (in any case), else in the model's order."""
    order = extension_order((wish.name, wish.after) for wish in wishes)
    by_name = {wish.name: wish for wish in wishes}
    return [by_name[name] for name in (*order.names, *order.in_circle)]


def next_extension(row: Instance, wishes: tuple[ExtensionWish, ...]) -> NextExtension:
    """What still runs and is not to run on is ended first; then comes the first that has not run with its newest
    configuration and that nothing holds up."""
    if stale := stale_run(row, wishes):
        return NextExtension(stop=stale)
    failed: list[ExtensionState] = []
    held_up: dict[str, str] = {}
    broken: set[str] = set()
    for wish in in_order(wishes):
        if obstacle := next((name for name in wish.after if name.lower() in broken), None):
            held_up[wish.name] = obstacle
            broken.add(wish.name.lower())
            continue
        state = row.extensions.get(wish.name)
        if state is None or state.sequence != wish.sequence or state.is_running:
            return NextExtension(run=wish)
        if state.code == "failed" and not wish.is_failure_suppressed:
            failed.append(state)
            broken.add(wish.name.lower())
    return NextExtension(failed=tuple(failed), held_up=tuple(held_up.items()))


def stale_run(row: Instance, wishes: tuple[ExtensionWish, ...]) -> ExtensionState | None:
    """A run to be ended: it was cancelled, its extension was removed, or it has a newer configuration."""
    numbers = {wish.name: wish.sequence for wish in wishes}
    for state in row.extensions.values():
        if state.is_running and (state.cancelled_by is not None or numbers.get(state.name) != state.sequence):
            return state
    return None


def told_failures(found: NextExtension) -> str:
    """Every failure in a sentence, and whom it held up."""
    told = [f"extension {state.name} failed: {state.message}" for state in found.failed]
    told += [
        f"extension {name} was not run: it is provisioned after {obstacle}" for name, obstacle in found.held_up
    ]
    return "; ".join(told)


def time_left_s(row: Instance, wishes: tuple[ExtensionWish, ...], name: str, budget_s: float) -> float:
    """What is left of ``extensionsTimeBudget`` for this extension: all of an instance share it, so what the others
    took to run with the configurations they have now is gone."""
    numbers = {wish.name: wish.sequence for wish in wishes}
    taken = sum(
        max(0.0, state.at - state.began_at)
        for state in row.extensions.values()
        if state.began_at is not None and state.name != name and numbers.get(state.name) == state.sequence
    )
    return budget_s - taken
