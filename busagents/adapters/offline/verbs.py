"""Verbs that mean the same act. A tool named for an act is called only when the prompt asks for that act."""

from __future__ import annotations

from collections.abc import Iterable

from busagents.adapters.offline.words import alike

ACTS: tuple[frozenset[str], ...] = tuple(
    frozenset(line.split())
    for line in (
        "create open make new raise submit register",
        "close resolve finish",
        "delete remove erase forget drop",
        "update change edit modify",
        "send email mail notify publish",
        "cancel abort",
        "write save store export record remember keep",
        "read show display print load view cat summarize summarise contents",
        "list show all",
        "book reserve buy",
        "pay refund charge transfer",
        "start launch begin",
        "stop halt end",
        "handoff transfer delegate escalate",
    )
)
NOUNS: tuple[frozenset[str], ...] = tuple(
    frozenset(line.split())
    for line in (
        "time clock today tonight tomorrow now date weekday weekend season hour",
        "weather forecast rain sunny temperature",
        "note notes remember reminder memo forget",
        "add plus sum total",
        "subtract minus difference",
        "multiply times product",
        "divide quotient",
        "stay hotel hotels sleep accommodation lodging",
        "trip trips travel journey holiday vacation",
        "startup startups company companies",
    )
)


def acts_of(name: Iterable[str]) -> list[frozenset[str]]:
    """The groups that the words of a tool's name belong to."""
    tokens = set(name)
    return [group for group in ACTS if group & tokens]


def asks_for(groups: Iterable[frozenset[str]], present: Iterable[str]) -> bool:
    """True if for every group one of its verbs is present."""
    there = list(present)
    return all(any(alike(verb, word) for verb in group for word in there) for group in groups)


def same_act(one: str, other: str) -> bool:
    """True if both words stand for one act or thing."""
    return alike(one, other) or any(one in group and other in group for group in (*ACTS, *NOUNS))
