"""The facade by which clients of the Synadia Agent Protocol find and prompt our participants."""

from __future__ import annotations

from collections.abc import Sequence

from busagents.domain.participant import Participant, at_least_one, check_participant
from busagents.errors import DefinitionError


class SynadiaFacade:
    """Lists participants as agents of the Synadia Agent Protocol 0.3 (`agents.prompt.<agent>.<owner>.<session>`) and answers for
    them.

    The protocol has no resume: a caller whose stream is cut does not hear the rest. The task goes on, and the log has its answer.

    Args:
        name: its own name, unique among what runs.
        owner: whose agents they are, as its clients see it.
        expose: the participants that are listed, or their names; None: every one that is live.
        sessions: names of sessions that are listed beside `main`.
        max_prompts: how many prompts are answered at once; a further one is refused as 429.
        heartbeat_every: seconds between heartbeats.

    Raises:
        InvalidName, DefinitionError: see Participant; no owner, or an empty session name.
    """

    def __init__(
        self,
        name: str = "synadia",
        *,
        owner: str = "busagents",
        expose: Sequence[Participant | str] | None = None,
        sessions: Sequence[str] = (),
        max_prompts: int = 1024,
        heartbeat_every: int = 30,
        replicas: int = 1,
    ) -> None:
        self.name = check_participant(name)
        self.description = "the door for clients of the Synadia Agent Protocol"
        if not owner or not all(sessions):
            raise DefinitionError(f"{name!r}: an owner and each session need a name: it is part of the agents' subjects")
        self.owner = owner
        named = None if expose is None else [item if isinstance(item, str) else item.name for item in expose]
        self.expose = None if named is None else tuple(check_participant(item) for item in named)
        self.sessions = tuple(sessions)
        self.max_prompts = at_least_one("max_prompts", max_prompts, name)
        self.heartbeat_every = at_least_one("heartbeat_every", heartbeat_every, name)
        self.replicas = at_least_one("replicas", replicas, name)

    def parts(self) -> Sequence[Participant]:
        """None: those it lists are found on the bus."""
        return ()

    def __repr__(self) -> str:
        return f"SynadiaFacade({self.name!r})"
