"""Subjects of the Synadia Agent Protocol (section 2): the only module that knows them.

    agents.prompt.<agent>.<owner>.<session>     a prompt, answered by a stream of messages to its reply subject
    agents.status.<agent>.<owner>.<session>     request: a heartbeat, now
    agents.hb.<agent>.<owner>.<session>         heartbeats

Callers learn the first two from discovery; only heartbeats are at a fixed place. An agent's token is of `a-z 0-9 -`, the others
may have `_` too. Every name has a token of its own and is turned into it once; a token is never turned again.
"""

from __future__ import annotations

import base64
import re
from typing import Literal

import msgspec

from busagents.errors import InvalidName

Verb = Literal["prompt", "status", "hb"]

PROTOCOL = "0.3"
SERVICE = "agents"  # the micro service's name, for all agents
QUEUE = "agents"  # the queue group that instances of an agent share
MAIN_SESSION = "main"  # every prompt to it begins a session of its own
DISCOVERY = f"$SRV.INFO.{SERVICE}"

_ROOT = "agents"
_AGENT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")  # of `_` as `-`: one with a lone `_` between letters stays readable
_PLAIN = re.compile(r"[a-z0-9_-]+")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
_CODED = "x---"  # what no readable token begins with


class Address(msgspec.Struct, frozen=True, order=True):
    """Who is meant: three tokens, as they stand in subjects."""

    agent: str
    owner: str
    session: str = MAIN_SESSION

    def subject(self, verb: Verb) -> str:
        """The literal subject."""
        return f"{_ROOT}.{verb}.{self.agent}.{self.owner}.{self.session}"

    def any_session(self) -> str:
        """Matches prompts to every session of the agent."""
        return f"{_ROOT}.prompt.{self.agent}.{self.owner}.*"


def address(agent: str, owner: str, session: str = MAIN_SESSION) -> Address:
    """The address of an agent by its names."""
    return Address(agent_token(agent), token(owner), token(session))


def parse(subject: str) -> tuple[Verb, Address]:
    """The inverse of Address.subject.

    Raises:
        InvalidName: the subject is none of the protocol's.
    """
    parts = subject.split(".")
    ours = len(parts) == 5 and parts[0] == _ROOT and parts[1] in ("prompt", "status", "hb")
    if ours and all(_TOKEN.fullmatch(part) for part in parts[2:]):
        return parts[1], Address(parts[2], parts[3], parts[4])  # type: ignore[return-value]
    raise InvalidName(f"subject {subject[:200]!r} is no agent's: expected {_ROOT}.<prompt|status|hb>.<agent>.<owner>.<session>")


def agent_token(name: str) -> str:
    """A participant's name (letters, digits, `_`, `-`) in the alphabet of agents: `research_analyst` is `research--analyst`, and
    what cannot be read that way is base32.
    """
    if _AGENT.fullmatch(name.replace("_", "-")):
        return name.replace("_", "--")
    return _CODED + base64.b32encode(name.encode()).decode().rstrip("=").lower()


def agent_name(token: str) -> str:
    """The inverse of agent_token.

    Raises:
        InvalidName: agent_token makes no such token.
    """
    name = token.replace("--", "_")
    if token.startswith(_CODED):
        code = token[len(_CODED) :].upper()
        try:
            name = base64.b32decode(code + "=" * (-len(code) % 8)).decode()
        except ValueError:
            name = ""
    if not name or agent_token(name) != token:
        raise InvalidName(f"{token[:200]!r} is not the token of a participant: {agent_token('my_agent')!r} is that of 'my_agent'")
    return name


def token(name: str) -> str:
    """The token of an owner or a session: itself if it is of `a-z 0-9 _ -`, else base64url without padding, as the protocol's own
    libraries have it.

    Raises:
        InvalidName: it is empty.
    """
    if not name:
        raise InvalidName("an owner or session of the Synadia protocol needs a name: use letters, digits, '_' or '-'")
    return name if _PLAIN.fullmatch(name) else base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")
