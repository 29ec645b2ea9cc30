"""Streams for benchmarks of adaptation during a session: a calibration set, and streams that drift or mislead.

Two sources. ``noneeg``: ten-second windows of PhysioNet's "Non-EEG Dataset for Assessment of Neurological Status"
(found through RTEMO_DATA), each recording standardised by its own windows, so that nothing drifts but what is made to;
ten subjects calibrate, the streams are runs of consecutive windows of the other four. ``simulator``: one-second windows
of a simulated participant, three sessions calibrate, three others give the streams.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtemo.config import Configuration, load_configuration
from rtemo.demonstration import LABELS, configuration
from rtemo.extraction import bind, extract, join, label_indices, windows_of
from rtemo.features.standardise import CLAMP, Standardiser
from rtemo.labels import label_windows, segments_from_markers
from rtemo.sources.simulate import SimulatedSource, SimulationSettings
from rtemo.types import Marker

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("noneeg", "simulator")
LENGTH = 450
SUBJECTS, CALIBRATE = 14, 10
SESSIONS = (24, 24, 24, 36, 36, 36)
"""Trials of each simulated session; the first three calibrate."""
EFFECT = 0.45
"""Of the simulator: the frozen model is right in about four windows of five."""
SORTED = {"noneeg": (24, 5), "simulator": (240, 1)}
"""Windows that make four minutes, and how often the classes come in turn."""


@dataclass(frozen=True)
class Calibration:
    """Labelled windows to train on.

    Parameters
    ----------
    views : dict of str to ndarray of float64, shape (N, D_v)
        Standardised; NaN rows where a view is missing.
    labels, trials, recordings : ndarray of int64, shape (N,)
        Every window has a label; trials are numbered through all recordings.
    class_names : tuple of str
    """

    views: dict[str, Floats]
    labels: Ints
    trials: Ints
    recordings: Ints
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class Stream:
    """Windows in time order.

    Parameters
    ----------
    kind : str
    views : dict of str to ndarray of float64, shape (T, D_v)
        Standardised as calibration is; NaN rows where a view is missing.
    labels : ndarray of int64, shape (T,)
    """

    kind: str
    views: dict[str, Floats]
    labels: Ints


@dataclass(frozen=True)
class Material:
    """What one seed of one source gives.

    Parameters
    ----------
    calibration : Calibration
    shuffled : Calibration
        The same with labels shuffled by whole trial: what the model of ``shuffled calibration`` learns from.
    streams : dict of str to Stream
        By kind, in the order of `KINDS`.
    """

    calibration: Calibration
    shuffled: Calibration
    streams: dict[str, Stream]


@dataclass(frozen=True)
class _Table:
    """Labelled windows, in the order of time within a trial; fields as in `Calibration`."""

    views: dict[str, Floats]
    labels: Ints
    trials: Ints
    recordings: Ints

    def rows(self, rows: NDArray[np.bool_] | Ints) -> _Table:
        views = {view: x[rows] for view, x in self.views.items()}
        return _Table(views, self.labels[rows], self.trials[rows], self.recordings[rows])


def build(source: str, seed: int, cache: Path | None = None) -> Material:
    """Calibration and streams; the same for the same source and seed.

    Parameters
    ----------
    source : {"noneeg", "simulator"}
    seed : int
    cache : Path, optional
        Folder in which features are kept between calls: extracting them takes ten seconds.
    """
    if source == "noneeg":
        names = tuple(_noneeg_configuration().labels)
        table = _cached(cache, "noneeg", _noneeg)
        chosen = np.random.default_rng([seed, 1]).permutation(SUBJECTS)[:CALIBRATE]
    elif source == "simulator":
        names, chosen = LABELS, np.arange(3)
        table = _cached(cache, f"simulator_{seed}_{EFFECT}", lambda: _simulated(seed))
    else:
        raise ValueError(f"source {source!r}: expected one of {', '.join(SOURCES)}")
    calibrates = np.isin(table.recordings, chosen)
    pooled = _standardised(table, calibrates)
    # Each recording standardises itself: no feature's mean drifts between subjects but by what is added here.
    flat = _each_by_itself(table) if source == "noneeg" else pooled
    inside, outside = flat.rows(calibrates), flat.rows(~calibrates & _complete(flat))
    calibration = Calibration(inside.views, inside.labels, inside.trials, inside.recordings, names)
    subject = np.random.default_rng([seed, 2]).choice(np.setdiff1d(table.recordings, chosen))
    offset = _direction(pooled, pooled.recordings == subject, calibrates)
    if source == "simulator":
        # Sessions differ by chance alone, most where features are few: one size for all views.
        offset = {view: x / np.sqrt(np.mean(x**2)) for view, x in offset.items()}
    streams = {}
    for number, (kind, make) in enumerate(KINDS.items()):
        streams[kind] = make(_Studio(kind, source, outside, offset, np.random.default_rng([seed, 3, number])))
    return Material(calibration, _shuffled(calibration, seed), streams)


def _shuffled(calibration: Calibration, seed: int) -> Calibration:
    """Labels dealt anew to whole trials."""
    trials, first, inverse = np.unique(calibration.trials, return_index=True, return_inverse=True)
    dealt = np.random.default_rng([seed, 4]).permutation(calibration.labels[first])
    assert len(dealt) == len(trials)
    return replace(calibration, labels=dealt[inverse])


class _Studio:
    """Makes one stream.

    Parameters
    ----------
    kind, source : str
    table : _Table
        Windows to choose from, all views there.
    offset : dict of str to ndarray, shape (D_v,)
        Direction of drift, of root mean square 1 over all features.
    rng : numpy.random.Generator
    """

    def __init__(
        self, kind: str, source: str, table: _Table, offset: dict[str, Floats], rng: np.random.Generator
    ) -> None:
        self.kind, self.source, self.table, self.offset, self.rng = kind, source, table, offset, rng
        self.classes = int(table.labels.max()) + 1
        self._left: dict[int, list[Ints]] = {label: [] for label in range(self.classes)}

    def take(self, label: int, count: int) -> Ints:
        """Windows of a class in runs that follow one another in a trial; none comes again before all have come."""
        taken: list[Ints] = []
        while count > 0:
            left = self._left[label]
            if not left:
                rows = np.flatnonzero(self.table.labels == label)
                trials = [rows[self.table.trials[rows] == trial] for trial in np.unique(self.table.trials[rows])]
                left.extend(trials[i] for i in self.rng.permutation(len(trials)))
            run = left.pop()
            taken.append(run[:count])
            if len(run) > count:
                left.insert(int(self.rng.integers(len(left) + 1)), run[count:])
            count -= len(taken[-1])
        return np.concatenate(taken)

    def stream(self, rows: Ints) -> Stream:
        """Windows as they are."""
        return Stream(self.kind, {view: x[rows] for view, x in self.table.views.items()}, self.table.labels[rows])

    def stationary(self) -> Stream:
        """Short blocks, classes in random order."""
        rows: list[Ints] = []
        while sum(map(len, rows)) < LENGTH:
            for label in self.rng.permutation(self.classes):
                rows.append(self.take(int(label), int(self.rng.integers(4, 9))))
        return self.stream(np.concatenate(rows)[:LENGTH])

    def drifted(self, amount: Callable[[Floats], Floats]) -> Stream:
        """A stationary stream plus the offset times `amount`, a function of time from 0 to 1."""
        stream = self.stationary()
        size = amount(np.linspace(0, 1, len(stream.labels)))
        views = {v: np.clip(x + size[:, None] * self.offset[v], -CLAMP, CLAMP) for v, x in stream.views.items()}
        return replace(stream, views=views)


def _label_sorted(studio: _Studio) -> Stream:
    """Each class for four minutes in turn."""
    block, rounds = SORTED[studio.source]
    order = [int(label) for label in studio.rng.permutation(studio.classes)] * rounds
    return studio.stream(np.concatenate([studio.take(label, block) for label in order]))


def _one_class(studio: _Studio) -> Stream:
    """A class chosen by the seed; shorter where it has fewer windows: no session brings the same noise twice."""
    label = int(studio.rng.integers(studio.classes))
    return studio.stream(studio.take(label, min(LENGTH, int((studio.table.labels == label).sum()))))


def _dropout_bursts(studio: _Studio) -> Stream:
    """Stretches of 20 to 60 windows without a view, without the other, without both, in random order."""
    stream, rng = studio.stationary(), studio.rng
    names = list(stream.views)
    patterns = [[name] for name in names] * 2 + [names]
    views = {view: x.copy() for view, x in stream.views.items()}
    at, queue = int(rng.integers(20, 40)), []
    while at < len(stream.labels):
        queue = queue or [patterns[i] for i in rng.permutation(len(patterns))]
        length = int(rng.integers(20, 61))
        for view in queue.pop():
            views[view][at : at + length] = np.nan
        at += length + int(rng.integers(15, 41))
    return replace(stream, views=views)


def _noise_bursts(studio: _Studio) -> Stream:
    """Bursts of three to eight windows, an eighth of all, with noise of 3 to 5 sd in one view."""
    stream, rng = studio.stationary(), studio.rng
    views, noisy = {view: x.copy() for view, x in stream.views.items()}, np.zeros(len(stream.labels), dtype=bool)
    while noisy.mean() < 0.12:
        at, length = int(rng.integers(len(noisy))), int(rng.integers(3, 9))
        rows = np.arange(at, min(at + length, len(noisy)))
        rows = rows[~noisy[rows]]
        noisy[rows] = True
        x = views[str(rng.choice(list(views)))]
        x[rows] = np.clip(x[rows] + rng.uniform(3, 5) * rng.standard_normal((len(rows), x.shape[1])), -CLAMP, CLAMP)
    return replace(stream, views=views)


KINDS: dict[str, Callable[[_Studio], Stream]] = {
    "stationary": _Studio.stationary,
    "slow drift": lambda studio: studio.drifted(lambda time: time),
    "sudden shift": lambda studio: studio.drifted(lambda time: (time >= 1 / 3).astype(float)),
    "strong drift": lambda studio: studio.drifted(lambda time: 2 * np.minimum(3 * time, 1.0)),
    "label-sorted": _label_sorted,
    "one class": _one_class,
    "dropout bursts": _dropout_bursts,
    "noise bursts": _noise_bursts,
    "shuffled calibration": _Studio.stationary,
}
"""How each kind is made; the last is for a model that was trained on `Material.shuffled`."""


def _complete(table: _Table) -> NDArray[np.bool_]:
    return np.all([np.isfinite(x).all(axis=1) for x in table.views.values()], axis=0)


def _fit(table: _Table, rows: NDArray[np.bool_]) -> Standardiser:
    views = {view: x[rows] for view, x in table.views.items()}
    return Standardiser.fit(views, {view: ~np.isnan(x).all(axis=1) for view, x in views.items()})


def _standardised(table: _Table, rows: NDArray[np.bool_]) -> _Table:
    """All windows, standardised by some."""
    fitted = _fit(table, rows)
    return replace(table, views={view: fitted.transform(view, x) for view, x in table.views.items()})


def _each_by_itself(table: _Table) -> _Table:
    views = {view: np.full_like(x, np.nan) for view, x in table.views.items()}
    for recording in np.unique(table.recordings):
        rows = table.recordings == recording
        for view, x in _standardised(table.rows(rows), np.ones(rows.sum(), dtype=bool)).views.items():
            views[view][rows] = x
    return replace(table, views=views)


def _direction(table: _Table, there: NDArray[np.bool_], here: NDArray[np.bool_]) -> dict[str, Floats]:
    """From the level of calibration to that of another recording, scaled to a root mean square of 1."""

    def level(x: Floats, rows: NDArray[np.bool_]) -> Floats:
        # Classes have the same say: another mix of classes is no drift.
        means = [np.nanmean(x[rows & (table.labels == label)], axis=0) for label in np.unique(table.labels[rows])]
        return np.mean(means, axis=0)

    found = {view: level(x, there) - level(x, here) for view, x in table.views.items()}
    size = np.sqrt(np.mean(np.concatenate(list(found.values())) ** 2))
    return {view: x / size for view, x in found.items()}


def _noneeg_configuration() -> Configuration:
    return load_configuration(ROOT / "configs" / "noneeg.toml")


def _noneeg() -> _Table:
    folder = Path(os.environ.get("RTEMO_DATA", ROOT.parent / "shared" / "data")) / "noneeg_xdf"
    config = _noneeg_configuration()
    table = join([extract(folder / f"noneeg_S{s:02d}.xdf", config).table for s in range(1, SUBJECTS + 1)])
    features = {view: np.where(table.available[view][:, None], table.features[view], np.nan) for view in config.views}
    labels = label_indices(table, config.labels)
    return _Table(features, labels, table.trial, table.recording).rows(labels >= 0)


def _simulated(participant: int) -> _Table:
    config = configuration()
    assert config.markers is not None
    parts: list[_Table] = []
    trials_before = 0
    for session, trials in enumerate(SESSIONS):
        source = SimulatedSource(
            SimulationSettings(LABELS, trials, effect=EFFECT, participant=participant, seed=session)
        )
        windows = list(windows_of(source, bind(config, source), config, lambda item: None))
        markers = [item for item in source.markers if isinstance(item, Marker)]
        start_s, stop_s = (np.array([getattr(w, edge) for w in windows]) for edge in ("start_s", "stop_s"))
        label, trial = label_windows(start_s, stop_s, segments_from_markers(markers, config.markers))
        known = np.asarray(trial) >= 0
        part = _Table(
            {view: np.stack([w.features[view] for w in windows]) for view in config.views},
            np.array([LABELS.index(name) if name in LABELS else -1 for name in label]),
            np.asarray(trial) + trials_before,
            np.full(len(windows), session),
        )
        parts.append(part.rows(known))
        trials_before += trials
    views = {view: np.concatenate([part.views[view] for part in parts]) for view in config.views}
    columns = (np.concatenate([getattr(p, name) for p in parts]) for name in ("labels", "trials", "recordings"))
    return _Table(views, *columns)


def _cached(folder: Path | None, name: str, make: Callable[[], _Table]) -> _Table:
    if folder is None:
        return make()
    path = folder / f"{name}.npz"
    if not path.exists():
        table = make()
        folder.mkdir(parents=True, exist_ok=True)
        views = {f"view_{view}": x for view, x in table.views.items()}
        unfinished = folder / f"{name}.{os.getpid()}.npz"
        np.savez(unfinished, labels=table.labels, trials=table.trials, recordings=table.recordings, **views)
        unfinished.replace(path)
    with np.load(path) as kept:
        views = {key.removeprefix("view_"): kept[key] for key in kept.files if key.startswith("view_")}
        return _Table(views, kept["labels"], kept["trials"], kept["recordings"])
