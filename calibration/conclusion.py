"""What comes after the trials: a model, a verdict, a report, and a look at whether the bundle really works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.folder import BUNDLE, REPORT, RESULT, CalibrationFolder
from calibration.machine import Stage
from calibration.run_labels import write_missing_labels
from calibration.training.progress import OnProgress
from calibration.training.report import write_report, write_result
from calibration.training.session import recordings_of, train_session
from calibration.training.trained import TrainedSession
from rtemo.errors import ModelError
from rtemo.model.bundle import load_bundle, save_bundle
from rtemo.replay import Replay

MOST_WINDOWS = 500


@dataclass(frozen=True, slots=True)
class Verification:
    """What a replay with the bundle gave, as read back from the disk.

    Parameters
    ----------
    windows : int
        That were predicted.
    seen : int
        In which a view was there.
    """

    windows: int
    seen: int


def train(
    session: CalibrationFolder,
    *,
    device: str,
    on_progress: OnProgress | None = None,
    on_recording: Callable[[Path], None] = lambda path: None,
    warn: Callable[[str], None] = lambda line: None,
) -> TrainedSession:
    """Train on every run, and write bundle, report and result; those that are there are kept under another number.

    Parameters
    ----------
    session : CalibrationFolder
    device : str
    on_progress : callable, optional
        See `train_session`.
    on_recording, warn : callable
        See `write_missing_labels`.

    Raises
    ------
    RecordingError, LabelError, ModelError
        There is too little to learn from.
    """
    logbook = session.logbook
    logbook.close_interrupted()
    if logbook.progress.stage in (Stage.BASELINE, Stage.TRIALS):
        # The run did not come to its end: that is what training right after the trials would say.
        logbook.write("stage", stage=Stage.CHECK.value)
    if logbook.progress.stage is not Stage.TRAIN:
        logbook.write("stage", stage=Stage.TRAIN.value)
    write_missing_labels(session, on_recording, warn)
    first = None if session.first is None else load_bundle(session.first)
    trained = train_session(
        session.path, session.config, first=first, seed=session.seed, device=device, on_progress=on_progress
    )
    _keep_before(session.path)
    save_bundle(session.path / BUNDLE, trained.bundle)
    write_report(session.path / REPORT, trained, title=f"Calibration {session.session}")
    write_result(session.path / RESULT, trained)
    trials = sum(source.trials for source in trained.sources)
    logbook.write(
        "trained",
        verdict=trained.verdict.word,
        seconds=trained.seconds,
        trials=trials,
        first_bundle=None if session.first is None else str(session.first),
    )
    return trained


def _keep_before(folder: Path) -> None:
    """Keep bundle, report and result of the training before, as ``bundle-1``, ``report-1.html``, ``result-1.json``."""
    there = [path for name in (BUNDLE, REPORT, RESULT) if (path := folder / name).exists()]
    number = 1
    while any(_numbered(folder / name, number).exists() for name in (BUNDLE, REPORT, RESULT)):
        number += 1
    for path in there:
        path.rename(_numbered(path, number))


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def verify(session: CalibrationFolder, *, device: str) -> Verification:
    """Read the bundle back and replay the last run with it.

    Raises
    ------
    ModelError
        It predicts nothing, or what is no probability.
    """
    logbook = session.logbook
    if logbook.progress.stage is not Stage.VERIFY:
        logbook.write("stage", stage=Stage.VERIFY.value)
    bundle = load_bundle(session.path / BUNDLE)
    recording = recordings_of(session.path)[-1]
    still = session.config.adaptation.model_copy(update={"mode": "off"})
    config = session.config.model_copy(update={"adaptation": still})
    replay = Replay(recording, config, bundle, device=device)
    windows = seen = 0
    for window, prediction in replay.run():
        total = float(prediction.probabilities.sum())
        if not np.isfinite(prediction.probabilities).all() or abs(total - 1.0) > 1e-6:
            raise ModelError(
                f"{session.path / BUNDLE}: window {window.index} of {recording.name}: {prediction.probabilities} are "
                "no probabilities.",
                cure="Train again: rtemo calibrate --retrain; if it stays so, report it.",
            )
        windows, seen = windows + 1, seen + bool(prediction.available.any())
        if windows == MOST_WINDOWS:
            break
    if not seen:
        raise ModelError(
            f"{session.path / BUNDLE}: no window of {recording.name} had a view that the model could use.",
            cure="See the report for what was missing.",
        )
    logbook.write("verified", windows=windows, seen=seen)
    logbook.write("stage", stage=Stage.DONE.value)
    return Verification(windows, seen)
