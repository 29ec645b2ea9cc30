"""From the recordings of a calibration to a bundle, its figures and a verdict."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.journal import JournalError
from calibration.training.crossval import (
    FRACTIONS,
    CrossValidation,
    cross_validate,
    minutes_of,
    planned_steps,
    short,
)
from calibration.training.first import (
    Comparison,
    compare,
    disagreement,
    frozen_probabilities,
    replay_of,
    with_first,
)
from calibration.training.fitting import AS_CONFIGURED, Candidate, candidates, fit, for_few_windows, one_thread
from calibration.training.judging import Judged, judge
from calibration.training.learning import learning_curve
from calibration.training.losses import channel_quality, losses
from calibration.training.progress import Meter, OnProgress
from calibration.training.separation import effects_of_views
from calibration.training.shown import JOURNAL, Shown, shown
from calibration.training.splits import MOST_FOLDS, possible_folds, trial_labels
from calibration.training.trained import Source, TrainedSession
from calibration.training.verdict import verdict
from rtemo.config import Configuration
from rtemo.errors import RecordingError
from rtemo.evaluation.evaluate import COMPLETE
from rtemo.extraction import Extraction, extract, join, label_indices
from rtemo.labels import events_path
from rtemo.model.bundle import Bundle
from rtemo.model.data import TrainingData, whole_trials
from rtemo.model.labelled import LabelledWindows
from rtemo.model.settings import make_settings
from rtemo.model.trained import EpochReport
from rtemo.training import VERSIONS_OF, sha256_of, standardise, train_bundle
from rtemo.types import FeatureTable

RUN = re.compile(r"run-(\d+)\.xdf")
KEPT_FILES = ("config.toml", "protocol.toml", JOURNAL)
NOTHING_KNOWN = "nothing is known of the accuracy"
NO_PROBE = (
    "No trial could be spared as a probe: whether adaptation leads astray, a guarded session can tell by entropy, "
    "drift and the calibration windows alone."
)

Ints = NDArray[np.int64]


def recordings_of(folder: str | Path) -> list[Path]:
    """The recordings of a calibration session that have events, in the order in which they were made.

    Raises
    ------
    RecordingError
        There is none.
    """
    folder = Path(folder)
    found = [(int(match[1]), path) for path in folder.glob("run-*.xdf") if (match := RUN.fullmatch(path.name))]
    with_events = [path for _, path in sorted(found) if events_path(path).is_file()]
    if not with_events:
        raise RecordingError(
            f"{folder}: expected run-1.xdf with run-1_events.tsv, found {len(found)} recordings and no events.",
            cure="Name the folder of a calibration session, or write events with rtemo label.",
        )
    return with_events


def train_session(
    source: str | Path | Sequence[str | Path],
    config: Configuration,
    *,
    first: Bundle | None = None,
    seed: int = 0,
    device: str = "cpu",
    on_progress: OnProgress | None = None,
    unsynchronised: bool = False,
) -> TrainedSession:
    """Cross-validate over whole trials, train the model for use, and judge it.

    Parameters
    ----------
    source : path-like or sequence of path-like
        The folder of a calibration session, or recordings with events or markers.
    config : Configuration
    first : Bundle, optional
        Of an earlier session of the participant: its calibration windows are shown again beside the new ones. Held-out
        figures are of new trials alone. One of other views or channels is left out, with a warning.
    seed : int
        Same seed, same recordings, same machine: same figures.
    device : str
        A model this small gains nothing from a GPU.
    on_progress : callable, optional
        What it raises ends the training.
    unsynchronised : bool
        See `rtemo.sources.open_recording`.

    Raises
    ------
    LabelError
        A label has fewer than two trials.
    RecordingError, StreamError, ConfigurationError, ModelError
        See `rtemo.extraction.extract` and `rtemo.training.train_bundle`.
    """
    began_s = time.monotonic()
    folder = Path(source) if isinstance(source, str | Path) else None
    paths = recordings_of(folder) if folder is not None else [Path(path) for path in source]  # type: ignore[union-attr]
    extractions = [extract(path, config, unsynchronised=unsynchronised) for path in paths]
    table = join([extraction.table for extraction in extractions])
    truth = label_indices(table, config.labels)
    config = for_few_windows(config, int((truth >= 0).sum()))
    warnings = [line for extraction in extractions for line in extraction.warnings]
    told = None if folder is None else _shown(folder, config, warnings)
    replay = None
    if first is not None:
        why = disagreement(first, config, extractions, [sha256_of(path) for path in paths])
        if why:
            warnings.append(f"the first bundle was left out: {why}")
        else:
            replay = replay_of(first, int((truth >= 0).sum()))
    with one_thread():
        trained = _train(config, extractions, table, truth, replay, first, paths, seed, device, on_progress,
                         unsynchronised)  # fmt: skip
    return _told(config, extractions, table, trained, paths, folder, told, seed, warnings,
                 began_s=began_s, unsynchronised=unsynchronised)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Trained:
    bundle: Bundle
    crossval: CrossValidation
    comparison: Comparison | None
    chosen: Candidate
    warnings: tuple[str, ...]


def _train(
    config: Configuration,
    extractions: Sequence[Extraction],
    table: FeatureTable,
    truth: Ints,
    replay: LabelledWindows | None,
    first: Bundle | None,
    paths: Sequence[Path],
    seed: int,
    device: str,
    on_progress: OnProgress | None,
    unsynchronised: bool,
) -> _Trained:
    """Everything that takes steps of training."""
    settings = short(make_settings(config.model.preset, config.model.settings))
    options = candidates(config)
    labels = list(trial_labels(truth, table.trial).values())
    folds = possible_folds(labels, len(config.labels), MOST_FOLDS)
    planned = planned_steps(folds, len(options), len(FRACTIONS), settings.steps) + 2 * settings.steps
    if replay is not None:
        planned += planned_steps(folds, 1, 0, settings.steps) + 2 * settings.steps
    meter = Meter(planned, on_progress)
    found = cross_validate(config, extractions, seed=seed, device=device, meter=meter, options=options, replay=replay)
    chosen = _chosen(found, options)
    settings = settings.model_copy(update=dict(chosen.changes))
    # The model for use comes about as those that were judged did, or the figures would be of another one.
    changes = {**config.model.settings, **chosen.changes, "steps": settings.steps}
    model = config.model.model_copy(update={"settings": changes})
    config = config.model_copy(update={"model": model})
    with _two_goes(meter, settings.steps) as on_epoch:
        training = train_bundle(config, extractions, [], seed=seed, device=device, on_epoch=on_epoch)
    bundle, comparison = training.bundle, None
    if replay is not None and first is not None:
        alone = cross_validate(config, extractions, seed=seed, device=device, meter=meter,
                               options=[Candidate(AS_CONFIGURED)], fractions=())  # fmt: skip
        frozen = frozen_probabilities(first, paths, config, found.rows, found.start_s, unsynchronised=unsynchronised)
        comparison = compare(frozen, alone, found, replay)
        data = TrainingData(standardise(table, config, bundle.standardiser), truth, table.trial, tuple(config.labels))
        probe = bundle.model.probe
        last = fit(data, settings, [Candidate(AS_CONFIGURED)], meter, replay=replay,
                   left_out=whole_trials(data, probe) if probe.any() else None,
                   seed=seed, device=device, doing="the model for use, with older windows")  # fmt: skip
        joined = replace(last.model, settings=settings, held_out=bundle.model.held_out, probe=probe)
        bundle = with_first(replace(bundle, model=joined), first)
    return _Trained(bundle, found, comparison, chosen, training.warnings)


def _told(
    config: Configuration,
    extractions: Sequence[Extraction],
    table: FeatureTable,
    trained: _Trained,
    paths: Sequence[Path],
    folder: Path | None,
    told: Shown | None,
    seed: int,
    warnings: list[str],
    *,
    began_s: float,
    unsynchronised: bool,
) -> TrainedSession:
    """Everything that is counted."""
    found, views = trained.crossval, list(config.views)
    judged = _with_notes(judge(config, table, found), told, trained.bundle)
    word = verdict(judged.figures)
    held_out = {name: each.to_dict() for name, each in judged.scores.items()}
    metrics = {**trained.bundle.metrics, "cross_validation": held_out, "verdict": word.to_dict()}
    if trained.comparison is not None:
        # What train_bundle held out was predicted by a model that did not know the older windows.
        metrics["held_out"] = held_out
    numbers = np.unique(found.trial)
    return TrainedSession(
        bundle=replace(trained.bundle, metrics=metrics),
        verdict=word,
        crossval=found,
        judged=judged,
        curve=learning_curve(
            found.curve,
            found.truth,
            found.trial,
            found.seen(COMPLETE),
            float(minutes_of(table, numbers).sum()),
            seed,
        ),
        effects=effects_of_views(
            {view: table.names[view] for view in views},
            {view: table.features[view][found.rows] for view in views},
            found.truth,
            found.trial,
            found.recording,
        ),
        channels={view.name: view.channel_labels for view in trained.bundle.views},
        quality=channel_quality(table),
        shown=told,
        losses=losses(paths, [e.table for e in extractions], config, unsynchronised=unsynchronised),
        comparison=trained.comparison,
        chosen=trained.chosen,
        sources=tuple(_source(path, extraction) for path, extraction in zip(paths, extractions, strict=True)),
        files=_files(folder),
        versions={"python": platform.python_version(), **{name: version(name) for name in VERSIONS_OF}},
        seed=seed,
        seconds=time.monotonic() - began_s,
        warnings=tuple(dict.fromkeys([*warnings, *_fitting(trained.warnings)])),
    )


def _shown(folder: Path, config: Configuration, warnings: list[str]) -> Shown | None:
    """What the journal says; one that cannot be read costs a table and a warning, not the training."""
    try:
        return shown(folder, config.labels)
    except JournalError as error:
        warnings.append(f"which trials were lost cannot be told: {error.message}")
        return None


def _with_notes(judged: Judged, told: Shown | None, bundle: Bundle) -> Judged:
    """What belongs beside the verdict."""
    notes = ("" if told is None else told.note, NO_PROBE if bundle.probe is None else "")
    return replace(judged, figures=replace(judged.figures, notes=tuple(note for note in notes if note)))


def _fitting(warnings: Sequence[str]) -> list[str]:
    """Warnings of `train_bundle` that hold here: the accuracy is known from cross-validation, the probe has a note."""
    return [line for line in warnings if NOTHING_KNOWN not in line]


def _chosen(found: CrossValidation, options: Sequence[Candidate]) -> Candidate:
    """The settings with the lowest mean loss inside the training sides; as configured where nothing was chosen by."""
    means = {
        option.name: float(np.mean(found.losses[option.name]))
        for option in options
        if len(found.losses.get(option.name, ())) == found.folds
    }
    return next((option for option in options if means and option.name == min(means, key=means.__getitem__)),
                Candidate(AS_CONFIGURED))  # fmt: skip


@contextmanager
def _two_goes(meter: Meter, steps: int) -> Iterator[Callable[[EpochReport], None]]:
    """Progress of `train_bundle`, which trains twice and counts its epochs twice."""
    with meter.go("the model for use", 2 * steps) as tell:
        done = 0

        def on_epoch(report: EpochReport) -> None:
            nonlocal done
            done += report.epoch == 1
            tell(replace(report, epoch=report.epoch + (done - 1) * report.epochs, epochs=2 * report.epochs))

        yield on_epoch


def _source(path: Path, extraction: Extraction) -> Source:
    table, events = extraction.table, events_path(path)
    return Source(
        name=path.name,
        sha256=sha256_of(path),
        events_sha256=sha256_of(events) if events.is_file() else "",
        windows=len(table),
        labelled=int((table.trial >= 0).sum()),
        trials=len(np.unique(table.trial[table.trial >= 0])),
    )


def _files(folder: Path | None) -> dict[str, str]:
    """Digests of what lies in a session's folder beside its recordings."""
    if folder is None:
        return {}
    return {name: sha256_of(folder / name) for name in KEPT_FILES if (folder / name).is_file()}
