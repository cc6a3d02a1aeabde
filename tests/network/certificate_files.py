"""Certificates for tests: an authority of their own, and PKCS #12 as clients send it."""

from __future__ import annotations

import base64
import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Signed:
    """A certificate, its key, and who signed it (``None``: itself)."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    above: Signed | None = None

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return self.key.private_bytes(*form).decode()

    @property
    def server_pem(self) -> str:
        return self.pem + self.key_pem

    @property
    def cer(self) -> str:
        """Base64 of a .cer file."""
        return base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()

    def pfx(self, password: str | None) -> str:
        """Base64 of PKCS #12."""
        how = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        above = [self.above.certificate] if self.above else None
        made = pkcs12.serialize_key_and_certificates(b"test", self.key, self.certificate, above, how)
        return base64.b64encode(made).decode()


def signed(name: str, by: Signed | None = None, *, days: int = 30, begins: datetime | None = None) -> Signed:
    """A certificate for a host, or with nobody above it an authority's."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = begins or NOW - timedelta(days=60)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(NOW + timedelta(days=days) if begins is None else begins + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    return Signed(builder.sign((by or Signed(None, key)).key, hashes.SHA256()), key, by)  # type: ignore[arg-type]


@functools.cache
def authority() -> Signed:
    """One for all tests of a process."""
    return signed("test authority")
