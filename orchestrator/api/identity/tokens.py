"""Access tokens: JWTs (RFC 7519) signed by the daemon's own key (RS256), which survives its restarts."""

from __future__ import annotations

import hashlib
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from orchestrator.errors import VmssError
from orchestrator.model.principal import Principal
from orchestrator.private_file import read_or_make

_ALGORITHM = "RS256"
_CLOCKS_DIFFER_S = 60  # our own clock, set back after a token was made
_CLAIMS = ("aud", "iss", "exp", "nbf", "iat", "jti", "appid", "key_id", "tid")


class TokenProblem(VmssError):
    """A token that is not, or no longer, taken."""

    code = "InvalidAuthenticationToken"


@dataclass(frozen=True)
class SigningKey:
    """An RSA key, and what names it."""

    private: rsa.RSAPrivateKey

    @classmethod
    def make(cls) -> SigningKey:
        return cls(rsa.generate_private_key(public_exponent=65537, key_size=2048))

    @classmethod
    def from_file(cls, path: Path) -> SigningKey:
        """Read it, or make one (mode 0600) when there is none yet. Raises ``VmssError`` for a damaged file."""
        try:
            key = serialization.load_pem_private_key(read_or_make(path, lambda: cls.make().pem), None)
        except ValueError:
            words = f"The key in {path} cannot be read. Without it a new one is made, and clients log in anew."
            raise VmssError(words, code="SigningKeyBroken") from None
        if not isinstance(key, rsa.RSAPrivateKey):
            raise VmssError(f"The key in {path} is not an RSA key.", code="SigningKeyBroken")
        return cls(key)

    @property
    def pem(self) -> bytes:
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @cached_property
    def public(self) -> rsa.RSAPublicKey:
        return self.private.public_key()

    @cached_property
    def key_id(self) -> str:
        der = self.public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")

    @cached_property
    def jwk(self) -> dict[str, Any]:
        """The public half, as a JWKS has it (RFC 7517)."""
        shown = jwt.algorithms.RSAAlgorithm.to_jwk(self.public, as_dict=True)
        return {"kty": "RSA", "use": "sig", "alg": _ALGORITHM, "kid": self.key_id, "n": shown["n"], "e": shown["e"]}


@dataclass(frozen=True)
class Tokens:
    """Makes and reads them. ``issuer`` names this installation, ``lifetime_s`` is in seconds."""

    key: SigningKey
    issuer: str
    tenant_id: str
    lifetime_s: int = 3600

    def make(self, principal: Principal, audience: str, now: float) -> tuple[str, int]:
        """A token and when it ends (epoch seconds). Roles are not in it: the store says them at each request."""
        issued_at = int(now)
        ends_at = issued_at + self.lifetime_s
        claims = {
            "aud": audience,
            "iss": self.issuer,
            "iat": issued_at,
            "nbf": issued_at,
            "exp": ends_at,
            "appid": principal.client_id,
            "oid": principal.client_id,
            "sub": principal.client_id,
            "tid": self.tenant_id,
            "idtyp": "app",
            "jti": str(uuid.uuid4()),
            "key_id": principal.key_id,
            "ver": "1.0",
        }
        made = jwt.encode(claims, self.key.private, algorithm=_ALGORITHM, headers={"kid": self.key.key_id})
        return made, ends_at

    def read(self, token: str, now: float) -> Mapping[str, Any]:
        """Its claims. Raises ``TokenProblem`` for one that is not ours or not of this time. The audience is for the
        caller to judge."""
        options: Any = {"require": list(_CLAIMS), "verify_aud": False}
        options |= dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat"), False)  # by the daemon's own clock
        try:
            claims = jwt.decode(
                token, self.key.public, algorithms=[_ALGORITHM], issuer=self.issuer, options=options
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise TokenProblem("The access token is invalid: it was not issued here, or is damaged.") from error
        if not all(isinstance(claims[name], int) for name in ("exp", "nbf")) or claims["tid"] != self.tenant_id:
            raise TokenProblem("The access token is invalid.")
        if claims["exp"] <= now:
            raise TokenProblem("The access token has expired.", code="ExpiredAuthenticationToken")
        if claims["nbf"] > now + _CLOCKS_DIFFER_S:
            raise TokenProblem("The access token is not valid yet.")
        return claims
