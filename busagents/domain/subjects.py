"""Subject strings: the only module that knows them. Format, parse, and nothing else.

    busagents.log.<participant>.<session>.<thread>.<in|ev|stop>     entries of the log
    busagents.live.<session>.<participant>.<thread>                 live feed: republished `ev` entries and deltas
    busagents.owner.<participant>.<session>.<thread>                request: does a live process own this thread?
    busagents.catchup.<participant>.<session>.<thread>              asks whoever writes there to show its text from the beginning
    busagents.timer.set.<participant>.<session>.<thread>.<timer>    arms a timer (see docs/subjects.md)
    busagents.timer.fired.<participant>.<session>.<thread>          a timer that fired, on its way into the thread's `in`

A token is 1 to 64 characters of `A-Z a-z 0-9 _ -`: NATS itself would accept `*` inside a literal subject.
"""

from __future__ import annotations

import functools
import re
from typing import Literal

import msgspec

from busagents.errors import InvalidName

Kind = Literal["in", "ev", "stop"]

STREAM = "BUSAGENTS"
TIMER_STREAM = "BUSAGENTS_TIMERS"
BLOB_BUCKET = "BUSAGENTS_BLOBS"
LOG_PREFIX = "busagents.log"
LIVE_PREFIX = "busagents.live"
OWNER_PREFIX = "busagents.owner"
CATCH_UP_PREFIX = "busagents.catchup"
TIMER_PREFIX = "busagents.timer"
TIMER_SET_PREFIX = f"{TIMER_PREFIX}.set"
TIMER_FIRED_PREFIX = f"{TIMER_PREFIX}.fired"
MAIN_THREAD = "main"
RESERVED_PARTICIPANT = "busagents"  # owns the genesis entry of a stream

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_token(value: str, what: str) -> str:
    """Return `value` if a subject can hold it.

    Raises:
        InvalidName: naming the value, the rule and a spelling that would do.
    """
    if _TOKEN.fullmatch(value):
        return value
    suggestion = re.sub(r"[^A-Za-z0-9_-]+", "_", value)[:64].strip("_") or "my_agent"
    raise InvalidName(
        f"{what} {value[:80]!r} cannot be part of a subject: use 1 to 64 letters, digits, '_' or '-', for example {suggestion!r}"
    )


class ThreadRef(msgspec.Struct, frozen=True, order=True):
    """One participant's own line in one session: the unit of ownership, of the fence and of the hash chain."""

    participant: str
    session: str
    thread: str = MAIN_THREAD

    def __str__(self) -> str:
        return f"{self.participant}.{self.session}.{self.thread}"

    def checked(self) -> ThreadRef:
        """Return self if every token can be part of a subject, else raise InvalidName."""
        check_token(self.participant, "participant")
        check_token(self.session, "session")
        check_token(self.thread, "thread")
        return self


def log_subject(ref: ThreadRef, kind: Kind) -> str:
    """The literal subject of one kind of entry; for `ev` it is also the fence."""
    return f"{LOG_PREFIX}.{ref.participant}.{ref.session}.{ref.thread}.{kind}"


@functools.lru_cache(maxsize=4096)  # a thread's entries share three subjects, and reading them is a hot path
def parse_log_subject(subject: str) -> tuple[ThreadRef, Kind]:
    """The inverse of log_subject.

    Raises:
        InvalidName: the subject is not one of the log.
    """
    tokens = subject.split(".")
    if len(tokens) == 6 and subject.startswith(LOG_PREFIX + ".") and tokens[5] in ("in", "ev", "stop"):
        return ThreadRef(tokens[2], tokens[3], tokens[4]).checked(), tokens[5]  # type: ignore[return-value]
    raise InvalidName(
        f"subject {subject!r} is not of the log: expected {LOG_PREFIX}.<participant>.<session>.<thread>.<in|ev|stop>"
    )


def thread_filter(ref: ThreadRef) -> str:
    """Matches every entry of one thread."""
    return f"{LOG_PREFIX}.{ref.participant}.{ref.session}.{ref.thread}.>"


def session_filter(session: str) -> str:
    """Matches every entry of all participants of one session."""
    return f"{LOG_PREFIX}.*.{check_token(session, 'session')}.>"


def inbox_filters(participant: str) -> list[str]:
    """What a participant's durable consumer receives: messages to it, and cancels."""
    check_token(participant, "participant")
    return [f"{LOG_PREFIX}.{participant}.*.*.in", f"{LOG_PREFIX}.{participant}.*.*.stop"]


def stop_filter(participant: str) -> str:
    """What every replica also hears at once: cancels, by a core subscription."""
    return f"{LOG_PREFIX}.{check_token(participant, 'participant')}.*.*.stop"


def inbox_consumer(participant: str) -> str:
    """The durable consumer's name."""
    return check_token(participant, "participant")


def live_subject(ref: ThreadRef) -> str:
    """Where a thread's live feed goes."""
    return f"{LIVE_PREFIX}.{ref.session}.{ref.participant}.{ref.thread}"


def parse_live_subject(subject: str) -> ThreadRef:
    """The inverse of live_subject.

    Raises:
        InvalidName: the subject is not one of the live feed.
    """
    tokens = subject.split(".")
    if len(tokens) == 5 and subject.startswith(LIVE_PREFIX + "."):
        return ThreadRef(tokens[3], tokens[2], tokens[4]).checked()
    raise InvalidName(f"subject {subject!r} is not of the live feed: expected {LIVE_PREFIX}.<session>.<participant>.<thread>")


def session_live_filter(session: str) -> str:
    """Matches the live feed of a whole session."""
    return f"{LIVE_PREFIX}.{check_token(session, 'session')}.>"


def owner_subject(ref: ThreadRef) -> str:
    """Asking here is answered only by a live process that holds the thread."""
    return f"{OWNER_PREFIX}.{ref.participant}.{ref.session}.{ref.thread}"


def owner_filter(participant: str) -> str:
    """What each replica of a participant listens to, to answer for the threads it holds."""
    return f"{OWNER_PREFIX}.{check_token(participant, 'participant')}.*.*"


def parse_owner_subject(subject: str) -> ThreadRef:
    """The inverse of owner_subject."""
    tokens = subject.split(".")
    if len(tokens) == 5 and subject.startswith(OWNER_PREFIX + "."):
        return ThreadRef(tokens[2], tokens[3], tokens[4]).checked()
    raise InvalidName(f"subject {subject!r} is no ownership question: expected {OWNER_PREFIX}.<participant>.<session>.<thread>")


def catch_up_subject(ref: ThreadRef) -> str:
    """Publishing here asks for the text that is being written in the thread, from its beginning, on the live feed."""
    return f"{CATCH_UP_PREFIX}.{ref.participant}.{ref.session}.{ref.thread}"


def catch_up_filter(participant: str) -> str:
    """What each replica of a participant listens to, to show what it writes."""
    return f"{CATCH_UP_PREFIX}.{check_token(participant, 'participant')}.*.*"


def parse_catch_up_subject(subject: str) -> ThreadRef:
    """The inverse of catch_up_subject.

    Raises:
        InvalidName: the subject is no such question.
    """
    tokens = subject.split(".")
    if len(tokens) == 5 and subject.startswith(CATCH_UP_PREFIX + "."):
        return ThreadRef(tokens[2], tokens[3], tokens[4]).checked()
    raise InvalidName(f"subject {subject!r} asks for no text: expected {CATCH_UP_PREFIX}.<participant>.<session>.<thread>")


def timer_subject(ref: ThreadRef, timer: str) -> str:
    """Arms or, published again, replaces a timer of a thread."""
    return f"{TIMER_SET_PREFIX}.{ref.participant}.{ref.session}.{ref.thread}.{check_token(timer, 'timer')}"


def timer_target(ref: ThreadRef) -> str:
    """Where a fired timer is published, to be sourced into the thread's `in`."""
    return f"{TIMER_FIRED_PREFIX}.{ref.participant}.{ref.session}.{ref.thread}"
