"""Health by data age, in virtual time."""

from __future__ import annotations

import pytest

from rtemo.config import HealthSettings
from rtemo.health import Health, StreamHealth


def judged(health: StreamHealth, *moments_s: float) -> list[Health | None]:
    return [health.judge(now_s) for now_s in moments_s]


def test_a_stream_waits_lives_goes_stale_is_lost_and_comes_back():
    health = StreamHealth(HealthSettings(), 100.0)
    assert judged(health, 0.0, 9.9) == [None, None]
    health.fed(10.0)
    assert judged(health, 10.01, 11.0, 11.01, 15.0, 15.01) == [Health.LIVE, None, Health.STALE, None, Health.LOST]
    health.fed(20.0)
    assert judged(health, 20.0) == [Health.LIVE]


def test_a_slow_stream_is_given_five_periods():
    health = StreamHealth(HealthSettings(), 0.5)
    health.fed(100.0)
    assert judged(health, 105.0, 110.0) == [Health.LIVE, None]
    assert judged(health, 110.1) == [Health.LOST]


def test_old_samples_that_keep_coming_do_not_make_a_stream_alive():
    health = StreamHealth(HealthSettings(), 100.0)
    health.fed(1000.0)
    for second in range(10):
        health.fed(1000.0 + second)
        health.judge(5000.0 + second)
    assert health.state is Health.LOST


def test_a_stamp_ahead_of_the_clock_is_of_no_age():
    health = StreamHealth(HealthSettings(), 100.0)
    health.fed(50.0)
    assert health.age_s(49.0) == 0.0


def test_a_marker_stream_lives_while_it_is_connected():
    health = StreamHealth(HealthSettings(), 0.0)
    assert health.judge(1.0) is None
    health.connected = True
    assert health.judge(1000.0) is Health.LIVE
    health.connected = False
    assert health.judge(1001.0) is Health.LOST


def test_lost_before_stale_is_refused():
    with pytest.raises(ValueError, match="less than stale_s"):
        HealthSettings(stale_s=3.0, lost_s=2.0)
