"""Services for the tests: a participant that takes its time, and the facade that lists it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from busagents import FunctionTask, agent
from busagents.domain.synadia_facade import SynadiaFacade


@agent("patient", description="Says one word, and the next once the file it was told of is there")
async def patient(task: FunctionTask) -> AsyncIterator[str]:
    yield "first "
    while not Path(task.text).exists():  # noqa: ASYNC110 - the test makes it, from another process
        await asyncio.sleep(0.02)
    yield "second"


door = SynadiaFacade("door", owner="acme", sessions=["support"])
