"""The status pipe between a child and its supervisor: order, no loss, no blocking."""

from __future__ import annotations

import asyncio
import os

from busagents.runtime.status import StatusWriter
from busagents.runtime.supervisor.process import ChildProcess


def child() -> tuple[ChildProcess, int, int]:
    """A child as the supervisor sees it, and the writing ends of its pipes: output, status."""
    output_read, output_write = os.pipe()
    status_read, status_write = os.pipe()
    return ChildProcess("toy", output_fd=output_read, status_fd=status_read, on_line=lambda _: None), output_write, status_write


def close(process: ChildProcess, *fds: int) -> None:
    for fd in fds:
        os.close(fd)
    process.end(0)


async def test_what_is_held_is_what_was_not_released() -> None:
    process, output, status = child()
    writer = StatusWriter(status)
    writer.ready()
    for number in range(3):
        writer.hold(f"token{number}", session=f"s{number}", thread="main", task="t")
    writer.release("token1")
    writer.flush()
    await process.ready.wait()
    assert [(hold.hold, hold.session) for hold in process.working_on()] == [("token0", "s0"), ("token2", "s2")]
    close(process, output, status)


async def test_more_lines_than_the_pipe_holds_arrive_whole_and_in_order_without_blocking_the_child() -> None:
    process, output, status = child()
    writer = StatusWriter(status)
    for number in range(20_000):  # about 2 MB, eight times the pipe, while the supervisor does not read
        writer.hold(f"token{number}", session="s", thread="main", task="t")
    while len(process.working_on()) < 20_000:
        writer.flush()
        await asyncio.sleep(0)
    assert [hold.hold for hold in process.working_on()] == [f"token{number}" for number in range(20_000)]
    close(process, output, status)


async def test_a_release_is_written_soon_also_when_nothing_follows() -> None:
    process, output, status = child()
    writer = StatusWriter(status)
    writer.hold("token", session="s", thread="main", task="t")
    assert len(process.working_on()) == 1
    writer.release("token")
    while process.working_on():  # noqa: ASYNC110 - working_on() is asked for
        await asyncio.sleep(0.01)
    close(process, output, status)


async def test_what_a_dead_child_still_held_is_known_after_its_end() -> None:
    process, output, status = child()
    StatusWriter(status).hold("token", session="s", thread="main", task="t")
    close(process, output, status)
    assert [hold.hold for hold in process.working_on()] == ["token"]


async def test_a_failure_says_why_and_ends_the_wait_for_readiness() -> None:
    process, output, status = child()
    StatusWriter(status).failed("no key")
    await process.ready.wait()
    assert process.failed == "no key"
    close(process, output, status)


async def test_an_unreadable_status_line_is_shown_and_the_next_one_counts() -> None:
    process, output, status = child()
    os.write(status, b'{"hold": 12\n{"ready":true}\n')
    await process.ready.wait()
    assert process.tail[0].startswith("unreadable status line")
    close(process, output, status)


def test_without_a_supervisor_nothing_is_written() -> None:
    writer = StatusWriter(None)
    writer.ready()
    writer.hold("token", session="s", thread="main", task="t")
    writer.release("token")
    writer.flush()


def test_a_dead_supervisor_does_not_raise_in_the_child() -> None:
    read, write = os.pipe()
    os.close(read)
    StatusWriter(write).ready()
    os.close(write)
