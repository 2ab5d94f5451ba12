"""The benchmark of the wires runs to its end, and the order of magnitude holds on a busy machine too."""

from __future__ import annotations

from tests.bench import bench_gateway_wire


async def test_the_wires_serve_several_times_what_the_sdks_own_server_does() -> None:
    figures = await bench_gateway_wire.measure(0.3)
    for connections in (1, 16, 64):
        assert figures[f"ratio_send_rps_c{connections}"] > 3
    for connections in (1, 64):
        assert figures[f"ratio_events_per_s_c{connections}"] > 10
