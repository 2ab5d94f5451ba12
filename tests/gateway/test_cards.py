"""Cards: what they say to readers of 1.0 and of 0.3, how they follow the bus, and how they are cached."""

from __future__ import annotations

import asyncio
import contextlib
import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from a2a.client.card_resolver import parse_agent_card
from a2a.compat.v0_3 import types as types_v03
from a2a.utils._jcs import canonicalize
from a2a.utils.signing import InvalidSignaturesError, create_signature_verifier
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt import InvalidSignatureError, PyJWK
from jwt.api_jws import PyJWS

from busagents.errors import ConfigError
from busagents.gateway.cards import Cards, CardSettings
from busagents.gateway.errors import Unavailable
from busagents.gateway.signing import CardSigner, canonical, load_signer
from busagents.gateway.types import Exposed

WRITER = Exposed("writer", "Writes reports.", "agent", "2.1.0", (("search", "Looks things up."),))
ECHO = Exposed("echo", "", "function")
BASE = "http://127.0.0.1:8420"


class OnTheBus:
    """Who is there, and how often that was asked."""

    def __init__(self, *there: Exposed) -> None:
        self.there = list(there)
        self.asked = 0
        self.away = False
        self.time = 0.0

    async def participants(self) -> list[Exposed]:
        self.asked += 1
        if self.away:
            raise Unavailable("the bus is away")
        return list(self.there)

    def cards(self, settings: CardSettings | None = None) -> Cards:
        return Cards(self.participants, settings or CardSettings(), now=lambda: self.time)


async def document(cards: Cards, name: str = "", *, extended: bool = False) -> dict[str, Any]:
    card = await cards.card(BASE, name, extended=extended)
    assert card is not None
    loaded: dict[str, Any] = json.loads(card.body)
    return loaded


@pytest.mark.parametrize("name", ["", "writer", "echo"])
@pytest.mark.parametrize("settings", [CardSettings(), CardSettings(api_keys=True), CardSettings(api_keys=True, tokens=True)])
async def test_readers_of_both_versions_understand_a_card(name: str, settings: CardSettings) -> None:
    found = await document(OnTheBus(ECHO, WRITER).cards(settings), name)
    old = types_v03.AgentCard.model_validate(found)
    assert old.protocol_version == "0.3.0"
    assert bool(old.security) == bool(old.security_schemes) == settings.auth
    new = parse_agent_card(json.loads(json.dumps(found)))
    assert [(item.protocol_binding, item.protocol_version) for item in new.supported_interfaces] == [
        ("JSONRPC", "1.0"),
        ("HTTP+JSON", "1.0"),
        ("JSONRPC", "0.3"),
        ("HTTP+JSON", "0.3"),
    ]
    assert {item.url for item in new.supported_interfaces} == {old.url} == {f"{BASE}/agents/{name or 'echo'}"}
    assert sorted(new.security_schemes) == sorted(old.security_schemes or {})
    assert new.name
    assert new.description
    assert new.version
    assert all(skill.id and skill.name and skill.description and skill.tags for skill in new.skills)


async def test_a_participants_card_says_what_it_is_for_and_lists_its_tools() -> None:
    found = await document(OnTheBus(WRITER).cards(), "writer")
    assert (found["name"], found["description"], found["version"]) == ("writer", "Writes reports.", "2.1.0")
    assert [skill["name"] for skill in found["skills"]] == ["writer", "search"]


async def test_the_card_of_the_whole_lists_everybody_and_says_who_answers() -> None:
    found = await document(OnTheBus(ECHO, WRITER).cards(CardSettings(root="writer")))
    assert [skill["id"] for skill in found["skills"]] == ["echo", "writer"]
    assert "goes to writer" in found["description"]
    assert found["url"] == BASE


async def test_where_callers_must_say_who_they_are_tools_are_in_the_extended_card_only() -> None:
    cards = OnTheBus(WRITER).cards(CardSettings(api_keys=True))
    public, extended = await document(cards, "writer"), await document(cards, "writer", extended=True)
    assert [skill["name"] for skill in public["skills"]] == ["writer"]
    assert [skill["name"] for skill in extended["skills"]] == ["writer", "search"]
    assert public["capabilities"]["extendedAgentCard"] is public["supportsAuthenticatedExtendedCard"] is True


async def test_a_participant_that_joins_appears_within_a_second() -> None:
    bus = OnTheBus(ECHO)
    cards = bus.cards()
    assert await cards.card(BASE, "writer") is None
    bus.there.append(WRITER)
    bus.time = 1.0
    assert await cards.card(BASE, "writer") is not None
    assert [skill["id"] for skill in (await document(cards))["skills"]] == ["echo", "writer"]


async def test_who_is_away_and_has_an_inbox_has_a_card_until_it_is_back() -> None:
    bus, asked = OnTheBus(ECHO), []

    async def exists(name: str) -> bool:
        asked.append(name)
        return name == "writer"

    cards = Cards(bus.participants, CardSettings(), exists=exists, now=lambda: bus.time)
    assert await cards.card(BASE, "nobody") is None
    assert (await document(cards, "writer"))["description"] == "The participant writer."
    assert [item.name for item in await cards.known()] == ["echo", "writer"]
    await cards.card(BASE, "writer")
    assert asked == ["nobody", "writer"]
    bus.there.append(WRITER)
    bus.time = 1.0
    await cards.known()
    await asyncio.sleep(0)
    assert (await document(cards, "writer"))["description"] == "Writes reports."


async def test_the_bus_is_asked_at_most_once_a_second() -> None:
    bus = OnTheBus(ECHO)
    cards = bus.cards()
    for tenth in range(25):
        bus.time = tenth / 10
        await cards.card(BASE, "echo")
        await asyncio.sleep(0)  # it is asked meanwhile
    assert bus.asked == 3


async def test_an_unchanged_card_is_not_sent_again() -> None:
    bus = OnTheBus(ECHO)
    cards = bus.cards()
    first = await cards.reply(BASE, "echo")
    etag = dict(first.headers)[b"etag"].decode()
    assert first.status == 200
    for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await cards.reply(BASE, "echo", if_none_match=condition)
        assert (again.status, again.body) == (304, b"")
        assert dict(again.headers)[b"etag"].decode() == etag
    bus.there = [Exposed("echo", "Says it again.", "function")]
    bus.time = 1.0
    await cards.reply(BASE, "echo")  # as it was, while it is looked again
    await asyncio.sleep(0)
    changed = await cards.reply(BASE, "echo", if_none_match=etag)
    assert changed.status == 200
    assert dict(changed.headers)[b"etag"].decode() != etag


async def test_an_extended_card_is_kept_by_no_shared_cache() -> None:
    cards = OnTheBus(ECHO).cards(CardSettings(api_keys=True))
    assert dict((await cards.reply(BASE, "echo")).headers)[b"cache-control"] == b"public, max-age=60"
    assert dict((await cards.reply(BASE, "echo", extended=True)).headers)[b"cache-control"] == b"private, no-cache"


async def test_a_card_of_nobody_is_404_and_says_where_to_look() -> None:
    reply = await OnTheBus(ECHO).cards().reply(BASE, "nobody")
    assert reply.status == 404
    assert b"/.well-known/agent-card.json" in reply.body


async def test_urls_are_those_of_the_caller_or_the_public_one() -> None:
    bus = OnTheBus(ECHO)
    seen = await bus.cards().card("https://one.example", "echo")
    named = await bus.cards(CardSettings(public_url="https://a2a.example/bus/")).card("http://10.0.0.1", "echo")
    assert seen is not None
    assert json.loads(seen.body)["url"] == "https://one.example/agents/echo"
    assert named is not None
    assert json.loads(named.body)["url"] == "https://a2a.example/bus/agents/echo"


async def test_a_bus_that_was_never_there_is_said_so_and_not_an_empty_card() -> None:
    bus = OnTheBus(ECHO)
    bus.away = True
    with pytest.raises(Unavailable):
        await bus.cards().card(BASE, "echo")


async def test_while_the_bus_is_away_the_cards_are_as_they_were() -> None:
    bus = OnTheBus(ECHO)
    cards = bus.cards()
    before = await document(cards, "echo")
    bus.away, bus.time = True, 5.0
    assert await document(cards, "echo") == before
    await asyncio.sleep(0)
    assert await document(cards, "echo") == before


EC_KEY = ec.generate_private_key(ec.SECP256R1())
KEYS = [EC_KEY, Ed25519PrivateKey.generate(), rsa.generate_private_key(public_exponent=65537, key_size=2048)]
NAMES = ["ES256", "EdDSA", "RS256"]


def pem(key: Any) -> bytes:
    made: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made


def verifier(signer: CardSigner, algorithm: str) -> Any:
    """The SDK's, with the key that the gateway publishes."""
    [published] = json.loads(signer.jwks)["keys"]

    def key_of(kid: str | None, jku: str | None) -> PyJWK:
        assert (kid, jku) == (published["kid"], f"{BASE}/.well-known/jwks.json")
        return PyJWK(published)

    return create_signature_verifier(key_of, [algorithm])


@pytest.mark.parametrize(("key", "algorithm"), list(zip(KEYS, NAMES, strict=True)), ids=NAMES)
@pytest.mark.parametrize("settings", [CardSettings(), CardSettings(api_keys=True, tokens=True, push=False)])
async def test_the_sdk_verifies_a_signed_card_and_notices_a_change(key: Any, algorithm: str, settings: CardSettings) -> None:
    signer, bus = CardSigner(pem(key)), OnTheBus(WRITER, Exposed("écho", "Sagt „ja“.\n", "function"))
    cards = Cards(bus.participants, settings, signer, now=lambda: 0.0)
    verify = verifier(signer, algorithm)
    for name in ("", "writer", "écho"):
        found = await document(cards, name)
        verify(parse_agent_card(json.loads(json.dumps(found))))
        with pytest.raises(InvalidSignaturesError):
            verify(parse_agent_card({**json.loads(json.dumps(found)), "description": "Something else."}))


async def test_a_reader_of_the_whole_document_can_check_it_too() -> None:
    signer = CardSigner(pem(EC_KEY))
    found = await document(Cards(OnTheBus(WRITER).participants, CardSettings(api_keys=True), signer), "writer")
    signatures = found.pop("signatures")
    payload = canonical(found)
    key = PyJWK(json.loads(signer.jwks)["keys"][0])
    fitting = 0
    for one in signatures:
        token = f"{one['protected']}.{urlsafe_b64encode(payload).rstrip(b'=').decode()}.{one['signature']}"
        with contextlib.suppress(InvalidSignatureError):
            fitting += PyJWS().decode(token, key, algorithms=["ES256"]) == payload
    assert fitting == 1


async def test_every_replica_gives_the_same_signed_card() -> None:
    both = [Cards(OnTheBus(WRITER).participants, CardSettings(), CardSigner(pem(EC_KEY))) for _ in range(2)]
    one, two = [await cards.card(BASE, "writer") for cards in both]
    assert one == two


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 1024), None])
def test_a_key_that_cannot_sign_is_a_config_error_that_does_not_show_it(key: Any, tmp_path: Path) -> None:
    text = pem(key).decode() if key else "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----"
    (tmp_path / "key.pem").write_text(text)
    for configured in (text, str(tmp_path / "key.pem"), str(tmp_path / "none.pem"), "secret\x00"):
        with pytest.raises(ConfigError, match="BUSAGENTS_GATEWAY_SIGNING_KEY") as raised:
            load_signer(configured)
        assert "secret" not in str(raised.value)


def test_a_key_is_read_from_the_environment_or_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(pem(EC_KEY))
    one_line = pem(EC_KEY).decode().replace("\n", "\\n")
    assert load_signer(str(tmp_path / "key.pem")).kid == load_signer(one_line).kid


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
        max_leaves=10,
    )
)
def test_the_canonical_form_is_the_sdks(value: Any) -> None:
    assert canonical(value).decode() == canonicalize(value)
