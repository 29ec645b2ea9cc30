"""Eight hours of a session in virtual time: what is held and written stays bounded."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_adaptation import DIMS, MEANS, SLICES, labelled, model

from rtemo.adaptation.adapter import RESET, SKIP, UPDATE, Adapter, Observation
from rtemo.config import AdaptationSettings
from rtemo.model.predict import Predictor
from rtemo.outputs.events import Event, EventLog

HOURS = 8
SETTINGS = AdaptationSettings(max_rollbacks=1000)


def held(adapter: Adapter) -> dict[str, int]:
    """What an adapter holds, by number."""
    memories = {"reservoir": adapter._recentrer.memory, "memory": adapter._memory}
    counts = {name: len(memory) for name, memory in memories.items()}
    counts |= {f"{name} cells": len(memory._cells) + len(memory._seen) for name, memory in memories.items()}
    counts["watched"] = len(adapter._guard._said)
    counts["precisions"] = len(adapter._recentrer._precisions)
    counts["snapshots"] = sum(
        len(cell) for saved in (adapter._good, adapter._calibrated) for cell in saved.memory[0].values()
    )
    return counts


def tensors() -> int:
    gc.collect()
    return sum(type(found) is torch.Tensor for found in gc.get_objects())


@pytest.mark.parametrize(
    ("hop_s", "every"),
    [(60.0, 8), pytest.param(1.0, 8, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])],
    ids=["short", "whole"],
)
def test_what_is_held_and_written_is_bounded_over_eight_hours(hop_s: float, every: int, tmp_path: Path) -> None:
    """A session that drifts to and fro, loses views, and has noise now and then."""
    written, kinds, now_s = [0] * HOURS, set(), 0.0
    settings = SETTINGS.model_copy(update={"every": every})
    shadow = Predictor(model(), device="cpu")
    log = EventLog(tmp_path / "events.jsonl")

    def emit(kind: str, details: dict) -> None:
        event = Event(now_s, kind, details)
        log.emit(event)
        kinds.add((kind, min(int(now_s // 3600), HOURS - 1)))
        written[min(int(now_s // 3600), HOURS - 1)] += len(event.as_json()) + 1

    adapter = Adapter(model(), labelled(12, seed=1), labelled(8, seed=2), settings, device="cpu", emit=emit)
    rng = np.random.default_rng(0)
    count = int(HOURS * 3600 / hop_s)
    per_hour, ends, most = count // HOURS, [], {}
    tracemalloc.start()
    try:
        for index in range(count):
            now_s = index * hop_s
            away = 1.0 + np.sin(2 * np.pi * now_s / 2700)
            x = MEANS[int(now_s // 60) % 2] + away + rng.normal(size=5) * (6.0 if index % 100 > 97 else 1.0)
            views = {
                view: None if index % 50 > (40, 45)[place] else x[where]
                for place, (view, where) in enumerate(zip(DIMS, SLICES, strict=True))
            }
            said = adapter.predict(views).probabilities
            usual = shadow.predict(views).probabilities
            adapter.observe(Observation(index, now_s, views, said, usual, np.zeros(2)))
            if adapter.due:
                adapter.update()
            if (index + 1) % per_hour == 0:
                counted = held(adapter)
                most = {name: max(most.get(name, 0), number) for name, number in counted.items()}
            if index + 1 in (per_hour, count):
                found = tensors()
                ends.append((tracemalloc.get_traced_memory()[0], found))
    finally:
        tracemalloc.stop()
        log.close()
    assert not adapter.frozen
    for hour in range(HOURS):
        assert {(UPDATE, hour), (SKIP, hour), (RESET, hour)} <= kinds
    assert most["reservoir"] <= 2 * 3 * 8 + 2  # three trials of eight windows a class
    assert most["memory"] <= 2 * 3 * SETTINGS.memory  # classes, sets of views
    assert most["snapshots"] <= 2 * 3 * SETTINGS.memory
    assert most["reservoir cells"] <= 2 * 2
    assert most["memory cells"] <= 2 * 2 * 3
    assert most["watched"] <= SETTINGS.watched
    assert most["precisions"] <= 3
    assert ends[-1][0] - ends[0][0] < 2**20
    assert ends[-1][1] - ends[0][1] <= 20
    assert sum(written) == (tmp_path / "events.jsonl").stat().st_size
    assert max(written[1:]) < 1.3 * min(written[1:])
    assert max(written) < 2**20 / hop_s
