"""Live sessions over real LSL while sensors fail, judged by the true content of their windows.

The functions are those of ``benchmarks/fault_matrix.py``, which has many more faults.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "fault_matrix.py"
FAULTS = ("kill", "freeze", "reset", "newid", "alike")

pytestmark = [pytest.mark.slow, pytest.mark.lsl, pytest.mark.timeout(900)]


def matrix() -> ModuleType:
    specification = importlib.util.spec_from_file_location("fault_matrix", BENCHMARK)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is found of each fault."""
    return {row.name: row for row in matrix().measure(FAULTS, tmp_path_factory.mktemp("faults"))}


SESSIONS = [fault for fault in FAULTS if fault != "alike"]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_must_hold_under_a_fault_holds(rows, fault):
    assert rows[fault].failures == {}


@pytest.mark.parametrize("fault", SESSIONS)
def test_no_window_with_a_view_hides_a_jump(rows, fault):
    assert rows[fault].windows > 40
    assert rows[fault].hidden_jumps == 0


@pytest.mark.parametrize("fault", SESSIONS)
def test_views_of_one_window_are_of_one_moment(rows, fault):
    assert rows[fault].misaligned_of_limit <= 1


@pytest.mark.parametrize("fault", SESSIONS)
def test_a_view_comes_back_with_right_stamps(rows, fault):
    assert rows[fault].back_after >= 0
    assert rows[fault].stamp_error_ms <= 1


@pytest.mark.parametrize("fault", SESSIONS)
def test_a_replay_gives_what_the_session_gave(rows, fault):
    assert rows[fault].compared > 40
    assert rows[fault].different == 0


def test_a_stream_under_another_source_id_is_taken_within_a_second(rows):
    assert rows["newid"].taken_ms <= 1000


def test_two_outlets_alike_are_refused_and_listed(rows):
    assert rows["alike"].refusal["exit_code"] == 3
    assert rows["alike"].refusal["listed"] == 2


@pytest.mark.parametrize("spoilt", ["jump", "twice", "hole"])
def test_the_judge_sees_samples_that_are_not_consecutive(spoilt):
    import numpy as np

    from rtemo.features.statistics import window_statistics

    numbers = {
        "jump": [*range(100, 160), *range(161, 221)],
        "twice": [*range(100, 160), *range(159, 219)],
        "hole": [*range(100, 101), *range(102, 221)],
    }[spoilt]
    features = window_statistics(np.arange(len(numbers)) / 120, np.array(numbers, dtype=float)[:, None])[0]
    assert not matrix().content(features).consecutive


def test_the_judge_takes_samples_that_are_consecutive():
    import numpy as np

    from rtemo.features.statistics import window_statistics

    numbers = np.arange(100, 220, dtype=float)
    features = window_statistics(numbers / 120, numbers[:, None])[0]
    found = matrix().content(features)
    assert (found.first, found.last, found.consecutive) == (100, 219, True)
