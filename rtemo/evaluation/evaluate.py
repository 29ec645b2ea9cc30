"""How good a bundle is on labelled recordings, with every view missing in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rtemo.errors import LabelError
from rtemo.evaluation.metrics import Scores, score
from rtemo.extraction import label_indices
from rtemo.types import FeatureTable, Floats

COMPLETE = "complete"
WITHOUT = "without:"


class Probabilities(Protocol):
    """Class probabilities of windows whose views may be missing."""

    def __call__(self, views: Mapping[str, Floats]) -> Floats:
        """From view -> (windows, features), NaN rows where missing, to (windows, labels)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Scores by condition and by recording.

    Parameters
    ----------
    windows : int
        Labelled windows. A condition counts those in which at least one view is there.
    conditions : mapping of str to Scores
        ``"complete"`` (all views that the recording holds) and ``"without:<view>"``.
    recordings : mapping of str to Scores
        By file, all views.
    """

    windows: int
    conditions: Mapping[str, Scores]
    recordings: Mapping[str, Scores]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "windows": self.windows,
            "conditions": {name: scores.to_dict() for name, scores in self.conditions.items()},
            "recordings": {name: scores.to_dict() for name, scores in self.recordings.items()},
        }


def evaluate(
    table: FeatureTable, views: Mapping[str, Floats], labels: Sequence[str], predict: Probabilities
) -> Evaluation:
    """Score predictions on the labelled windows of a table.

    Parameters
    ----------
    table : FeatureTable
    views : mapping of str to ndarray of float64, shape (windows, features)
        The table's features as the model takes them: standardised, NaN rows where missing.
    labels : sequence of str
    predict : Probabilities

    Returns
    -------
    Evaluation

    Raises
    ------
    LabelError
        No window is labelled.
    """
    truth = label_indices(table, labels)
    labelled = truth >= 0
    if not labelled.any():
        raise LabelError(
            f"{', '.join(table.recordings)}: expected labelled windows of {list(labels)}, found none.",
            cure="Give recordings with markers, or write <recording>_events.tsv beside them.",
        )
    given = {view: values[labelled] for view, values in views.items()}
    truth = truth[labelled]
    conditions, complete = {}, np.empty((0, len(labels)))
    for name in (COMPLETE, *(WITHOUT + view for view in views)):
        left = {v: (np.full_like(x, np.nan) if name == WITHOUT + v else x) for v, x in given.items()}
        probabilities = predict(left)
        conditions[name] = _scored(truth, probabilities, left)
        if name == COMPLETE:
            complete = probabilities
    recording = table.recording[labelled]
    scores = {}
    for i, name in enumerate(_short_names(table.recordings)):
        mine = recording == i
        scores[name] = _scored(truth[mine], complete[mine], {v: x[mine] for v, x in given.items()})
    return Evaluation(int(labelled.sum()), conditions, scores)


def _scored(truth: NDArray[np.int64], probabilities: Floats, views: Mapping[str, Floats]) -> Scores:
    """Scores over the windows in which something was seen."""
    seen = np.zeros(len(truth), dtype=bool)
    for values in views.values():
        seen |= np.isfinite(values).all(axis=1)
    return score(truth[seen], probabilities[seen])


def _short_names(paths: Sequence[str]) -> list[str]:
    """File names, or whole paths where two files have the same name."""
    names = [Path(path).name for path in paths]
    return names if len(set(names)) == len(names) else list(paths)
