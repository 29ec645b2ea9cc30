"""From tables of features to a bundle, and whether a bundle fits what it is given."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtemo.config import Configuration, ViewSettings
from rtemo.errors import ConfigurationError, ModelError, RecordingError, StreamError
from rtemo.evaluation.evaluate import evaluate
from rtemo.extraction import Extraction, join, label_indices
from rtemo.features.reference import join_references
from rtemo.features.standardise import Standardiser
from rtemo.model.bundle import Bundle, BundleView, ChannelReference, TrainingRecording
from rtemo.model.data import MIN_PROBE_TRIALS, whole_trials
from rtemo.model.labelled import take_windows, thin
from rtemo.model.predict import Predictor
from rtemo.model.refit import left_out, refit
from rtemo.model.settings import SimvaeSettings, make_settings
from rtemo.model.train import EpochReport, TrainingData, train
from rtemo.types import FeatureTable, Floats, StreamDescription

VERSIONS_OF = ("rtemo", "torch", "numpy", "scipy")
MAY_CHANGE = {"stream", "required", "quality", "max_bad_channels"}
"""Of a view, after training: where it finds its samples, and when it does without some; not what it makes of them."""


@dataclass(frozen=True)
class Training:
    """What a training gave.

    Parameters
    ----------
    bundle : Bundle
    summary : str
        One line for people.
    warnings : tuple of str
    """

    bundle: Bundle
    summary: str
    warnings: tuple[str, ...]


def standardise(table: FeatureTable, config: Configuration, calibration: Standardiser | None) -> dict[str, Floats]:
    """Features as the model takes them; NaN rows where a view is missing.

    Parameters
    ----------
    table : FeatureTable
    config : Configuration
        ``standardise = "recording"`` uses each recording's own windows, labelled or not: transductive.
    calibration : Standardiser or None
        What ``standardise = "calibration"`` uses.

    Returns
    -------
    dict of str to ndarray of float64, shape (windows, features)
        In the order of the configuration's views.
    """
    if config.standardise == "calibration":
        if calibration is None:
            raise ValueError('standardise = "calibration" needs a standardiser')
        return {view: calibration.transform(view, table.features[view]) for view in config.views}
    views = {view: np.full_like(table.features[view], np.nan) for view in config.views}
    for recording in range(len(table.recordings)):
        rows = table.recording == recording
        features = {view: table.features[view][rows] for view in views}
        own = Standardiser.fit(features, {view: table.available[view][rows] for view in views})
        for view, values in views.items():
            values[rows] = own.transform(view, features[view])
    return views


def train_bundle(
    config: Configuration,
    labelled: Sequence[Extraction],
    unlabelled: Sequence[Extraction],
    *,
    seed: int = 0,
    device: str = "auto",
    on_epoch: Callable[[EpochReport], None] | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> Training:
    """Train on recordings, and keep with the model all that a session needs to use it rightly.

    Parameters
    ----------
    config : Configuration
    labelled, unlabelled : sequence of Extraction
        Recordings whose labels were read, and recordings whose labels were not.
    seed, device, on_epoch, checkpoint, resume
        See `rtemo.model.train.train`.

    Returns
    -------
    Training
        The bundle's metrics are those of the first go on all trials that it held out. Its probe is those of them that
        the model never learns from: weights, front end and ``standardise = "calibration"`` know nothing of their
        windows, though they know, without labels, of windows that lie across a trial's edge. What was usual for the
        channels (``references``) is told by whole recordings, as is ``standardise = "recording"``. Where no trial
        could be spared for good the probe is all that the first go held out, and ``metrics["refitted"]`` is true: the
        model has learnt from its labels. With ``refit = false`` it has seen the probe's windows, but not their labels.
        The bundle's calibration windows are the other labelled ones, thinned.

    Raises
    ------
    ModelError
        There is too little to learn from, or a setting of the model is wrong.
    StreamError
        Recordings have different channels.
    """
    settings = make_settings(config.model.preset, config.model.settings)
    extractions = [*labelled, *unlabelled]
    table = join([extraction.table for extraction in extractions])
    for view in config.views:
        if not table.names[view]:
            raise ModelError(
                f"view {view!r} has no stream in any of the {len(extractions)} recordings.",
                cure="Take it out of the configuration, or add a recording that has it.",
            )
    standardiser = _standardiser(table, config, settings, seed) if config.standardise == "calibration" else None
    data = _training_data(table, config, standardiser)
    views, truth = data.views, data.labels
    first = train(data, settings, seed=seed, device=device, on_epoch=on_epoch, checkpoint=checkpoint, resume=resume)
    model = refit(first, data, seed=seed, device=device, on_epoch=on_epoch, checkpoint=checkpoint, resume=resume)
    held = first.held_out
    warnings = []
    metrics: dict[str, object] = {}
    # A model that has learnt from all trials is guarded by those that the first go held out: better than nothing.
    guard = model.probe if model.probe.any() else held
    refitted = bool(held.any() and not model.probe.any())
    if held.any():
        # Figures are those of the go that never trained on these windows.
        predictor = Predictor(first, device="cpu")
        mine = {view: values[held] for view, values in views.items()}
        result = evaluate(
            _rows(table, held), mine, config.labels, lambda given: predictor.predict_many(given).probabilities
        )
        metrics = {"held_out": result.to_dict()["conditions"], "refitted": refitted}
        figures = result.conditions["complete"]
        told = f"held-out trials: accuracy {figures.accuracy:.2f}, balanced {figures.balanced_accuracy:.2f}"
    else:
        told = "no trial held out"
        warnings.append(
            "too few labelled trials to hold any out: nothing is known of the accuracy, and the bundle has no probe"
        )
    if refitted and settings.probe_fraction > 0:
        warnings.append(
            f"no trial was kept from the model for good, which takes {MIN_PROBE_TRIALS} of each label, and every view "
            "in others: it has learnt from the bundle's probe"
        )
    if config.standardise == "recording":
        warnings.append(
            'standardise = "recording": each recording is standardised by its own windows (transductive); '
            "a live session cannot do that"
        )
    there = np.any([np.isfinite(x).all(axis=1) for x in views.values()], axis=0)
    known = there & (truth >= 0) & ~whole_trials(data, guard)
    bundle = Bundle(
        model=model,
        configuration=config,
        views=tuple(_bundle_view(view, table.names[view], extractions) for view in config.views),
        standardiser=standardiser,
        recordings=tuple(_provenance(extraction, i < len(labelled)) for i, extraction in enumerate(extractions)),
        versions={"python": platform.python_version(), **{name: version(name) for name in VERSIONS_OF}},
        metrics=metrics,
        probe=take_windows(guard, views, truth, table.trial, table.recording) if guard.any() else None,
        calibration=take_windows(thin(known, truth, table.recording), views, truth, table.trial, table.recording),
    )
    counts = {label: int((truth == i).sum()) for i, label in enumerate(config.labels)}
    listing = ", ".join(f"{label} {count}" for label, count in counts.items())
    summary = (
        f"trained {len(model.history)} epochs on {len(table)} windows of {len(extractions)} recordings ({listing}, "
        f"unlabelled {int((truth < 0).sum())}); {told}"
    )
    return Training(bundle, summary, tuple(warnings))


def _training_data(table: FeatureTable, config: Configuration, standardiser: Standardiser | None) -> TrainingData:
    return TrainingData(
        views=standardise(table, config, standardiser),
        labels=label_indices(table, config.labels),
        groups=table.trial,
        class_names=tuple(config.labels),
    )


def _standardiser(table: FeatureTable, config: Configuration, settings: SimvaeSettings, seed: int) -> Standardiser:
    """Moments of all windows but those of the probe's trials."""
    features = {view: table.features[view] for view in config.views}
    available = {view: table.available[view] for view in config.views}
    # Which trials these are depends on the views that are there, and not on how they are scaled.
    spared = left_out(_training_data(table, config, Standardiser.fit(features, available)), settings, seed)
    return Standardiser.fit(features, {view: there & ~spared for view, there in available.items()})


def _rows(table: FeatureTable, rows: NDArray[np.bool_]) -> FeatureTable:
    """Some windows of a table."""
    return FeatureTable(
        start_s=table.start_s[rows],
        stop_s=table.stop_s[rows],
        features={view: values[rows] for view, values in table.features.items()},
        available={view: values[rows] for view, values in table.available.items()},
        coverage={view: values[rows] for view, values in table.coverage.items()},
        names=table.names,
        label=table.label[rows],
        trial=table.trial[rows],
        recording=table.recording[rows],
        recordings=table.recordings,
    )


def _bundle_view(view: str, names: tuple[str, ...], extractions: Sequence[Extraction]) -> BundleView:
    """A view as it is in every recording that has it.

    Raises
    ------
    StreamError
        Two recordings have other channels or rates.
    """
    found: BundleView | None = None
    for extraction in extractions:
        stream = extraction.bound[view]
        if stream is None:
            continue
        if found is None:
            labels, rate_hz = stream.channel_labels, stream.nominal_rate_hz
            found = BundleView(name=view, channel_labels=labels, rate_hz=rate_hz, feature_names=names)
        differences = _differences(found, stream)
        if differences:
            raise StreamError(
                f"{extraction.table.recordings[0]}: {'; '.join(differences)}.",
                cure="Train on recordings with the same channels and rates.",
            )
    if found is None:
        raise ValueError(f"view {view!r} has no stream in any recording, which was to be refused before")
    return found.model_copy(update={"reference": _reference(view, extractions)})


def _reference(view: str, extractions: Sequence[Extraction]) -> ChannelReference | None:
    """What was usual for the channels of a view in all recordings that watched them."""
    joined = join_references([e.references[view] for e in extractions if view in e.references])
    if joined is None:
        return None
    mending = None if joined.mending is None else joined.mending.tolist()
    return ChannelReference.model_validate(
        {"windows": joined.windows.tolist(), "mean": joined.mean.tolist(), "mending": mending}
    )


def _differences(view: BundleView, stream: StreamDescription) -> list[str]:
    """Where a stream is not what a model was trained on."""
    differences = []
    if stream.channel_labels != view.channel_labels:
        was, now = ", ".join(view.channel_labels), ", ".join(stream.channel_labels)
        differences.append(f"{view.name}: trained on the channels {was}, found {now}")
    # Recorders write measured or rounded rates: 59.999996 Hz is 60 Hz.
    if not np.isclose(stream.nominal_rate_hz, view.rate_hz, rtol=1e-3, atol=0):
        differences.append(f"{view.name}: trained at {view.rate_hz:g} Hz, found {stream.nominal_rate_hz:g} Hz")
    return differences


def sha256_of(path: str | Path) -> str:
    """Digest of a file.

    Raises
    ------
    RecordingError
        It cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror}).", cure="Check the path.") from error


def _provenance(extraction: Extraction, labelled: bool) -> TrainingRecording:
    path = Path(extraction.table.recordings[0])
    return TrainingRecording(
        name=path.name,
        sha256=sha256_of(path),
        labelled=labelled,
        windows=len(extraction.table),
        labelled_windows=int((extraction.table.trial >= 0).sum()),
    )


def check_configuration(bundle: Bundle, config: Configuration) -> None:
    """Refuse a configuration under which windows or features would differ from those that the bundle was trained on.

    Where a view finds its stream may differ; what it makes of it may not.

    Raises
    ------
    ConfigurationError
        With a list of the differences.
    """
    trained = bundle.configuration
    pairs: dict[str, tuple[object, object]] = {
        "labels": (trained.labels, config.labels),
        "views": (list(trained.views), list(config.views)),
        "window.length_s": (trained.window.length_s, config.window.length_s),
        "window.hop_s": (trained.window.hop, config.window.hop),
        "standardise": (trained.standardise, config.standardise),
    }
    for view in [view for view in trained.views if view in config.views]:
        for key in sorted(ViewSettings.model_fields.keys() - MAY_CHANGE):
            pairs[f"views.{view}.{key}"] = (getattr(trained.views[view], key), getattr(config.views[view], key))
    differences = [f"{key}: trained with {was}, configured {now}" for key, (was, now) in pairs.items() if was != now]
    if differences:
        raise ConfigurationError(
            f"the configuration is not that of the bundle: {'; '.join(differences)}.",
            cure="Use the configuration that it was trained with, or train again.",
        )


def check_streams(bundle: Bundle, bound: Mapping[str, StreamDescription | None], where: str) -> None:
    """Refuse streams that differ from those that the bundle was trained on; one that is not there is a missing view.

    Raises
    ------
    StreamError
        With a list of the differences.
    """
    differences = []
    for view in bundle.views:
        stream = bound.get(view.name)
        if stream is not None:
            differences += _differences(view, stream)
    if differences:
        raise StreamError(
            f"{where}: the streams are not those of the bundle: {'; '.join(differences)}.",
            cure="Choose the channels in the configuration, or train on recordings like this one.",
        )
