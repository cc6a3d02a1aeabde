"""Certificates as Azure takes them, and as a TLS server reads them."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12
from cryptography.x509.oid import NameOID

from orchestrator.model.network.certificates import CertificateError, ExpiredError, root_pem, server_pem
from tests.network.certificate_files import authority, signed

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


def self_signed(key: Any, name: str = "x.example") -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def packed(key: Any, certificate: x509.Certificate | None, *others: x509.Certificate) -> str:
    return base64.b64encode(
        pkcs12.serialize_key_and_certificates(b"x", key, certificate, others, NoEncryption())
    ).decode()


def test_the_chain_comes_in_its_order_and_without_strangers() -> None:
    site = signed("shop.example", authority())
    data = packed(site.key, site.certificate, signed("stranger").certificate, authority().certificate)
    assert server_pem(data, None, NOW) == site.pem + authority().pem + site.key_pem
    assert server_pem(data, "", NOW) == server_pem(data, None, NOW), "an empty password is none"


KEY = ec.generate_private_key(ec.SECP256R1())
OTHERS_KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (rsa.generate_private_key(65537, 1024), "1024 bits"),
        (ec.generate_private_key(ec.SECP192R1()), "secp192r1"),
        (ed25519.Ed25519PrivateKey.generate(), "neither RSA nor EC"),
    ],
)
def test_a_key_that_no_tls_server_takes_is_refused(key: Any, words: str) -> None:
    with pytest.raises(CertificateError, match=words):
        server_pem(packed(key, self_signed(key)), None, NOW)


def test_a_weak_authority_in_the_chain_is_refused() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    above = self_signed(weak, "weak")
    builder = x509.CertificateBuilder().issuer_name(above.subject).public_key(KEY.public_key())
    builder = builder.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])).serial_number(2)
    own = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY).sign(weak, hashes.SHA256())
    with pytest.raises(CertificateError, match="1024 bits"):
        server_pem(packed(KEY, own, above), None, NOW)


def test_a_certificate_needs_its_own_key() -> None:
    with pytest.raises(CertificateError, match="private key"):
        server_pem(packed(None, None, self_signed(KEY)), None, NOW)


def test_one_that_is_not_valid_any_more_is_told_by_its_end() -> None:
    with pytest.raises(ExpiredError, match=f"{NOW + DAY:%Y-%m-%d}"):
        server_pem(packed(KEY, self_signed(KEY)), None, NOW + 2 * DAY)


def test_a_root_comes_as_der_or_as_pem() -> None:
    pem = base64.b64encode(authority().pem.encode()).decode()
    assert root_pem(authority().cer) == root_pem(pem) == authority().pem
    with pytest.raises(CertificateError, match=r"no X\.509"):
        root_pem("bm8=")
    with pytest.raises(CertificateError, match="base64"):
        root_pem("*")
