"""Remembers which log this system uses, so that a lost store is reported instead of replaced by an empty one."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from busagents.adapters.jetstream.identity import StreamIdentity
from busagents.errors import ConfigError

_FILE = "identity.json"
OWN_SERVER = "own"


def known_stream(data_dir: Path, server: str) -> StreamIdentity | None:
    """The identity of the log last used on `server` (its URL, or OWN_SERVER), None if none is known.

    Raises:
        ConfigError: identity.json cannot be read; treating it as absent could hide a lost log.
    """
    return _read(data_dir).get(_key(server))


def remember_stream(data_dir: Path, server: str, identity: StreamIdentity) -> None:
    """Record the identity, whole or not at all."""
    known = _read(data_dir)
    if known.get(_key(server)) == identity:
        return
    new = data_dir / f"{_FILE}.new"
    new.write_bytes(msgspec.json.encode({**known, _key(server): identity}))
    new.replace(data_dir / _FILE)


def _key(server: str) -> str:
    """A cluster is the same in whatever order its addresses are named; credentials do not belong into the file."""
    return ",".join(sorted(re.sub(r"//[^@/]*@", "//", url.strip()) for url in server.split(",")))


def _read(data_dir: Path) -> dict[str, StreamIdentity]:
    path = data_dir / _FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, StreamIdentity])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({error}): restore it, or remove it to accept the log as it is now") from None
