"""A second session of a participant: the first bundle's windows beside the new ones, and what that brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.training.crossval import CrossValidation
from calibration.training.statistics import Estimate, balanced_accuracy, count_trials, difference
from rtemo.config import Configuration
from rtemo.errors import ConfigurationError, RecordingError, StreamError
from rtemo.extraction import Extraction, extract, join
from rtemo.model.bundle import Bundle
from rtemo.model.labelled import LabelledWindows, take_windows, thin
from rtemo.model.predict import Predictor
from rtemo.training import check_configuration, check_streams, standardise
from rtemo.types import Floats

REPLAY_SHARE = 2
"""Old windows to a new one at most: the old day is not to drown the new one."""
FEWEST_REPLAYED = 200

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Balanced accuracy on the new trials: of the first bundle as it is, of new windows alone, of both together.

    Parameters
    ----------
    frozen, new_only, together : Estimate
        The last two from cross-validation over the new trials.
    gain_over_frozen, gain_of_replay : Estimate
        Of both together, over the one and the other; intervals by drawing the same trials for both.
    replayed, recordings : int
        Old windows that were shown again, and the recordings that they are of.
    """

    frozen: Estimate
    new_only: Estimate
    together: Estimate
    gain_over_frozen: Estimate
    gain_of_replay: Estimate
    replayed: int
    recordings: int

    @property
    def sentence(self) -> str:
        """What the first bundle brought, in words."""
        return (
            f"The first bundle as it is reaches {_percent(self.frozen)} on the new trials, the new windows alone "
            f"{_percent(self.new_only)}, both together {_percent(self.together)}: {_points(self.gain_over_frozen)} "
            f"over the first bundle, {_points(self.gain_of_replay)} by its {self.replayed} windows."
        )

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        names = ("frozen", "new_only", "together", "gain_over_frozen", "gain_of_replay")
        figures: dict[str, object] = {name: getattr(self, name).to_dict() for name in names}
        return {**figures, "replayed": self.replayed, "recordings": self.recordings}


def disagreement(
    first: Bundle, config: Configuration, extractions: Sequence[Extraction], digests: Sequence[str]
) -> str:
    """Why the windows of a first bundle cannot stand beside new ones; empty where they can.

    Parameters
    ----------
    first : Bundle
    config : Configuration
    extractions : sequence of Extraction
        Of the new recordings.
    digests : sequence of str
        Their SHA-256.
    """
    if first.calibration is None or len(first.calibration) == 0:
        return "it keeps no calibration windows"
    again = [recording.name for recording in first.recordings if recording.sha256 in digests]
    if again:
        # Its windows would tell the models of the very trials that are held out.
        return f"it has learnt from {', '.join(again)} already, and would know the trials that are held out"
    try:
        check_configuration(first, config)
        for extraction in extractions:
            check_streams(first, extraction.bound, extraction.table.recordings[0])
    except (ConfigurationError, StreamError) as error:
        return error.message
    return ""


def replay_of(first: Bundle, new_windows: int) -> LabelledWindows:
    """The windows of a first bundle that are shown again: at most `REPLAY_SHARE` to a new labelled one.

    They stay as they were scaled, by their own day; new windows are scaled by theirs.
    """
    kept = first.calibration
    assert kept is not None
    limit = max(REPLAY_SHARE * new_windows, FEWEST_REPLAYED)
    rows = thin(np.ones(len(kept), dtype=bool), kept.labels, kept.recordings, limit)
    return take_windows(rows, kept.views, kept.labels, kept.trials, kept.recordings)


def frozen_probabilities(
    first: Bundle,
    paths: Sequence[str | Path],
    config: Configuration,
    rows: Ints,
    start_s: Floats,
    *,
    unsynchronised: bool = False,
) -> Floats:
    """What the first bundle says of new windows, as a session with it would: bad channels judged by its references.

    Parameters
    ----------
    first : Bundle
    paths : sequence of path-like
        The new recordings, in order.
    config : Configuration
    rows : ndarray of int64, shape (windows,)
        Of their joined table.
    start_s : ndarray of float64, shape (windows,)
        When these begin.
    unsynchronised : bool

    Returns
    -------
    ndarray of float64, shape (windows, labels)

    Raises
    ------
    RecordingError
        A recording was changed meanwhile.
    """
    again = [extract(path, config, references=first.references, unsynchronised=unsynchronised) for path in paths]
    table = join([extraction.table for extraction in again], {v.name: v.feature_names for v in first.views})
    if not np.array_equal(table.start_s[rows], start_s):
        raise RecordingError(
            f"{', '.join(table.recordings)}: the windows are not those of a moment ago, so a recording was changed "
            "meanwhile.",
            cure="Train again.",
        )
    views = standardise(table, config, first.standardiser)
    return Predictor(first.model, device="cpu").predict_many({v: x[rows] for v, x in views.items()}).probabilities


def compare(
    frozen: Floats, new_only: CrossValidation, together: CrossValidation, replay: LabelledWindows
) -> Comparison:
    """Compare on the windows of a cross-validation.

    Parameters
    ----------
    frozen : ndarray of float64, shape (windows, labels)
    new_only, together : CrossValidation
        Over the same trials and folds.
    replay : LabelledWindows
    """
    seen = together.seen("complete")
    truth, trial = together.truth[seen], together.trial[seen]
    counts = [count_trials(truth, trial, p[seen]) for p in (frozen, new_only.complete, together.complete)]
    old, new, both = (balanced_accuracy(each) for each in counts)
    return Comparison(
        frozen=old,
        new_only=new,
        together=both,
        gain_over_frozen=difference(counts[2], counts[0]),
        gain_of_replay=difference(counts[2], counts[1]),
        replayed=len(replay),
        recordings=len(np.unique(replay.recordings)),
    )


def with_first(bundle: Bundle, first: Bundle) -> Bundle:
    """A bundle whose model learnt from a first bundle's windows too: with these windows, and where they are from."""
    assert first.calibration is not None
    assert bundle.calibration is not None
    new, old = bundle.calibration, first.calibration
    offset = len(bundle.recordings)
    most = max(
        int(windows.trials.max(initial=-1)) for windows in (new, *([bundle.probe] if bundle.probe is not None else []))
    )
    views = {view: np.vstack([x, old.views[view]]) for view, x in new.views.items()}
    labels = np.concatenate([new.labels, old.labels])
    trials = np.concatenate([new.trials, np.where(old.trials >= 0, old.trials + most + 1, -1)])
    recordings = np.concatenate([new.recordings, np.where(old.recordings >= 0, old.recordings + offset, -1)])
    rows = thin(np.ones(len(labels), dtype=bool), labels, recordings)
    return replace(
        bundle,
        recordings=(*bundle.recordings, *first.recordings),
        calibration=take_windows(rows, views, labels, trials, recordings),
    )


def _percent(figure: Estimate) -> str:
    return f"{100 * figure.value:.0f} %"


def _points(gain: Estimate) -> str:
    return f"{100 * gain.value:+.0f} points (95 % interval {100 * gain.low:+.0f} to {100 * gain.high:+.0f})"
