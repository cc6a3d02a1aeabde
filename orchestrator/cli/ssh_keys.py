"""The user's public keys: from files, from the command line, found in ~/.ssh, or made on request."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import BadInput

_USUAL_NAMES = ("id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub")
_KEY_BEGINNINGS = ("ssh-", "ecdsa-", "sk-")


def public_keys(values: Sequence[str], *, generate: bool, home: Path) -> list[str]:
    """The keys to give the admin user: those named; else the one in ``~/.ssh``; else, with ``generate``, a
    new one made there. None at all is allowed: the daemon reaches guests by its own key."""
    if values:
        return [_read_key(value) for value in values]
    folder = home / ".ssh"
    found = next((folder / name for name in _USUAL_NAMES if (folder / name).is_file()), None)
    if found is None and generate:
        found = _make_key(folder)
    return [_read_key(str(found))] if found else []


def _read_key(value: str) -> str:
    """A value is a public key itself or the file that holds one."""
    if value.startswith(_KEY_BEGINNINGS):
        return value.strip()
    path = Path(value).expanduser()
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--ssh-key-values: neither a public key nor a readable file: {value} ({error})") from None
    if not text.startswith(_KEY_BEGINNINGS):
        raise BadInput(f"--ssh-key-values: {value} holds no OpenSSH public key; name the .pub file")
    return text


def _make_key(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "id_ed25519"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "vmss", "-f", str(path)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise BadInput("--generate-ssh-keys needs ssh-keygen (Debian package openssh-client)") from None
    except subprocess.CalledProcessError as error:
        raise BadInput(f"ssh-keygen could not make {path}: {error.stderr.strip()}") from None
    return path.with_suffix(".pub")
