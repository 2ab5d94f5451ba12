"""Each benchmark runs to its end at a small size and gives every figure. Times are for people, on quiet machines; ratios that a busy
machine leaves alone are checked."""

from __future__ import annotations

from busagents.bootstrap.services import discover
from tests.bench import bench_coordination, bench_gateway, bench_many_sessions, bench_restore, bench_task, bench_up, bench_waiting


async def test_the_task_benchmark_gives_multiples_of_the_floor_and_turns_of_constant_size() -> None:
    figures = await bench_task.run(8, "process")
    assert figures["floor_ms"] > 0
    for kind in ("plain", "tool", "ten_tools"):
        assert abs(figures[f"{kind}_ratio"] - figures[f"{kind}_ms"] / figures["floor_ms"]) < 1
    assert figures["tool_ms"] > figures["plain_ms"]
    assert figures["flat"] > 0
    assert figures["bytes_last_task"] < 1.1 * figures["bytes_first_task"]


async def test_the_benchmark_of_many_sessions_ends_every_task() -> None:
    figures = await bench_many_sessions.run(20, "process")
    assert min(figures[f"tasks_per_s_{sessions}"] for sessions in (20, 100, 200)) > 0
    assert figures["ratio_200_to_20"] > 0


async def test_the_restore_benchmark_opens_the_sessions_it_made_and_an_idle_process_is_small() -> None:
    figures = await bench_restore.run(4, 40, 1)
    assert figures["restore_4_turns_ms"] > 0
    assert figures["restore_40_turns_ms"] > 0
    assert 0 < figures["idle_pss_mb"] <= 60


async def test_the_benchmark_of_what_a_user_waits_for_starts_all_services_and_survives_a_kill() -> None:
    figures = await bench_up.run(1)
    assert figures["services"] == len(discover([str(bench_up.SERVICES)])[0])
    assert 0 < figures["idle_pss_mb"] <= 60
    assert figures["help_ms"] > 0
    assert figures["takeover_s"] < 60  # not the 600 s after which the bus itself would give the task to another


async def test_the_benchmark_of_coordination_runs_teams_chains_and_a_fan_out() -> None:
    figures = await bench_coordination.run(4, "process", chains=(5, 50), children=60)
    assert figures["swarm_ms"] > 0
    assert figures["diamond_ms"] > 0
    assert figures["node_flat"] > 0
    assert figures["children_s"] > 0


async def test_the_benchmark_of_waiting_tasks_answers_those_that_no_process_has_in_memory() -> None:
    figures = await bench_waiting.run(700, first=600)
    assert figures["answer_ms"] > 0
    assert figures["pss_mb_700"] < 60


async def test_the_benchmark_of_the_gateway_asks_both_servers_and_its_memory_stays() -> None:
    figures = await bench_gateway.run(0.3, 200)
    for name in ("send_rps_c1", "send_rps_c16", "send_rps_c64", "streams_per_s_c1", "streams_per_s_c16"):
        assert figures[f"ours_{name}"] > 0
        assert figures[f"sdk_{name}"] > 0
    assert figures["gateway_pss_mb_after_200_tasks"] < figures["gateway_pss_mb"] + 10
