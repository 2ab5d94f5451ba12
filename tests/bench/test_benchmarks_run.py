"""Each benchmark runs to its end at a small size and gives every figure. Times are for people, on quiet machines; ratios that a busy
machine leaves alone are checked."""

from __future__ import annotations

from tests.bench import bench_many_sessions, bench_restore, bench_task, bench_up


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
    assert figures["services"] == len(list(bench_up.SERVICES.glob("[!_]*.py")))
    assert 0 < figures["idle_pss_mb"] <= 60
    assert figures["help_ms"] > 0
    assert figures["takeover_s"] < 60  # not the 600 s after which the bus itself would give the task to another
