"""``vmss apply -f FILE.yaml``: scale sets as files. Applying the same file twice changes nothing."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.client import Client, Reply, Resource, SetRef
from orchestrator.cli.command import NoWait, command
from orchestrator.cli.differences import Change, changes, merge
from orchestrator.cli.output import Column, OutputFormat
from orchestrator.cli.session import Session
from orchestrator.errors import BadInput, NotFound

_WRITE_ONLY = ("customData", "adminPassword", "protectedSettings")
_RESULT = (
    Column("Name", lambda item: item["name"]),
    Column("Group", lambda item: item["resourceGroup"]),
    Column("Result", lambda item: item["result"]),
)


@dataclass(frozen=True, slots=True)
class Wish:
    """One document of a file: which set, and the body to put. ``where`` is for error messages."""

    scale_set: SetRef
    body: Resource
    where: str


def register(app: typer.Typer, panel: str) -> None:
    command(app, "apply", rich_help_panel=panel)(apply)


def apply(
    session: Session,
    files: Annotated[list[str], typer.Option("--file", "-f", metavar="FILE ...", help="YAML or JSON; - is stdin.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    no_wait: NoWait = False,
) -> None:
    """Create or update scale sets from files: name, resourceGroup, location, tags, zones, sku, properties."""
    wishes = [wish for name in files for wish in read_wishes(_text(name), name)]
    if not wishes:
        raise BadInput(f"no scale set in {', '.join(files)}")
    before = [_current(session.client, wish) for wish in wishes]
    if dry_run:
        outcomes = [_would_do(session, wish, old) for wish, old in zip(wishes, before, strict=True)]
    else:
        outcomes = _put_all(session, wishes, before, no_wait=no_wait)
    session.show(outcomes, _RESULT)


def _text(name: str) -> str:
    if name == "-":
        return sys.stdin.read()
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {name}: {error}") from None


def read_wishes(text: str, where: str) -> list[Wish]:
    """The scale sets of a file: one or more YAML documents, each a set or a list of sets.

    All are read before the first is sent, so a file with a mistake changes nothing."""
    import yaml  # noqa: PLC0415

    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        raise BadInput(f"{where} is not YAML: {error}") from None
    flat = [each for document in documents for each in (document if isinstance(document, list) else [document])]
    wishes = [_wish(each, f"{where}, scale set {position}") for position, each in enumerate(flat, 1)]
    seen: set[tuple[str, str]] = set()
    for wish in wishes:
        key = (wish.scale_set.group.lower(), wish.scale_set.name.lower())
        if key in seen:
            raise BadInput(f"{wish.where}: {wish.scale_set.name} is there twice")
        seen.add(key)
    return wishes


def _wish(document: Any, where: str) -> Wish:
    if not isinstance(document, dict):
        raise BadInput(f"{where}: not an object with name, sku and properties")
    name, group = document.get("name"), document.get("resourceGroup", "default")
    if not isinstance(name, str) or not isinstance(group, str):
        raise BadInput(f"{where}: name (and resourceGroup, if given) must be text")
    body = {
        key: value for key, value in document.items() if key not in ("name", "resourceGroup", "id", "type", "etag")
    }
    return Wish(SetRef(group, name), body, where)


def _current(client: Client, wish: Wish) -> Resource:
    """The resource as it is; an empty one when there is none yet."""
    try:
        found: Resource = client.get(client.path_of(wish.scale_set))
    except NotFound:
        return {}
    return found


def _put_all(session: Session, wishes: list[Wish], before: list[Resource], *, no_wait: bool) -> list[Resource]:
    """Put every set, then wait for all: they are made side by side."""
    replies = [_put(session.client, wish) for wish in wishes]
    outcomes = []
    for wish, old, reply in zip(wishes, before, replies, strict=True):
        title = f"applying {wish.scale_set.name}"
        session.finish(reply, title, scale_set=wish.scale_set, no_wait=no_wait)
        new: Resource = session.client.get(session.client.path_of(wish.scale_set))
        outcomes.append(_outcome(session, wish, old, list(changes(old, new))))
    return outcomes


def _put(client: Client, wish: Wish) -> Reply:
    body = {"location": client.daemon["location"], **wish.body}
    client.ensure_group(wish.scale_set.group)
    return client.send("PUT", client.path_of(wish.scale_set), body=body)


def _would_do(session: Session, wish: Wish, old: Resource) -> Resource:
    found = list(changes(old, merge(old, wish.body)))
    return _outcome(session, wish, old, [each for each in found if not _is_write_only(each)])


def _is_write_only(change: Change) -> bool:
    """A value that the daemon never shows cannot be compared."""
    return any(name in change.path.split(".") for name in _WRITE_ONLY)


def _outcome(session: Session, wish: Wish, old: Resource, found: list[Change]) -> Resource:
    result = "created" if not old else "changed" if found else "unchanged"
    if session.options.output is OutputFormat.TABLE and session.options.query is None and old:
        for each in found:
            session.note(f"{wish.scale_set.name}: {each}")
    return {
        "name": wish.scale_set.name,
        "resourceGroup": wish.scale_set.group,
        "result": result,
        "changes": [{"path": each.path, "before": each.before, "after": each.after} for each in found],
    }
