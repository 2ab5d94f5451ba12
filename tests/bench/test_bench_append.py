"""The append benchmark runs and gives figures that can be compared."""

from __future__ import annotations

from bench_append import measure, run

from busagents.runtime.supervisor.nats_server import NatsServer


async def test_the_append_benchmark_measures_both_sides_on_one_server(nats_server: NatsServer) -> None:
    floor, append = await measure(nats_server.url, 10)
    assert floor > 0
    assert append > 0


async def test_the_append_benchmark_starts_a_server_of_its_own_and_reports_the_ratio() -> None:
    figures = await run(10, "process")
    assert set(figures) == {"floor_us", "append_us", "ratio", "n", "durability"}
    assert abs(figures["ratio"] - figures["append_us"] / figures["floor_us"]) < 0.01
