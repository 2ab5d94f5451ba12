"""Callers: API keys and bearer tokens, with real keys and signatures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from busagents.bootstrap.gateway_options import GatewayOptions, gateway_options
from busagents.domain.gateway import Gateway
from busagents.errors import ConfigError, DefinitionError, InvalidName
from busagents.gateway.callers import Forbidden, KnownCallers, OpenCallers, Unauthenticated, parse_keys
from busagents.gateway.errors import Unavailable
from busagents.gateway.jwt_callers import JwtVerifier
from busagents.gateway.types import Caller
from busagents.settings import GatewaySettings, load_settings
from tests.support.http_server import serving

SECRET = "correct-horse-battery"
ISSUER, AUDIENCE = "https://issuer.example", "busagents"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwk(key: Any, kid: str, **more: str) -> dict[str, Any]:
    kind = {rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm, ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm}
    algorithm = next((value for cls, value in kind.items() if isinstance(key, cls)), jwt.algorithms.OKPAlgorithm)
    shown = algorithm.to_jwk(key.public_key())
    return {**(json.loads(shown) if isinstance(shown, str) else shown), "kid": kid, **more}


def token(key: Any = RSA, algorithm: str = "RS256", kid: str | None = "r", **changes: Any) -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": time.time() + 600, **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers={"kid": kid} if kid else {})


def forged(claims: dict[str, Any], secret: bytes) -> str:
    """A token that is signed with what everybody knows."""
    head = {"alg": "HS256", "typ": "JWT", "kid": "r"}
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, claims))
    mark = base64.urlsafe_b64encode(hmac.digest(secret, signed, "sha256")).rstrip(b"=")
    return (signed + b"." + mark).decode()


class Issuer:
    """Publishes keys, and counts who asks."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.away = False
        self.time = 0.0

    async def fetch(self) -> bytes:
        self.asked += 1
        if self.away:
            raise ValueError("HTTP 503")
        return json.dumps({"keys": self.keys}).encode()

    def verifier(self, algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA"), scope: str = "") -> JwtVerifier:
        return JwtVerifier(
            "https://issuer.example/jwks",
            issuer=ISSUER,
            audience=AUDIENCE,
            algorithms=algorithms,
            scope=scope,
            fetch=self.fetch,
            now=lambda: self.time,
        )


def test_keys_are_kept_as_hashes_and_never_shown() -> None:
    keys = parse_keys(f"ann={SECRET}, ops:operator={SECRET}2\nbob=sha256:{'0' * 64}")
    assert [(key.name, key.may_see_all) for key in keys] == [("ann", False), ("ops", True), ("bob", False)]
    assert SECRET not in repr(keys)
    assert all(SECRET.encode() not in key.digest for key in keys)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ann", "entry 1"),
        (f"=  {SECRET}", "entry 1"),
        (f"ann={SECRET},a b={SECRET}", "entry 2"),
        ("ann=short", "5 characters"),
        (f"ann={SECRET},ann={SECRET}", "twice"),
        (f"ann:admin={SECRET}", "entry 1"),
    ],
)
def test_keys_that_cannot_be_are_refused_without_showing_them(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        parse_keys(text)
    assert SECRET not in str(raised.value)
    assert "BUSAGENTS_GATEWAY_KEYS" in str(raised.value)


async def test_a_hashed_key_opens_like_the_key_itself() -> None:
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    callers = KnownCallers(parse_keys(f"ann=sha256:{digest}"))
    assert await callers.identify({"x-api-key": SECRET}) == Caller("ann")
    with pytest.raises(Unauthenticated):
        await callers.identify({"x-api-key": digest})
    with pytest.raises(Unauthenticated):
        await callers.identify({"x-api-key": f"sha256:{digest}"})


async def test_without_keys_everybody_is_the_anonymous_caller() -> None:
    assert await OpenCallers().identify({"x-api-key": "whatever"}) == Caller()


async def test_an_operator_may_see_everybodys_tasks() -> None:
    callers = KnownCallers(parse_keys(f"ops:operator={SECRET}"))
    assert await callers.identify({"authorization": f"bearer {SECRET}"}) == Caller("ops", may_see_all=True)


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(RSA, "RS256", "r"), (EC, "ES256", "e"), (ED, "EdDSA", "d")])
async def test_tokens_of_the_issuer_name_their_caller(key: Any, algorithm: str, kid: str) -> None:
    issuer = Issuer(jwk(RSA, "r"), jwk(EC, "e"), jwk(ED, "d"))
    callers = KnownCallers((), issuer.verifier())
    assert await callers.identify({"authorization": f"Bearer {token(key, algorithm, kid)}"}) == Caller("jwt:ann")


async def test_a_subject_is_no_api_keys_caller() -> None:
    callers = KnownCallers(parse_keys(f"ann={SECRET}"), Issuer(jwk(RSA, "r")).verifier())
    by_key = await callers.identify({"authorization": f"Bearer {SECRET}"})
    by_token = await callers.identify({"authorization": f"Bearer {token()}"})
    assert by_key != by_token


@pytest.mark.parametrize(
    "bad",
    [
        token(STRANGER),
        token(exp=time.time() - 60),
        token(exp=None),
        token(sub=None),
        token(sub=""),
        token(sub="x" * 300),
        token(iss="https://other.example"),
        token(aud="other"),
        token(aud=None),
        token(nbf=time.time() + 600),
        token(algorithm="PS256"),
        token(kid="unknown"),
        "a.b.c",
        "..",
        token()[:-4] + "AAAA",
    ],
)
async def test_other_tokens_are_refused(bad: str) -> None:
    verifier = Issuer(jwk(RSA, "r"), jwk(EC, "e")).verifier()
    with pytest.raises(Unauthenticated) as raised:
        await verifier.caller(bad)
    assert "invalid_token" in raised.value.challenge


async def test_a_token_cannot_choose_how_it_is_checked() -> None:
    """The public key as an HMAC secret, no signature at all, and a key that is pinned to another algorithm."""
    shown = jwk(RSA, "r", alg="RS256")
    verifier = Issuer(shown).verifier(("RS256", "PS256"))
    head = {"kid": "r"}
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": time.time() + 600}
    pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for bad in (
        forged(claims, pem),
        forged(claims, json.dumps(shown).encode()),
        jwt.encode(claims, None, "none", headers=head),
        token(algorithm="PS256"),
    ):
        with pytest.raises(Unauthenticated):
            await verifier.caller(bad)


async def test_keys_are_fetched_once_and_again_for_a_key_that_is_not_known() -> None:
    issuer = Issuer(jwk(RSA, "r"))
    verifier = issuer.verifier()
    for _ in range(3):
        await verifier.caller(token(jti=str(time.time_ns())))
    assert issuer.asked == 1
    issuer.keys, issuer.time = [jwk(EC, "new")], 11.0  # rotated
    assert await verifier.caller(token(EC, "ES256", "new")) == Caller("jwt:ann")
    assert issuer.asked == 2


async def test_keys_are_fetched_over_http_and_an_endless_set_of_them_is_not() -> None:
    answers = {"/jwks": (200, json.dumps({"keys": [jwk(RSA, "r")]}).encode()), "/endless": (200, b"x" * 2_000_000)}

    async def issuer(scope: Any, receive: Any, send: Any) -> None:
        status, body = answers.get(scope["path"], (404, b"{}"))
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async with serving(issuer, lifespan="off") as base:
        for path in ("/jwks", "/endless", "/none"):
            verifier = JwtVerifier(base + path, issuer=ISSUER, audience=AUDIENCE, algorithms=("RS256",))
            if path == "/jwks":
                assert await verifier.caller(token()) == Caller("jwt:ann")
                continue
            with pytest.raises(Unavailable):
                await verifier.caller(token())


async def test_tokens_with_invented_keys_do_not_flood_the_issuer() -> None:
    issuer = Issuer(jwk(RSA, "r"))
    verifier = issuer.verifier()
    for number in range(20):
        with pytest.raises(Unauthenticated):
            await verifier.caller(token(kid=str(number)))
    assert issuer.asked == 1


async def test_while_the_issuer_is_away_its_keys_from_before_are_used() -> None:
    issuer = Issuer(jwk(RSA, "r"))
    verifier = issuer.verifier()
    await verifier.caller(token())
    issuer.away, issuer.time = True, 3600.0
    assert await verifier.caller(token(jti="2")) == Caller("jwt:ann")
    cold = issuer.verifier()
    with pytest.raises(Unavailable):
        await cold.caller(token())


async def test_a_token_without_the_scope_is_forbidden() -> None:
    verifier = Issuer(jwk(RSA, "r")).verifier(scope="agents")
    assert await verifier.caller(token(scope="profile agents")) == Caller("jwt:ann")
    assert await verifier.caller(token(scp=["agents"])) == Caller("jwt:ann")
    with pytest.raises(Forbidden, match="agents"):
        await verifier.caller(token(scope="profile"))


def options(definition: Gateway | None = None, **environment: str) -> GatewayOptions:
    settings = load_settings({f"BUSAGENTS_GATEWAY_{name}": value for name, value in environment.items()})
    return gateway_options(definition or Gateway(), settings.gateway, "1.0.0")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "gateway.example"])
def test_off_this_machine_it_does_not_start_for_everybody(host: str) -> None:
    with pytest.raises(ConfigError, match="BUSAGENTS_GATEWAY_KEYS") as raised:
        options(HOST=host)
    assert "BUSAGENTS_GATEWAY_INSECURE=1" in str(raised.value)
    assert "insecure=True" in str(raised.value)


def test_off_this_machine_it_starts_with_keys_or_if_told_so_by_name() -> None:
    assert options(HOST="0.0.0.0", KEYS=f"ann={SECRET}").host == "0.0.0.0"
    assert options(HOST="0.0.0.0", INSECURE="1").host == "0.0.0.0"
    assert options(Gateway(host="0.0.0.0", insecure=True)).host == "0.0.0.0"
    assert options(Gateway(host="::1")).keys == ()


def test_any_host_name_is_served_only_where_callers_have_keys() -> None:
    assert options(HOST="0.0.0.0", KEYS=f"ann={SECRET}").allowed_hosts == ("*",)
    assert "*" not in options(HOST="0.0.0.0", INSECURE="1").allowed_hosts
    assert "*" not in options(KEYS=f"ann={SECRET}").allowed_hosts
    named = options(
        HOST="0.0.0.0", KEYS=f"ann={SECRET}", ALLOWED_HOSTS="a.example, b.example", PUBLIC_URL="https://c.example:8/x"
    )
    assert named.allowed_hosts == ("a.example", "b.example", "0.0.0.0", "c.example")


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"JWKS_URL": "http://issuer.example/jwks"}, "https"),
        ({"JWKS_URL": "https://issuer.example/jwks"}, "BUSAGENTS_GATEWAY_ISSUER"),
        ({"JWKS_URL": "https://i.example/jwks", "ISSUER": "i", "AUDIENCE": "a", "ALGORITHMS": "RS256,HS256"}, "HS256"),
        ({"JWKS_URL": "https://i.example/jwks", "ISSUER": "i", "AUDIENCE": "a", "ALGORITHMS": "none"}, "none"),
    ],
)
def test_tokens_that_would_open_too_much_are_refused_at_the_start(environment: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        options(**environment)


def test_the_environment_wins_over_the_definition() -> None:
    found = options(Gateway(port=1000, public_url="https://one.example/"), PORT="0", PUBLIC_URL="https://two.example/")
    assert (found.port, found.cards.public_url) == (0, "https://two.example")


@pytest.mark.parametrize("port", ["abc", "70000", "1.5", "-1"])
def test_a_port_that_is_none_is_a_config_error(port: str) -> None:
    with pytest.raises(ConfigError, match="BUSAGENTS_GATEWAY_PORT"):
        options(PORT=port)


def test_secrets_of_the_environment_are_never_shown() -> None:
    settings = GatewaySettings(keys=f"ann={SECRET}", tls_key_password=SECRET, signing_key=SECRET, issuer=ISSUER)
    assert SECRET not in repr(settings)
    assert ISSUER in repr(settings)


@pytest.mark.parametrize(
    "declared",
    [
        {"port": 70000},
        {"replicas": 2},
        {"tls_key": "key.pem"},
        {"rate": -1.0},
        {"expose": ["a"], "root": "b"},
        {"max_body": 0},
    ],
)
def test_a_declaration_that_cannot_work_is_refused(declared: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError):
        Gateway(**declared)


def test_what_is_exposed_must_be_names() -> None:
    with pytest.raises(InvalidName):
        Gateway(expose=["not a name"])
