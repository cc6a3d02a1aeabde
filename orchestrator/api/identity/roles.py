"""Which role a request needs, by its method and path alone. No I/O.

Paths are those of the front door: types and verbs in small letters, names as they were written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestrator.model.principal import Role

_READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_READING_VERBS = frozenset({"validate", "whatif", "retrievebootdiagnosticsdata"})
"""POSTs that change nothing, and show nothing that GET does not: a template may hold a secret."""

_OPEN = re.compile(
    r"/metadata/endpoints|/metadata/aliases|/metadata/identity/oauth2/token|/msi/token"
    r"|(/adfs|/[^/]+|/adfs/[^/]+)(/v2\.0)?/\.well-known/openid-configuration"
    r"|/[^/]+/discovery/keys"
    r"|(/adfs|/[^/]+|/adfs/[^/]+)/oauth2(/v2\.0)?/token"
)
_NEVER_OPEN = ("/subscriptions/", "/providers/")
_WORDS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}


def is_open(path: str) -> bool:
    """Whether a request needs no token: what a client asks before it has one."""
    return _OPEN.fullmatch(path) is not None and not path.startswith(_NEVER_OPEN)


def is_reading(method: str, path: str) -> bool:
    """Whether a request changes nothing."""
    return method in _READING_METHODS or (method == "POST" and verb_of(path) in _READING_VERBS)


def needed_role(method: str, path: str) -> Role:
    """The least role that may do this."""
    if is_reading(method, path):
        return Role.READER
    if path.startswith("/subscriptions/"):
        return Role.OPERATOR
    return Role.OWNER


def verb_of(path: str) -> str | None:
    """What a POST asks a resource to do; ``None`` where the path ends with a name. A resource may be called
    ``validate``: only the place in the path tells a verb."""
    below = _below_provider(_segments(path))
    return below[-1].lower() if below and len(below) % 2 else None


def action_of(method: str, path: str) -> tuple[str, str]:
    """Azure's name for what is asked, such as ``Microsoft.Compute/virtualMachineScaleSets/write``, and the scope it
    is asked on. Both in the path's own spelling."""
    segments = _segments(path)
    verb = verb_of(path) if method == "POST" else None
    scope = "/" + "/".join(segments[:-1] if verb else segments)
    below = _below_provider(segments)
    types = below[::2]
    start = len(segments) - len(below)
    namespace = (
        segments[start - 1] if start and segments[start - 2].lower() == "providers" else "Microsoft.Resources"
    )
    what = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}.get(
        method, "action"
    )
    return "/".join([namespace, *types, what]), scope


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _below_provider(segments: Sequence[str]) -> Sequence[str]:
    """Types and names in turn, after the last namespace; all of them when there is none."""
    start = 0
    for index in range(len(segments)):
        if segments[index].lower() == "providers" and (index - start) % 2 == 0:
            start = index + 2
    return segments[start:]
