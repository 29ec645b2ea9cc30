"""The learning rate."""

from __future__ import annotations

import pytest

from rtemo.model.schedule import COLD, cooling


def test_the_rate_cools_down_in_a_line() -> None:
    assert [cooling(done, 0.3) for done in (0.0, 0.5, 0.7)] == [1.0, 1.0, 1.0]
    assert cooling(0.85, 0.3) == pytest.approx(0.5)
    assert cooling(0.999, 0.3) == COLD
    assert cooling(0.999, 0.0) == 1.0
