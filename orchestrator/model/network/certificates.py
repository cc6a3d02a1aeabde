"""Certificates as Azure takes them (base64 of PKCS #12 or of a .cer file), and as a TLS server reads them. Pure.

Sentences name what is wrong and never what was given: some of it is secret.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

_WEAK = {"md5", "sha1"}  # what TLS libraries take no more at their usual level of security
_RSA_BITS_MIN = 2048
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


class CertificateError(ValueError):
    """What is wrong, as the rest of a sentence that begins with the certificate's name."""


class PasswordOrDataError(CertificateError):
    """Which of the two cannot be told."""


class ExpiredError(CertificateError):
    """It is not valid any more."""


def server_pem(data: str, password: str | None, now: datetime) -> str:
    """The certificate, those above it up to a root, and the key, as one PEM text.

    Args:
        data: base64 of PKCS #12, as ``sslCertificates[].properties.data`` has it.
        password: its password; ``None`` or empty for one that has none.
        now: what its validity is held against; aware.

    Raises:
        CertificateError: it cannot be opened, is not valid any more, or no TLS server would take it.
    """
    key, own, others = _opened(_decoded(data), password)
    if key.public_key() != own.public_key():
        raise CertificateError("has a key that does not belong to it")
    if own.not_valid_after_utc <= now:
        raise ExpiredError(f"was valid until {own.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    chain = [own, *_above(own, others)]
    _check_strength(chain)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return "".join([*(_pem(each) for each in chain), private.decode()])


def public_data(pem: str) -> str:
    """What ``publicCertData`` shows: base64 of PKCS #7 with the certificates, without the key."""
    found = x509.load_pem_x509_certificates(pem.encode())
    return base64.b64encode(pkcs7.serialize_certificates(found, serialization.Encoding.DER)).decode()


def root_pem(data: str) -> str:
    """``trustedRootCertificates[].properties.data`` (base64 of a .cer file, itself DER or PEM) as PEM.

    Raises ``CertificateError``."""
    raw = _decoded(data)
    try:
        found = x509.load_pem_x509_certificate(raw) if b"-----BEGIN" in raw else x509.load_der_x509_certificate(raw)
    except ValueError:
        raise CertificateError("is no X.509 certificate") from None
    return _pem(found)


Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def _opened(raw: bytes, password: str | None) -> tuple[Key, x509.Certificate, Sequence[x509.Certificate]]:
    try:
        key, own, others = pkcs12.load_key_and_certificates(raw, (password or "").encode() or None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise PasswordOrDataError("cannot be opened: its data or its password is wrong") from None
    if key is None or own is None:
        raise CertificateError("needs a certificate together with its private key")
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise CertificateError("has a key that is neither RSA nor EC")
    return key, own, others


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise CertificateError("is not base64") from None


def _above(own: x509.Certificate, others: Iterable[x509.Certificate]) -> Sequence[x509.Certificate]:
    """Who signed it, and who signed that, in this order; what does not belong to it is left out."""
    left, found, last = list(others), list[x509.Certificate](), own
    while last.issuer != last.subject:
        issuer = next((each for each in left if each.subject == last.issuer), None)
        if issuer is None:
            break
        left.remove(issuer)
        found.append(issuer)
        last = issuer
    return found


def _check_strength(chain: Sequence[x509.Certificate]) -> None:
    """Raises for what the balancer would refuse, and all else with it: TLS libraries take no weaker ones."""
    for each in chain:
        key, digest = each.public_key(), each.signature_hash_algorithm
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < _RSA_BITS_MIN:
            raise CertificateError(f"has an RSA key of {key.key_size} bits; {_RSA_BITS_MIN} are the least")
        if isinstance(key, ec.EllipticCurvePublicKey) and not isinstance(key.curve, _CURVES):
            raise CertificateError(f"has a key of the curve {key.curve.name}; P-256, P-384 and P-521 are taken")
        if each.issuer != each.subject and digest is not None and digest.name in _WEAK:
            raise CertificateError(f"is signed with {digest.name}, which clients take no more")


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
