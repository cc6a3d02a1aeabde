"""Write-only values are encrypted at rest, under a key that lies in a file beside the database, not in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from orchestrator.errors import VmssError


class Seal:
    """Encrypts (Fernet: AES-128-CBC with HMAC-SHA256) what must not be read from a copied database."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)

    @classmethod
    def from_file(cls, path: Path) -> Seal:
        """Read the key, or make one (mode 0600) when there is none yet."""
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls(path.read_bytes())
        with os.fdopen(handle, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        return cls(path.read_bytes())

    def close_text(self, text: str) -> bytes:
        return self._fernet.encrypt(text.encode())

    def open_text(self, sealed: bytes) -> str:
        """Raises ``VmssError`` when the key file does not belong to this database."""
        try:
            return self._fernet.decrypt(bytes(sealed)).decode()
        except InvalidToken:
            message = "The seal key does not fit the database: restore the key file that belongs to it."
            raise VmssError(message, code="SealBroken") from None

    def close_values(self, values: Mapping[str, Any]) -> bytes | None:
        return self.close_text(json.dumps(dict(values))) if values else None

    def open_values(self, sealed: bytes | None) -> dict[str, Any]:
        return dict(json.loads(self.open_text(sealed))) if sealed else {}
