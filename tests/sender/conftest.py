"""What the tests of the sender share: receivers, names, a network, and certificates."""

import datetime
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from goalline.sender import exchange
from tests.sender.receiver import Names, Net, Receiver

Serve = Callable[..., Receiver]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start receivers, which end with the test."""
    with ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(Receiver(*arguments, **options))


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Names that exist in the test alone."""
    known = Names()
    monkeypatch.setattr(socket, "getaddrinfo", known.getaddrinfo)
    return known


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Net:
    """A network in which nothing is reached that the test has not put there."""
    known = Net()
    monkeypatch.setattr(socket, "create_connection", known.create_connection)
    return known


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """What a server at hooks.example.test and 127.0.0.1 needs for TLS; the sender trusts its certificate."""
    context = certified(tmp_path, "hooks.example.test", "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    exchange._tls.cache_clear()
    yield context
    exchange._tls.cache_clear()


def certified(folder: Path, name: str, address: str) -> ssl.SSLContext:
    """Return what a server needs for TLS under a name and an address; its own certificate is written to a folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(address))]), False
        )
        .sign(key, hashes.SHA256())
    )
    pem: Any = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context
