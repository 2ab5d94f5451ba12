"""`busagents up` on the services as they are: every participant is ready, and those that are made of others do their work."""

from __future__ import annotations

from pathlib import Path

from busagents import connect
from busagents.bootstrap.services import discover
from tests.support.running_system import running

FOLDER = Path(__file__).parents[2] / "services"


async def test_all_get_ready_and_the_swarm_and_the_graph_run_across_processes(tmp_path: Path) -> None:
    declared = sorted(item.name for item in discover([str(FOLDER)])[0])
    workspace = tmp_path / "workspace"
    async with running(tmp_path, str(FOLDER), BUSAGENTS_MODEL="offline:instant", BUSAGENTS_WORKSPACE=str(workspace)) as system:
        ready = [row["name"] for row in system.ready["participants"] if row["state"] == "ready"]
        assert sorted(ready) == declared
        async with connect(data_dir=tmp_path / ".busagents") as client:
            report = await client.send("market_research", "Report on the history of AI since 1950")
            helped = await client.send("customer_support", "I need help with my order!")
            assert "history-ai-since-1950.md" in (await report.result(timeout=15)).text
            assert "Where is my order" in (await helped.result(timeout=15)).text
    assert (workspace / "history-ai-since-1950.md").exists()
