"""Quality scores of a session, as its table has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtemo.live.agreement import Agreement, judged_live
from rtemo.outputs.table import LiveTable, quality_layout
from rtemo.types import FeatureWindow


def test_the_scores_of_a_session_are_read_by_view(tmp_path: Path) -> None:
    path = tmp_path / "quality.csv"
    assert judged_live(path) == {}
    table = LiveTable(path, quality_layout({"eeg": ("Fp1", "T7:x"), "eye": ("valid",)}))
    scores = {"eeg": np.array([1 / 3, 0.5]), "eye": np.array([np.nan])}
    table.write(FeatureWindow(7, 7.0, 8.0, {}, {}, {}, quality=scores))
    table.close()
    assert judged_live(path) == {7: {"eeg": [str(1 / 3), "0.5"], "eye": ["nan"]}}
    path.write_text("")
    assert judged_live(path) == {}


def test_a_replay_whose_quality_differs_is_not_the_same() -> None:
    assert Agreement(9, 0, 0, (), (), (), 0.0).holds
    assert not Agreement(9, 0, 0, (), (), (), 0.0, quality=(4,)).holds
