"""The daemon's own certificate authority, and the certificate of its HTTPS port.

The authority is this installation's alone, and may only vouch for the names it serves (critical name constraints,
RFC 5280 4.2.1.10): whoever trusts it trusts it for localhost, not for the web. Clients trust ``ca.pem``; the
port's own certificate can change behind it at any time.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from orchestrator.private_file import write_private

log = structlog.get_logger()

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
CA_LIFE = timedelta(days=3653)
LIFE = timedelta(days=396)  # browsers and Apple refuse more than 398 days
RENEW_BEFORE = timedelta(days=30)
_BACKDATED = timedelta(hours=1)  # for clients whose clock is slow


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA: its certificate and the key to it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def covers(self, names: Iterable[str]) -> bool:
        constraints = self.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
        permitted = set(constraints.permitted_subtrees or ())
        return all(_subtree(name) in permitted for name in names)


class Certificates:
    """``ca.pem``, ``ca.key`` and ``server.pem`` (certificate and key in one file, so that they always fit) in a
    folder of the state directory. ``names`` are host names and addresses beside those of loopback."""

    def __init__(self, folder: Path, names: Iterable[str] = ()) -> None:
        self.folder = folder
        self.names = tuple(dict.fromkeys([*LOOPBACK_NAMES, *(name.lower() for name in names)]))

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def server_file(self) -> Path:
        return self.folder / "server.pem"

    def ensure(self, now: datetime | None = None) -> bool:
        """Make what is missing, unfit or about to end. Whether the port's certificate is a new one.

        An authority that may not vouch for a name that is configured now is replaced: its constraints cannot grow.
        Clients then have to trust the new ``ca.pem``, and the log says so."""
        now = now or datetime.now(UTC)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = self._read_authority(now) or self._make_authority(now)
        if self._is_fit(authority, now):
            return False
        certificate, key = issue(authority, self.names, now)
        write_private(self.server_file, certificate.public_bytes(serialization.Encoding.PEM) + _pem_of_key(key))
        return True

    def server_context(self) -> ssl.SSLContext:
        """For the port. ``renew`` puts a new certificate into it while it serves."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.server_file)
        return context

    def renew(self, context: ssl.SSLContext) -> None:
        """Call now and then: connections made after a renewal see the new certificate."""
        if self.ensure():
            context.load_cert_chain(self.server_file)
            log.info("the certificate of the HTTPS port was renewed", file=str(self.server_file))

    def _read_authority(self, now: datetime) -> Authority | None:
        """The one that is there, if it can be used."""
        try:
            certificate = x509.load_pem_x509_certificate(self.ca_file.read_bytes())
            key = serialization.load_pem_private_key((self.folder / "ca.key").read_bytes(), None)
        except (FileNotFoundError, ValueError):
            return None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            return None
        found = Authority(certificate, key)
        if certificate.not_valid_after_utc - now < RENEW_BEFORE or not found.covers(self.names):
            return None
        return found

    def _make_authority(self, now: datetime) -> Authority:
        made = make_authority(self.names, now)
        is_second = self.ca_file.exists()
        write_private(self.folder / "ca.key", _pem_of_key(made.key))
        write_private(self.ca_file, made.pem)
        self.ca_file.chmod(0o644)
        say = log.warning if is_second else log.info
        words = "a new certificate authority was made: clients have to trust it anew"
        say(words if is_second else "a certificate authority was made", file=str(self.ca_file), names=self.names)
        return made

    def _is_fit(self, authority: Authority, now: datetime) -> bool:
        try:
            content = self.server_file.read_bytes()
            certificate = x509.load_pem_x509_certificate(content)
            serialization.load_pem_private_key(content, None)
            certificate.verify_directly_issued_by(authority.certificate)
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (FileNotFoundError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return False
        is_fresh = certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEW_BEFORE
        return is_fresh and set(names) == {_general_name(name) for name in self.names}


def make_authority(names: Iterable[str], now: datetime) -> Authority:
    """A self-signed CA that can vouch for these names alone, and for no other CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _subject(f"vmss {x509.random_serial_number() % 10**8:08d}")
    constraints = x509.NameConstraints([_subtree(each) for each in names], None)
    builder = _builder(name, name, key, now, CA_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(is_authority=True), critical=True)
    builder = builder.add_extension(constraints, critical=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def issue(
    authority: Authority, names: Iterable[str], now: datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate for a server of these names."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_id = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = _builder(_subject("localhost"), authority.certificate.subject, key, now, LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(is_authority=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
    builder = builder.add_extension(alternatives, critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id)
    builder = builder.add_extension(issuer, critical=False)
    return builder.sign(authority.key, hashes.SHA256()), key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subtree(name: str) -> x509.GeneralName:
    """What a constraint permits for a name: an address is a network of one."""
    try:
        return x509.IPAddress(ipaddress.ip_network(name))
    except ValueError:
        return x509.DNSName(name)


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
