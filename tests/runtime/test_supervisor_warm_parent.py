"""Forking children from the warm parent: what they print, how they end, and that none is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from support.running_system import PATIENCE, alive, gone

from busagents.errors import BusAgentsError
from busagents.runtime.supervisor.warm_parent import WarmParent

TARGETS = "supervisor_targets"


@pytest_asyncio.fixture
async def warm(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WarmParent]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    parent = WarmParent(["busagents.runtime.status"])
    await parent.start()
    yield parent
    await parent.close()


async def test_a_child_prints_through_the_supervisor_and_its_exit_status_is_known(warm: WarmParent) -> None:
    lines: list[str] = []
    child = await warm.spawn("toy", f"{TARGETS}:report", {"word": "hello", "status": 7}, on_line=lines.append)
    assert await child.exited == 7
    assert child.ready.is_set()
    assert lines == ["to stdout: hello", "to stderr"]


async def test_a_defect_in_a_child_ends_that_child_only_with_its_traceback_shown(warm: WarmParent) -> None:
    waiting = await warm.spawn("other", f"{TARGETS}:wait", {}, on_line=lambda _: None)
    child = await warm.spawn("toy", f"{TARGETS}:crash", {}, on_line=lambda _: None)
    assert await child.exited == 1
    assert child.tail[-1] == "ValueError: a defect"
    assert not waiting.exited.done()


async def test_a_child_has_the_name_of_its_participant(warm: WarmParent) -> None:
    child = await warm.spawn("research_analyst", f"{TARGETS}:wait", {}, on_line=lambda _: None)
    await child.ready.wait()
    assert Path(f"/proc/{child.pid}/comm").read_text().strip() == "research_analys"  # the kernel keeps 15 bytes


async def test_signals_reach_a_child_and_its_end_says_which(warm: WarmParent) -> None:
    child = await warm.spawn("toy", f"{TARGETS}:wait", {}, on_line=lambda _: None)
    await child.ready.wait()
    await warm.signal(child, signal.SIGTERM)
    assert await child.exited == -signal.SIGTERM


async def test_what_a_child_had_started_ends_with_it(warm: WarmParent) -> None:
    child = await warm.spawn("toy", f"{TARGETS}:parent_of_one", {}, on_line=lambda _: None)
    await child.ready.wait()
    while not child.tail:  # noqa: ASYNC110 - the two pipes are read independently
        await asyncio.sleep(0.01)
    grandchild = int(child.tail[0])
    await warm.signal(child, signal.SIGKILL)
    await child.exited
    await gone([grandchild])


async def test_many_children_start_and_end(warm: WarmParent) -> None:
    children = await asyncio.gather(
        *(warm.spawn(f"toy{n}", f"{TARGETS}:report", {"word": str(n)}, on_line=lambda _: None) for n in range(40))
    )
    assert len({child.pid for child in children}) == 40
    assert await asyncio.gather(*(child.exited for child in children)) == [0] * 40


async def test_a_killed_warm_parent_takes_its_children_along_and_is_replaced_by_the_next_spawn(warm: WarmParent) -> None:
    child = await warm.spawn("toy", f"{TARGETS}:wait", {}, on_line=lambda _: None)
    await child.ready.wait()
    first = warm.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE):
        assert await child.exited == -signal.SIGKILL
    await gone([child.pid])
    again = await warm.spawn("toy", f"{TARGETS}:wait", {}, on_line=lambda _: None)
    await again.ready.wait()
    assert warm.pid not in (first, None)


async def test_closing_ends_every_child(warm: WarmParent) -> None:
    child = await warm.spawn("toy", f"{TARGETS}:wait", {}, on_line=lambda _: None)
    await child.ready.wait()
    await warm.close()
    await gone([child.pid])
    with pytest.raises(BusAgentsError, match="stopping"):
        await warm.spawn("late", f"{TARGETS}:wait", {}, on_line=lambda _: None)
    assert not alive(child.pid)


async def test_a_module_that_cannot_be_preloaded_is_an_error_at_the_start() -> None:
    parent = WarmParent(["no_such_module_anywhere"])
    with pytest.raises(BusAgentsError, match="output above"):
        await parent.start()
