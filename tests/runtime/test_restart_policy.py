"""When a crashed process is started again."""

from __future__ import annotations

from busagents.runtime.supervisor.restart_policy import HEALTHY_AFTER, LONGEST_DELAY, LOOP_CRASHES, LOOP_WINDOW, RestartPolicy


def crash(policy: RestartPolicy, *, started: float, lived: float) -> float | None:
    policy.started(started)
    return policy.crashed(started + lived)


def test_the_first_restart_is_immediate_and_the_next_ones_wait_longer_each_time() -> None:
    policy = RestartPolicy()
    delays = [crash(policy, started=at, lived=0.1) for at in (0.0, 20.0, 40.0, 65.0)]
    assert delays == [0.0, 0.2, 0.4, 0.8]


def test_no_delay_is_longer_than_ten_seconds() -> None:
    policy = RestartPolicy()
    delays = [crash(policy, started=at, lived=1.0) for at in range(0, 400, 20)]
    assert delays[-1] == LONGEST_DELAY
    assert None not in delays


def test_a_process_that_lived_long_enough_is_restarted_at_once_again() -> None:
    policy = RestartPolicy()
    crash(policy, started=0.0, lived=1.0)
    assert crash(policy, started=10.0, lived=HEALTHY_AFTER) == 0.0
    assert crash(policy, started=100.0, lived=HEALTHY_AFTER - 0.1) == 0.2


def test_the_fifth_crash_within_a_minute_is_a_crash_loop() -> None:
    policy = RestartPolicy()
    delays = [crash(policy, started=at, lived=0.0) for at in (0.0, 1.0, 2.0, 3.0, LOOP_WINDOW - 0.1)]
    assert len(delays) == LOOP_CRASHES
    assert delays[-1] is None
    assert None not in delays[:-1]


def test_five_crashes_over_more_than_a_minute_are_no_crash_loop() -> None:
    policy = RestartPolicy()
    assert None not in [crash(policy, started=at, lived=0.0) for at in (0.0, 1.0, 2.0, 3.0, LOOP_WINDOW)]
