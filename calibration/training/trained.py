"""What a calibration's training gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from calibration.training.crossval import CrossValidation
from calibration.training.first import Comparison
from calibration.training.fitting import Candidate
from calibration.training.judging import Judged
from calibration.training.learning import LearningCurve
from calibration.training.losses import ChannelQuality, ViewLosses
from calibration.training.separation import Effects
from calibration.training.shown import Shown
from calibration.training.statistics import plain
from calibration.training.verdict import Verdict
from rtemo.model.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Source:
    """A recording that was learnt from.

    Parameters
    ----------
    name, sha256 : str
    events_sha256 : str
        Of the events file beside it; empty where its markers gave the labels.
    windows, labelled, trials : int
    """

    name: str
    sha256: str
    events_sha256: str
    windows: int
    labelled: int
    trials: int


@dataclass(frozen=True, slots=True, eq=False)
class TrainedSession:
    """A bundle and all that is known of it.

    Parameters
    ----------
    bundle : Bundle
    verdict : Verdict
    crossval : CrossValidation
    judged : Judged
    curve : LearningCurve
    effects : mapping of str to Effects
        By view.
    channels : mapping of str to tuple of str
        Labels of the channels of each view.
    quality : mapping of str to tuple of ChannelQuality
    shown : Shown or None
        What the session's journal says of its trials; None without a journal.
    losses : mapping of str to ViewLosses
    comparison : Comparison or None
        With a first bundle.
    chosen : Candidate
        Settings of the model for use.
    sources : tuple of Source
    files : mapping of str to str
        SHA-256 of further files of the session, by name.
    versions : mapping of str to str
    seed : int
    seconds : float
    warnings : tuple of str
    """

    bundle: Bundle
    verdict: Verdict
    crossval: CrossValidation
    judged: Judged
    curve: LearningCurve
    effects: Mapping[str, Effects]
    channels: Mapping[str, tuple[str, ...]]
    quality: Mapping[str, tuple[ChannelQuality, ...]]
    shown: Shown | None
    losses: Mapping[str, ViewLosses]
    comparison: Comparison | None
    chosen: Candidate
    sources: tuple[Source, ...]
    files: Mapping[str, str]
    versions: Mapping[str, str]
    seed: int
    seconds: float
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON: ``result.json``."""
        judged, figures = self.judged, self.judged.figures
        return {
            **self.verdict.to_dict(),
            "labels": list(self.crossval.labels),
            "trials": dict(figures.trials),
            "chance": figures.chance,
            "balanced_accuracy": figures.balanced_accuracy.to_dict(),
            "accuracy": judged.accuracy.to_dict(),
            "accuracy_by_chance": plain(judged.accuracy_by_chance),
            "trials_right": judged.trials_right.to_dict(),
            "trials_right_by_chance": plain(judged.trials_by_chance),
            "p_shuffled": figures.p_shuffled,
            "p_trials": figures.p_trials,
            "recall": {label: found.to_dict() for label, found in judged.recall.items()},
            "ece": plain(figures.calibration_error),
            "seen": figures.seen,
            "complete": figures.complete,
            "confounded": figures.confounded,
            "notes": list(figures.notes),
            "lost_trials": None if self.shown is None else [trial.to_dict() for trial in self.shown.lost],
            "conditions": {name: scores.to_dict() for name, scores in judged.scores.items()},
            "learning_curve": self.curve.to_dict(),
            "first_bundle": None if self.comparison is None else self.comparison.to_dict(),
            "settings": {"chosen": self.chosen.name, "by_fold": list(self.crossval.chosen)},
            "folds": self.crossval.folds,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "recordings": [{"name": s.name, "sha256": s.sha256, "trials": s.trials} for s in self.sources],
            "versions": dict(self.versions),
            "warnings": list(self.warnings),
        }
