"""What a type of resource can do, and the table of all types.

Routes, templates, the deletion of groups and the lists of resources go by this table: what it holds can be put by
its address, deployed by a template, deleted with its group, and is listed. There is no other way to write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from orchestrator.errors import BadInput
from orchestrator.model.arm.statuses import Json
from orchestrator.model.resource_id import ResourceId
from orchestrator.model.scale_set import Operation

if TYPE_CHECKING:
    from orchestrator.api.context import Api

API_VERSIONS = ("2026-04-01", "2025-04-01", "2024-11-01", "2024-07-01", "2023-09-01", "2022-10-01", "2022-01-01")
"""Those that clients are known to send; any date is taken."""


@dataclass(frozen=True, slots=True)
class Put:
    """What a PUT came to. ``operation`` is ``None`` when it is done already."""

    view: Json
    is_new: bool
    operation: Operation | None = None


class Kind(Protocol):
    """One type of resource. All is done on the event loop's thread, without waiting; what takes long is an
    operation.

    ``type`` is ``NAMESPACE/TYPE[/TYPE…]`` in Azure's spelling. The group of an identity exists and is not being
    deleted when ``put`` is called; its parent may be missing (``ParentResourceNotFound``)."""

    @property
    def type(self) -> str: ...

    def view(self, api: Api, identity: ResourceId) -> Json | None:
        """As GET shows it, or ``None``."""

    def views(self, api: Api, group: str | None) -> Iterable[Json]:
        """All of this type in a group, or in the subscription. Child types list nothing: a parent shows them."""

    def put(self, api: Api, identity: ResourceId, body: Mapping[str, Any]) -> Put:
        """Make it, or merge into what is there. Raises ``BadInput`` and its like, and changes nothing then."""

    def delete(self, api: Api, identity: ResourceId, *, is_forced: bool = False) -> Operation | None:
        """Begin its deletion. ``None`` when it is gone already, or now. Raises ``Conflict`` while it is in use."""


class Kinds:
    """Every type by its name, in any case."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds = {kind.type.lower(): kind for kind in kinds}

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def of(self, resource_type: str) -> Kind:
        """Raises ``BadInput`` for a type that is not known here."""
        kind = self._kinds.get(resource_type.strip("/").lower())
        if kind is None:
            namespace, _, rest = resource_type.partition("/")
            is_known = any(key.startswith(f"{namespace.lower()}/") for key in self._kinds)
            code = "InvalidResourceType" if is_known else "InvalidResourceNamespace"
            words = f"The resource type '{rest[:100]}' is not known in '{namespace[:100]}' here."
            raise BadInput(words, code=code, target=resource_type[:200])
        return kind
