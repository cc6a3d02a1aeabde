"""In what order extensions run: each after those it names in ``provisionAfterExtensions`` (reference 4.9). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExtensionOrder:
    """``names`` in the order in which they run. ``in_circle`` wait for each other and so for ever;
    ``missing`` pairs an extension with a name it waits for that is none of them, which holds nobody up."""

    names: tuple[str, ...]
    in_circle: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()


def extension_order(needs: Iterable[tuple[str, Collection[str]]]) -> ExtensionOrder:
    """From pairs of a name and the names it waits for, as listed in the model. Names are compared in any case.

    Each comes as soon as those it waits for have come, and otherwise in the order of the list."""
    listed = [(name, {each.lower() for each in after}) for name, after in needs]
    known = {name.lower() for name, _ in listed}
    missing = tuple((name, each) for name, after in listed for each in sorted(after - known))
    waiting = {name: after & known for name, after in listed}
    ordered: list[str] = []
    done: set[str] = set()
    while ready := next((name for name, after in waiting.items() if after <= done), None):
        del waiting[ready]
        done.add(ready.lower())
        ordered.append(ready)
    return ExtensionOrder(tuple(ordered), tuple(waiting), missing)
