"""Signed cards: a JWS over the card's canonical form (RFC 7515, RFC 8785; A2A specification 1.0.1, section 8.4).

All signatures are deterministic, so that every replica gives the same card under the same ETag. Only a gateway with a key
imports this: it loads cryptography.
"""

from __future__ import annotations

import hashlib
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from busagents.errors import ConfigError

JWKS_PATH = "/.well-known/jwks.json"
_MIN_RSA = 2048  # bits; RFC 7518, 3.3

Json = dict[str, Any]


class CardSigner:
    """Signs with one private key in PEM: P-256 (ES256), Ed25519 (EdDSA) or RSA (RS256).

    Raises:
        ConfigError: it is none of these. The key is not in the text.
    """

    jwks_path = JWKS_PATH

    def __init__(self, pem: bytes) -> None:
        self._algorithm, self._sign, self._public = _loaded(pem)
        thumbprint = hashlib.sha256(json.dumps(self._public, sort_keys=True, separators=(",", ":")).encode()).digest()
        self.kid = _base64(thumbprint)  # RFC 7638: the same for the same key, whoever computes it

    def __call__(self, card: Json, base: str) -> Sequence[Json]:
        """The signatures of a card that has none yet: of what readers of 1.0 know of it, and of the document as it is.

        `base` is where the public key is found, below which is JWKS_PATH.
        """
        header = {"alg": self._algorithm, "typ": "JOSE", "kid": self.kid, "jku": base + JWKS_PATH}
        protected = _base64(canonical(header))
        payloads = dict.fromkeys((canonical(_known_to_1_0(card)), canonical(card)))
        return [{"protected": protected, "signature": self._signature(protected, payload)} for payload in payloads]

    def detached(self, content: bytes) -> str:
        """A JWS of the content without the content (RFC 7515, appendix F). Its header tells when it was made (`iat`)."""
        header = {"alg": self._algorithm, "typ": "JOSE", "kid": self.kid, "iat": int(time.time())}
        protected = _base64(canonical(header))
        return f"{protected}..{self._signature(protected, content)}"

    @property
    def jwks(self) -> bytes:
        """The public key as a JSON Web Key Set."""
        return canonical({"keys": [{**self._public, "kid": self.kid, "alg": self._algorithm, "use": "sig"}]})

    def _signature(self, protected: str, payload: bytes) -> str:
        return _base64(self._sign(f"{protected}.{_base64(payload)}".encode()))


def load_signer(key: str) -> CardSigner:
    """The signer of a key that is PEM itself or the path of a file with it.

    Raises:
        ConfigError: see CardSigner; the file cannot be read.
    """
    if "-----BEGIN" in key:
        return CardSigner(key.replace("\\n", "\n").encode())
    try:
        return CardSigner(Path(key).read_bytes())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no path"
        raise ConfigError(f"BUSAGENTS_GATEWAY_SIGNING_KEY is neither a key in PEM nor a readable file ({why})") from None


def canonical(value: Any) -> bytes:
    """RFC 8785 for what cards hold: objects, arrays, strings, booleans and whole numbers.

    Keys are sorted as JavaScript sorts them, by UTF-16 units.

    Raises:
        TypeError: a value of another kind.
    """
    match value:
        case bool() | None | str():
            return json.dumps(value, ensure_ascii=False).encode()
        case int():
            return str(value).encode()
        case list() | tuple():
            return b"[" + b",".join(canonical(item) for item in value) + b"]"
        case dict():
            keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
            return b"{" + b",".join(canonical(key) + b":" + canonical(value[key]) for key in keys) + b"}"
    raise TypeError(f"cards hold no {type(value).__name__}")


_OLD = ("protocolVersion", "url", "preferredTransport", "additionalInterfaces", "supportsAuthenticatedExtendedCard", "security")
_OLD_OF_SCHEMES = ("type", "in", "name", "scheme", "bearerFormat")


def _known_to_1_0(card: Json) -> Json:
    """The card as a reader of 1.0 has it once it is read: without 0.3's fields and without what is empty."""
    known = {name: value for name, value in card.items() if name not in _OLD}
    if schemes := card.get("securitySchemes"):
        known["securitySchemes"] = {
            name: {key: value for key, value in scheme.items() if key not in _OLD_OF_SCHEMES} for name, scheme in schemes.items()
        }
    cleaned = _without_empty(known)
    assert isinstance(cleaned, dict)
    return cleaned


def _without_empty(value: Any) -> Any:
    """Defaults are left out; booleans of a card's capabilities are no defaults, for they are set explicitly."""
    if isinstance(value, dict):
        kept = {name: item for name, inner in value.items() if (item := _without_empty(inner)) is not None}
        return kept or None
    if isinstance(value, list):
        return [item for inner in value if (item := _without_empty(inner)) is not None] or None
    return None if value == "" else value


def _loaded(pem: bytes) -> tuple[str, Callable[[bytes], bytes], Json]:
    """The algorithm, the way to sign, and the public key as JWK with its required members only."""
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError("BUSAGENTS_GATEWAY_SIGNING_KEY is no private key in PEM without a password") from None
    if isinstance(key, Ed25519PrivateKey):
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return "EdDSA", key.sign, {"kty": "OKP", "crv": "Ed25519", "x": _base64(raw)}
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        point = key.public_key().public_numbers()
        public = {"kty": "EC", "crv": "P-256", "x": _base64(point.x.to_bytes(32)), "y": _base64(point.y.to_bytes(32))}
        return "ES256", lambda data: _es256(key, data), public
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _MIN_RSA:
        numbers = key.public_key().public_numbers()
        public = {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        return "RS256", lambda data: key.sign(data, padding.PKCS1v15(), SHA256()), public
    raise ConfigError(
        "BUSAGENTS_GATEWAY_SIGNING_KEY is of a kind that is not used: take P-256, Ed25519, or RSA of 2048 bits or more"
    )


def _es256(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True)))
    return r.to_bytes(32) + s.to_bytes(32)


def _number(value: int) -> str:
    return _base64(value.to_bytes((value.bit_length() + 7) // 8))


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
