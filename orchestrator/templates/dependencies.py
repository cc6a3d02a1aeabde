"""What waits for what: ``dependsOn`` in all the ways it is written, parents, ``reference()``, serial loops."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.errors import BadInput
from orchestrator.templates.copies import count_of, is_loops
from orchestrator.templates.problems import invalid
from orchestrator.templates.resources import ResourceNode, batch_of
from orchestrator.templates.scope import Effort, NotYet, Scope, resolve, run
from orchestrator.templates.syntax import Call, Member, Node, is_expression, parse


class Names:
    """Every way in which a resource of the template may be named, in small letters."""

    def __init__(self, nodes: Iterable[ResourceNode]) -> None:
        self._nodes: dict[str, set[int]] = defaultdict(set)
        for node in nodes:
            for name in _names_of(node):
                self._nodes[name.lower()].add(node.index)

    def find(self, text: str) -> frozenset[int]:
        return frozenset(self._nodes.get(_plain(text), ()))


def _plain(text: str) -> str:
    return "/".join(part for part in text.lower().split("/") if part)


def _names_of(node: ResourceNode) -> Iterator[str]:
    identity = node.identity
    pairs = "/".join(f"{kind}/{name}" for kind, name in zip(identity.types, identity.names, strict=True))
    yield _plain(str(identity))
    yield f"{identity.namespace}/{pairs}"
    yield f"{identity.type}/{identity.full_name}"
    yield identity.full_name
    yield identity.name
    if node.loop:
        yield node.loop
    if node.declared.symbol:
        yield node.declared.symbol


def with_dependencies(nodes: list[ResourceNode], skipped: list[ResourceNode]) -> list[ResourceNode]:
    """The nodes with ``waits_for``. Raises ``BadInput`` for what is not there, and for circles."""
    names, left_out = Names(nodes), Names(skipped)
    by_batch = _batches(nodes)
    made = [
        replace(node, waits_for=frozenset(_waits(node, names, left_out, by_batch)) - {node.index}) for node in nodes
    ]
    _check_circles(made)
    return made


def _waits(
    node: ResourceNode, names: Names, left_out: Names, by_batch: Mapping[tuple[str, int], set[int]]
) -> Iterator[int]:
    path = f"{node.path}.dependsOn"
    written = resolve(node.declared.members.get("dependson") or [], node.scope, path)
    for text in written if isinstance(written, list) else [written]:
        if not isinstance(text, str):
            raise invalid("'dependsOn' must be an array of names.", path)
        found = names.find(text)
        if not found and not left_out.find(text):
            raise invalid(f"the resource '{text[:200]}' is not defined in the template.", path)
        yield from found
    if node.identity.parent is not None:
        yield from names.find(str(node.identity.parent))
    for text in _referred(node):
        yield from names.find(text)
    batch = batch_of(node)
    if batch:
        yield from by_batch[(node.path, batch - 1)]


def _batches(nodes: Iterable[ResourceNode]) -> dict[tuple[str, int], set[int]]:
    made: dict[tuple[str, int], set[int]] = defaultdict(set)
    for node in nodes:
        if (batch := batch_of(node)) is not None:
            made[(node.path, batch)].add(node.index)
    return made


def _referred(node: ResourceNode) -> Iterator[str]:
    """What the body's ``reference()`` calls name, as far as that is known before anything is there."""
    members = {key: value for key, value in node.declared.members.items() if key not in {"resources", "dependson"}}
    for text, scope in _strings(members, replace(node.scope, effort=Effort())):
        if "reference" not in text.lower() or not is_expression(text):
            continue
        for call in _calls(parse(text)):
            if call.name == "reference" and call.arguments:
                try:
                    name = run(call.arguments[0], scope)
                except (BadInput, NotYet):
                    continue  # inside a lambda, a nested template, another reference: said when it is evaluated
                if isinstance(name, str):
                    yield name


def _strings(value: Any, scope: Scope) -> Iterator[tuple[str, Scope]]:
    """Every string in a value, with the scope in which it is evaluated: that of its loop, if it is inside one."""
    if isinstance(value, str):
        yield value, scope
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each, scope)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield key, scope
            if key.lower() == "copy" and is_loops(each):
                yield from _looped(each, scope)
            else:
                yield from _strings(each, scope)


def _looped(loops: list[Any], scope: Scope) -> Iterator[tuple[str, Scope]]:
    for each in loops:
        members = {key.lower(): inner for key, inner in each.items()}
        if not _mentions(members.get("input")):
            continue
        try:
            count = count_of(members["count"], scope, "")
        except (BadInput, NotYet):
            continue
        for index in range(count):
            scope.effort.spend(1)
            yield from _strings(members["input"], scope.inside_loop(str(members["name"]), index))


def _mentions(value: Any) -> bool:
    return "reference" in json.dumps(value).lower()


def _calls(node: Node) -> Iterator[Call]:
    if isinstance(node, Call):
        yield node
        for each in node.arguments:
            yield from _calls(each)
    elif isinstance(node, Member):
        yield from _calls(node.of)
        yield from _calls(node.key)


def _check_circles(nodes: list[ResourceNode]) -> None:
    waiting = {node.index: set(node.waits_for) for node in nodes}
    while free := [index for index, others in waiting.items() if not others]:
        for index in free:
            del waiting[index]
        for others in waiting.values():
            others.difference_update(free)
    if waiting:
        circle = _circle(waiting)
        words = " -> ".join(f"{nodes[index].identity.type}/{nodes[index].identity.full_name}" for index in circle)
        raise invalid(f"these resources wait for each other: {words[:500]}.", nodes[circle[0]].path)


def _circle(waiting: Mapping[int, set[int]]) -> list[int]:
    """One of the circles, its first member again at the end. Whoever is left waits for another who is left, so
    following that way comes back to somewhere."""
    way = [min(waiting)]
    while (following := min(waiting[way[-1]])) not in way:
        way.append(following)
    return [*way[way.index(following) :], following]
