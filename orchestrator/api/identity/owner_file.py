"""``owner.json``: how the one who owns the daemon logs in. Mode 0600: who can read it is the owner."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from orchestrator.api.identity.secrets import new_principal, new_secret
from orchestrator.model.principal import Principal, Role
from orchestrator.private_file import write_private
from orchestrator.store import Store

log = structlog.get_logger()
FIRST_OWNER = "owner"


@dataclass(frozen=True, slots=True)
class OwnerFile:
    path: Path

    def ensure(self, store: Store, facts: Mapping[str, str | None], now: float) -> None:
        """At the first start of all, make the first owner. Later only ``facts`` (tenant, endpoint …) are brought
        up to date. The file comes before the row: a daemon killed in between makes the row from it."""
        content = self._read()
        if not store.principals():
            secret = content.get("clientSecret") or new_secret()
            owner = new_principal(FIRST_OWNER, Role.OWNER, secret, now, content.get("clientId"))
            content = {"name": FIRST_OWNER, "clientId": owner.client_id, "clientSecret": secret}
            self._write({**content, **facts})
            with store.write() as tx:
                tx.put_principal(owner)
            log.info("the first owner was made", file=str(self.path))
        elif content and {**content, **facts} != content:
            self._write({**content, **facts})

    def follow(self, principal: Principal, secret: str) -> None:
        """The principal of the file, if this is it, has a new secret."""
        content = self._read()
        if content.get("clientId") == principal.client_id:
            self._write({**content, "clientSecret": secret})

    def forget(self, principal: Principal) -> None:
        """The principal of the file, if this is it, is gone."""
        if self._read().get("clientId") == principal.client_id:
            self.path.unlink()

    def _read(self) -> dict[str, str]:
        try:
            return dict(json.loads(self.path.read_text()))
        except (FileNotFoundError, ValueError):
            return {}

    def _write(self, content: Mapping[str, str | None]) -> None:
        write_private(self.path, json.dumps(dict(content), indent=2).encode() + b"\n")
