"""Over TLS the certificate must be that of the name in the URL, though the connection goes to an address."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from busagents.adapters.a2a_client.guard import GuardedTransport, UrlGuard
from tests.support.http_server import serving

NAME = "agents.example"


def certificate(folder: Path) -> tuple[Path, Path]:
    """The files of a self-signed certificate of NAME and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(private)
    return folder / "cert.pem", folder / "key.pem"


async def resolve(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


async def test_the_name_of_the_url_is_what_the_certificate_must_have(tmp_path: Path) -> None:
    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.headers["host"])

    cert, key = certificate(tmp_path)
    app = Starlette(routes=[Route("/", hello)])
    async with serving(app, ssl_certfile=str(cert), ssl_keyfile=str(key)) as base:
        port = base.rpartition(":")[2]
        trusted = ssl.create_default_context(cafile=str(cert))
        transport = GuardedTransport(UrlGuard(allow_private=True, resolve=resolve), verify=trusted)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            assert (await client.get(f"https://{NAME}:{port}/")).text == f"{NAME}:{port}"
            with pytest.raises(httpx.ConnectError):
                await client.get(f"https://other.example:{port}/")
