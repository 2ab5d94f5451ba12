"""docs/subjects.md: every subject with its meaning, what the server is asked to create, and how to use it all with `nats`."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from struct_table import docstring, fields_table

from busagents.adapters.jetstream.streams import ConsumerSettings, inbox_settings, log_stream, timer_stream
from busagents.domain import subjects as s
from busagents.runtime.live_feed import LiveMessageBody, Refusal
from busagents.runtime.performer import Delta

PLACES = s.ThreadRef("PARTICIPANT", "SESSION", "THREAD")  # a valid name of each, shown as <participant> and so on

SUBJECTS: tuple[tuple[Callable[[], str], str], ...] = (
    (lambda: s.log_subject(PLACES, "in"), "A message **to** the participant. Anyone may publish here."),
    (
        lambda: s.log_subject(PLACES, "stop"),
        "A cancel. Durable like `in`; every live process of the participant also hears it at once.",
    ),
    (
        lambda: s.log_subject(PLACES, "ev"),
        "A fact **by** the participant. Only the process that owns the thread publishes here, and each time with the position "
        "of the entry before it (`Nats-Expected-Last-Subject-Sequence`): of two owners one is refused.",
    ),
    (lambda: s.live_subject(PLACES), "What happens now, for watchers: each stored `ev` entry, and text as it comes. Not stored."),
    (lambda: s.owner_subject(PLACES), "A request. A live process that works on the thread answers `yes`; nobody else answers."),
    (
        lambda: s.catch_up_subject(PLACES),
        "Asks for the text that is being written in the thread. A process that writes it tells it again from its beginning, on the live feed.",
    ),
    (
        lambda: s.timer_subject(PLACES, "TIMER"),
        "Arms a timer; another message here replaces it. The body is the entry that is stored in the thread's `in` when it fires.",
    ),
    (lambda: s.timer_target(PLACES), "A timer that fired, on its way into the thread's `in`."),
)
FILTERS: tuple[tuple[Callable[[], list[str]], str], ...] = (
    (lambda: [s.thread_filter(PLACES)], "one thread, whole"),
    (lambda: [s.session_filter("SESSION")], "one session: all its participants"),
    (lambda: s.inbox_filters("PARTICIPANT"), "a participant's inbox"),
    (lambda: [s.session_live_filter("SESSION")], "a session as it happens"),
    (lambda: [s.owner_filter("PARTICIPANT")], "the questions a participant's processes answer"),
    (lambda: [s.catch_up_filter("PARTICIPANT")], "whose text is asked for"),
)

INTRO = """\
# Subjects

<!-- written by docs/generate.py from the code; change busagents/domain/subjects.py or docs/subjects_page.py -->

Everything is said on NATS subjects, so every NATS client in every language can take part, and the `nats` tool is enough to
look inside. [events.md](events.md) describes the JSON.

Each `<name>` is 1 to 64 characters of `A-Z a-z 0-9 _ -`. A **participant** is an agent or function; a **session** is the
conversation its participants share; a **thread** is one participant's own line in it (`main`, unless something called for
another). Keep personal data out of all three: subjects are seen by servers and their logs.
"""

USE = """\
## With the `nats` tool

Give an agent named `helper` a task, in a session of your choice. `task` is optional; it is how you refer to it later:

```sh
nats pub busagents.log.helper.s1.main.in '{"type": "task.submitted", "id": "ask-1", "task": "t-1", "data": {"text": "What is 6 times 7?"}}'
```

The session is created by its first message, and the task waits until a process of the participant is up. The `id` makes
the message safe to publish again; see [events.md](events.md#an-example) for what counts without one. Use
`nats req` in place of `nats pub` to see the server confirm with the position at which it was stored.

Cancel it:

```sh
nats pub busagents.log.helper.s1.main.stop '{"type": "task.cancel", "task": "t-1", "data": {"reason": "not needed any more"}}'
```

Watch the session, stored entries and text as it comes:

```sh
nats sub 'busagents.live.s1.>'
```

Read a thread, a session, or the last fact of a thread from the log:

```sh
nats stream view BUSAGENTS --subject 'busagents.log.helper.s1.main.>'
nats stream view BUSAGENTS --subject 'busagents.log.*.s1.>'
nats stream get BUSAGENTS --last-for busagents.log.helper.s1.main.ev
```

See who is up, and how far an inbox is behind:

```sh
nats micro ls
nats consumer info BUSAGENTS helper
```

Do not publish to `….ev` by hand: an entry that does not follow from the one before it breaks the thread's hash chain, and
every process refuses that thread from there on. Permissions are the place to forbid it.
"""

HEADERS = """\
## Headers

| header | on | meaning |
|---|---|---|
| `Nats-Msg-Id` | every entry | its id; the server drops a repeat within the duplicate window |
| `Nats-Expected-Last-Subject-Sequence` | `ev` | the position of the thread's `ev` entry before it; 0 for the first |
| `Nats-Expected-Stream` | every entry | the log's name, so that no other stream takes it by mistake |
| `Busagents-Type` | every entry | the types of its events, comma-separated, for filters and for people |
| `Nats-Schedule` | a timer | when it fires: `@at` and a time in the server's clock, RFC 3339 UTC |
| `Nats-Schedule-Target` | a timer | its thread's `busagents.timer.fired.…` |

Plain clients need none of the first four. What a timer stores has none of them either; its body names its id.
"""


def subjects_page() -> str:
    """The whole page."""
    return "\n".join([INTRO, _subjects(), _filters(), USE, HEADERS, _live(), _stream(), _timers(), _consumer()])


def _named(subject: str) -> str:
    for word in ("PARTICIPANT", "SESSION", "THREAD", "TIMER"):
        subject = subject.replace(word, f"<{word.lower()}>")
    return subject


def _subjects() -> str:
    rows = [f"| `{_named(build())}` | {meaning} |" for build, meaning in SUBJECTS]
    return "\n".join(["## All subjects\n", "| subject | meaning |", "|---|---|", *rows, ""])


def _filters() -> str:
    rows = [f"| {meaning} | {', '.join(f'`{_named(item)}`' for item in build())} |" for build, meaning in FILTERS]
    return "\n".join(["## Filters\n", "| to hear | subscribe or filter by |", "|---|---|", *rows, ""])


def _live() -> str:
    return (
        "## The live feed\n\n"
        "Two kinds of message arrive on a thread's live subject. A stored entry has the header `Nats-Sequence` (its position) and\n"
        "`Nats-Last-Sequence` (the position of the thread's `ev` entry before it, so that a gap shows), and is described in\n"
        "[events.md](events.md). Anything else is a message like this, which nothing depends on:\n\n"
        f"{docstring(LiveMessageBody)}\n\n{fields_table(LiveMessageBody)}\n\n"
        f"**Delta.** {docstring(Delta)}\n\n{fields_table(Delta)}\n\n"
        f"**Refusal.** {docstring(Refusal)}\n\n{fields_table(Refusal)}\n"
    )


def _stream() -> str:
    config = msgspec.json.format(msgspec.json.encode(log_stream(1, -1)), indent=2).decode()
    return (
        f"## The log: stream `{s.STREAM}`\n\n"
        "Created once, with these settings (durations in nanoseconds). `num_replicas` is the deployment's choice, and `max_bytes`\n"
        "is set to four fifths of what the account may store. A stream of this name with settings under which entries could be\n"
        f"lost is refused at the start, each setting named.\n\n```json\n{config}\n```\n\n"
        f"Payloads above 128 KiB are in the object store `{s.BLOB_BUCKET}`, named by their sha256; the event then has `blob` in\n"
        f"place of `data`. The name `{s.RESERVED_PARTICIPANT}` is no participant's: the log's first entry stands under it.\n"
    )


def _timers() -> str:
    rows = [f"| `{name}` | `{msgspec.json.encode(value).decode()}` |" for name, value in timer_stream(1).items()]
    return (
        f"## The timers: stream `{s.TIMER_STREAM}`\n\n"
        "What fires is published here by the server itself, and the log takes it over (`sources` above). `num_replicas` is as\n"
        "the log's. No truth is kept here: a process that takes a thread over sets its timers again.\n\n"
        + "\n".join(["| setting | value |", "|---|---|", *rows, ""])
    )


def _consumer() -> str:
    config = inbox_settings("PARTICIPANT", ConsumerSettings())
    text = _named(msgspec.json.format(msgspec.json.encode(config), indent=2).decode())
    return (
        "## An inbox: one durable consumer\n\n"
        "Each participant has one pull consumer of its own name, which all its processes share. A message is acknowledged only\n"
        "after the events that answer it are stored. `ack_wait` follows `BUSAGENTS_ACK_WAIT`. `num_replicas` 0 means\n"
        f"as many copies as the log has.\n\n```json\n{text}\n```\n"
    )
