"""A bundle adapted to recordings between sessions: without their labels, by what adapts live, in the order of time."""

from __future__ import annotations

import math
import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtemo.adaptation.adapter import RESET, ROLLBACK, SKIP, UPDATE, Adapter, Observation, adapter_for, why_not
from rtemo.adaptation.recentre import Recentring
from rtemo.config import AdaptationSettings
from rtemo.errors import BundleError, ConfigurationError
from rtemo.evaluation.evaluate import COMPLETE, WITHOUT
from rtemo.evaluation.metrics import Scores, score
from rtemo.extraction import Extraction, join, label_indices
from rtemo.features.standardise import Standardiser
from rtemo.model.bundle import Bundle, LabelledWindows, TrainingRecording
from rtemo.model.predict import Predictor
from rtemo.model.trained import TrainedModel
from rtemo.outputs.events import Event
from rtemo.session import bad_fraction
from rtemo.training import VERSIONS_OF, check_streams, sha256_of, standardise
from rtemo.types import Bools, FeatureTable, Floats

"""A channel whose quality is below this is bad."""
RANK_TOLERANCE = 1e-8
"""Directions of a front end that are this much weaker than its strongest one are rounding."""
LEFT_OUT = 1e-3
"""A part of the recentring, in the model's inputs, that no standardiser can express: below this it does not matter."""


class Folded(NamedTuple):
    """A standardiser with a recentring in it, and the largest part of a model input that would not go in."""

    standardiser: Standardiser
    left_out: float


@dataclass(frozen=True, slots=True, eq=False)
class Gain:
    """What the model said of the same windows before and after."""

    frozen: Scores
    adapted: Scores

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {"frozen": self.frozen.to_dict(), "adapted": self.adapted.to_dict()}


@dataclass(frozen=True, slots=True)
class Deeds:
    """What the adapter did.

    Parameters
    ----------
    windows, accepted : int
        How many it saw, and how many of them it learnt from.
    refused : mapping of str to int
        The others, by reason; once it is frozen it looks at none.
    updates, resets : int
    rolled_back : mapping of str to int
        Updates that the guard took back, by reason.
    frozen : bool
        Whether the guard gave up.
    recentring : mapping of str to mapping of str to float
        By view the ``shift`` (root mean square, in the model's inputs) and the ``scale``.
    """

    windows: int
    accepted: int
    refused: Mapping[str, int]
    updates: int
    resets: int
    rolled_back: Mapping[str, int]
    frozen: bool
    recentring: Mapping[str, Mapping[str, float]]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "windows": self.windows,
            "accepted": self.accepted,
            "refused": dict(self.refused),
            "updates": self.updates,
            "resets": self.resets,
            "rolled_back": dict(self.rolled_back),
            "frozen": self.frozen,
            "recentring": {view: dict(figures) for view, figures in self.recentring.items()},
        }


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """What an adaptation gave.

    Parameters
    ----------
    bundle : Bundle or None
        None where nothing was learnt, or nothing that the guard let stay.
    reason : str
        Why there is no bundle; empty where there is one.
    deeds : Deeds
    probe : mapping of str to Gain
        The old and the new weights on the bundle's probe trials, ``complete`` and ``without:<view>``; empty where it
        has none. These windows lie in calibration's coordinates: the recentring is none of theirs.
    labelled : Gain or None
        The frozen and the adapted model on the recordings' labelled windows, each predicted before anything was learnt
        from it; None where they hold no labels.
    recordings : mapping of str to Gain
        The same by file.
    probe_trials, trials : int
        How many trials these figures are of.
    left_out : float
        See `fold`.
    """

    bundle: Bundle | None
    reason: str
    deeds: Deeds
    probe: Mapping[str, Gain]
    labelled: Gain | None
    recordings: Mapping[str, Gain]
    probe_trials: int
    trials: int
    left_out: float

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            **self.deeds.to_dict(),
            "probe_trials": self.probe_trials,
            "probe": {name: gain.to_dict() for name, gain in self.probe.items()},
            "trials": self.trials,
            "labelled": None if self.labelled is None else self.labelled.to_dict(),
            "recordings": {name: gain.to_dict() for name, gain in self.recordings.items()},
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    """What was said of one recording's windows: true labels (-1 where none), whether anything was seen, and both."""

    name: str
    truth: np.ndarray[tuple[int], np.dtype[np.int64]]
    trials: int
    seen: Bools
    frozen: Floats
    adapted: Floats


class _Journal:
    """Counts what an adapter tells, and passes it on with its place."""

    def __init__(self, emit: Callable[[Event], None], recording: str, stamp_s: float) -> None:
        self._emit = emit
        self.recording, self.stamp_s = recording, stamp_s
        self.kinds: Counter[str] = Counter()
        self.reasons: dict[str, Counter[str]] = {SKIP: Counter(), ROLLBACK: Counter()}
        self.heard = 0

    def __call__(self, kind: str, details: Mapping[str, object]) -> None:
        self.kinds[kind] += 1
        if kind in self.reasons:
            self.reasons[kind][str(details["reason"])] += 1
        self._emit(Event(self.stamp_s, kind, {"recording": self.recording, **details}))


def check_adaptable(bundle: Bundle, settings: AdaptationSettings, where: str) -> None:
    """Refuse a bundle that cannot adapt, and settings under which none does.

    Raises
    ------
    BundleError, ConfigurationError
    """
    reason = why_not(bundle)
    if reason:
        raise BundleError(f"{where}: cannot adapt: {reason}.", cure='Train it again, with standardise = "calibration".')
    if settings.mode == "off":
        raise ConfigurationError(
            f'{where}: its configuration says [adaptation] mode = "off".', cure="Say --mode guarded or --mode recentre."
        )


def adapt_bundle(
    bundle: Bundle,
    extractions: Sequence[Extraction],
    settings: AdaptationSettings,
    *,
    origin: str = "",
    seed: int = 0,
    device: str = "auto",
    emit: Callable[[Event], None] = lambda event: None,
    on_window: Callable[[], None] = lambda: None,
) -> Adapted:
    """Adapt a bundle to recordings, one session after the other; labels that they hold are only scored by.

    Each window is predicted, by the adapted and by the frozen model, before anything is learnt from it, as live. What
    was learnt carries over from one recording to the next; the time between them does not count.

    Parameters
    ----------
    bundle : Bundle
    extractions : sequence of Extraction
        Made with the bundle's configuration and references.
    settings : AdaptationSettings
    origin : str
        SHA-256 of the old bundle's ``bundle.json``, for the new one's provenance.
    seed, device
        See `Adapter`.
    emit : callable
        Takes the adapter's events, stamped with the end of the window after which they happened.
    on_window : callable
        Called after each window.

    Returns
    -------
    Adapted
        ``metrics["adapted"]`` of the new bundle has an entry for each time that it was adapted; its other metrics are
        those of the training. Its probe and its calibration windows stay as they are: they lie in the coordinates of
        the model.

    Raises
    ------
    BundleError, ConfigurationError
        See `check_adaptable`.
    StreamError
        A recording's streams are not those of the bundle.
    """
    check_adaptable(bundle, settings, "the bundle")
    tables = [_table(bundle, extraction) for extraction in extractions]
    names = _names(tables)
    journal = _Journal(emit, names[0], float(tables[0].start_s[0]))
    adapter = adapter_for(bundle, settings, device=device, seed=seed, emit=journal)
    assert adapter is not None  # what could keep it from adapting was refused above
    frozen, before, now_s = Predictor(bundle.model, device=device), adapter.digest(), math.nan
    said = []
    for name, table in zip(names, tables, strict=True):
        journal.recording = name
        first_s = float(table.start_s[0])
        later_s = 0.0 if math.isnan(now_s) else now_s - first_s
        said.append(_session(bundle, adapter, frozen, table, journal, later_s, on_window))
        now_s = float(table.stop_s[-1]) + later_s
    deeds = _deeds(adapter, journal, bundle.model, said)
    assert bundle.standardiser is not None
    folded = fold(adapter.recentring, bundle.model, bundle.standardiser)
    model = adapter.adapted()
    adapted = Adapted(
        bundle=None,
        reason=_why_nothing(adapter.digest() == before, deeds, settings),
        deeds=deeds,
        probe={} if bundle.probe is None else _probe_gains(bundle.probe, frozen, Predictor(model, device=device)),
        labelled=_gain(said),
        recordings={one.name: gain for one in said if (gain := _gain([one])) is not None},
        probe_trials=0 if bundle.probe is None else len(np.unique(bundle.probe.trials)),
        trials=sum(one.trials for one in said),
        left_out=folded.left_out,
    )
    if adapted.reason:
        return adapted
    entry = {
        "from": origin,
        "adapted_on": names,
        "mode": settings.mode,
        "seed": seed,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS_OF}},
        **adapted.to_dict(),
    }
    return replace(
        adapted,
        bundle=replace(
            bundle,
            model=model,
            standardiser=folded.standardiser,
            recordings=(*bundle.recordings, *(_provenance(table) for table in tables)),
            metrics={**bundle.metrics, "adapted": [*bundle.metrics.get("adapted", []), entry]},
        ),
    )


def fold(recentring: Recentring, trained: TrainedModel, standardiser: Standardiser) -> Folded:
    """The standardiser after which the model's inputs are what the recentring would make of them.

    A view's inputs are ``z = (x - offset) @ matrix`` of its standardised features ``x``, and the recentring is
    ``z' = centre + (z - shift - centre) / s``. Any d with ``d @ matrix = shift + (1 - s) (centre + offset @ matrix)``
    gives ``x' = (x - d) / s``, hence ``mean' = mean + std d`` and ``std' = s std``; the smallest such d is taken that
    also comes nearest to the same for what only psi sees. Features of which calibration knew nothing, or that never
    changed, are 0 whatever the standardiser: d moves only the others.

    Where a value is clamped, or a single feature is not known, the two differ: here it counts as the mean of the
    session, and there as that of calibration.

    Parameters
    ----------
    recentring : Recentring
    trained : TrainedModel
        Whose front end counts.
    standardiser : Standardiser
        Of calibration.

    Returns
    -------
    Folded
        ``left_out`` is 0 up to rounding wherever the columns of the front end are independent: always, but with
        ``front_end = "both"``, whose inputs cannot go everywhere.
    """
    means, stds, left_out = dict(standardiser.mean), dict(standardiser.std), 0.0
    model, front_end = trained.model, trained.front_end
    lying = zip(model.slices, model.slices_beyond, strict=True)
    for view, front, beyond, (own, further) in zip(trained.views, front_end.maps, front_end.beyond, lying, strict=True):
        mean, std = standardiser.mean[view], standardiser.std[view]
        known = std > 0
        offset = np.zeros(len(mean)) if front.matrix is None else front.offset
        matrix, rest = front.weights, beyond.weights
        target, wish = (
            recentring.shift[where] + (1 - recentring.scale[where]) * (recentring.centre[where] + offset @ columns)
            for where, columns in ((own, matrix), (further, rest))
        )
        move = np.zeros(len(mean))
        move[known] = _smallest(target, matrix[known], wish, rest[known])
        left_out = max(left_out, float(np.abs(target - move @ matrix).max()))
        means[view] = np.where(known, mean + std * move, mean)
        stds[view] = np.where(known, std * recentring.scale[own][0], std)
    return Folded(Standardiser(means, stds), left_out)


def _smallest(target: Floats, matrix: Floats, wish: Floats, rest: Floats) -> Floats:
    """The smallest d with d @ matrix = target that comes nearest to d @ rest = wish."""
    inverse = np.linalg.pinv(matrix, rcond=RANK_TOLERANCE)
    move = target @ inverse
    if not rest.size:
        return np.asarray(move)
    # What is added to d must not show in d @ matrix.
    free = rest - matrix @ (inverse @ rest)
    cut = RANK_TOLERANCE * float(np.linalg.norm(rest, 2)) / max(float(np.linalg.norm(free, 2)), 1e-300)
    return np.asarray(move + (wish - move @ rest) @ np.linalg.pinv(free, rcond=min(cut, 1.0)))


def _table(bundle: Bundle, extraction: Extraction) -> FeatureTable:
    """A recording's windows with the bundle's features; a view that it lacks is missing."""
    check_streams(bundle, extraction.bound, where=str(extraction.table.recordings[0]))
    return join([extraction.table], {view.name: view.feature_names for view in bundle.views})


def _session(
    bundle: Bundle,
    adapter: Adapter,
    frozen: Predictor,
    table: FeatureTable,
    journal: _Journal,
    later_s: float,
    on_window: Callable[[], None],
) -> _Said:
    """One recording: predict, observe, update when due. The adapter's clock is the recording's, `later_s` later."""
    config = bundle.configuration
    views = standardise(table, config, bundle.standardiser)
    shadow = frozen.predict_many(views).probabilities
    there = np.stack([np.isfinite(x).all(axis=1) for x in views.values()], axis=1)
    said, bad = np.empty_like(shadow), _bad(table, bundle.model.views)
    for row in range(len(table)):
        window = {view: x[row] if seen else None for (view, x), seen in zip(views.items(), there[row], strict=True)}
        said[row] = adapter.predict(window).probabilities
        journal.stamp_s = float(table.stop_s[row])
        journal.heard += not adapter.frozen
        index = round(float(table.start_s[row]) / config.window.hop)
        adapter.observe(Observation(index, journal.stamp_s + later_s, window, said[row], shadow[row], bad[row]))
        if adapter.due:
            adapter.update()
        on_window()
    truth = label_indices(table, config.labels)
    seen = np.asarray(there.any(axis=1))
    return _Said(journal.recording, truth, len(np.unique(table.trial[(truth >= 0) & seen])), seen, shadow, said)


def _names(tables: Sequence[FeatureTable]) -> list[str]:
    """File names, or whole paths where two files have the same name."""
    paths = [str(table.recordings[0]) for table in tables]
    names = [Path(path).name for path in paths]
    return names if len(set(names)) == len(names) else paths


def _bad(table: FeatureTable, views: Sequence[str]) -> Floats:
    """Fraction of each view's channels that are bad, (windows, V), as a session has it."""
    nobody_looks = np.zeros((len(table), 0))
    return np.array([[bad_fraction(row) for row in table.quality.get(view, nobody_looks)] for view in views]).T


def _deeds(adapter: Adapter, journal: _Journal, trained: TrainedModel, said: Sequence[_Said]) -> Deeds:
    state, refused = adapter.recentring, journal.reasons[SKIP]
    return Deeds(
        windows=sum(len(one.seen) for one in said),
        accepted=journal.heard - refused.total(),
        refused=dict(refused.most_common()),
        updates=journal.kinds[UPDATE],
        resets=journal.kinds[RESET],
        rolled_back=dict(journal.reasons[ROLLBACK].most_common()),
        frozen=adapter.frozen,
        recentring={
            view: {
                "shift": float(np.sqrt(np.mean(state.shift[where] ** 2))),
                "scale": float(state.scale[where][0]),
            }
            for view, where in zip(trained.views, trained.model.slices, strict=True)
        },
    )


def _why_nothing(same: bool, deeds: Deeds, settings: AdaptationSettings) -> str:
    """Why the model is what it was, as far as it is."""
    rollbacks = sum(deeds.rolled_back.values())
    if deeds.frozen:
        return f"the guard took back what was learnt {rollbacks} times, and then went back to the frozen model for good"
    if not same:
        return ""
    if not deeds.accepted:
        return f"none of {deeds.windows} windows could be learnt from"
    if rollbacks:
        return "the guard took back all that was learnt"
    if deeds.updates:
        return "the recordings lie where calibration does: there is nothing to recentre"
    return f"{deeds.accepted} windows could be learnt from, and an update takes {settings.every}"


def _probe_gains(probe: LabelledWindows, frozen: Predictor, adapted: Predictor) -> dict[str, Gain]:
    """Both models on the probe, complete and with each view missing, where some view is left."""
    views = {view: np.asarray(x, dtype=np.float64) for view, x in probe.views.items()}
    gains = {}
    for name in (COMPLETE, *(WITHOUT + view for view in views)):
        left = {view: np.full_like(x, np.nan) if name == WITHOUT + view else x for view, x in views.items()}
        seen = np.any([np.isfinite(x).all(axis=1) for x in left.values()], axis=0)
        given = {view: x[seen] for view, x in left.items()}
        pair = (score(probe.labels[seen], model.predict_many(given).probabilities) for model in (frozen, adapted))
        gains[name] = Gain(*pair)
    return gains


def _gain(said: Sequence[_Said]) -> Gain | None:
    """Both models on the labelled windows in which something was seen; None where there are none."""
    rows = [(one.truth >= 0) & one.seen for one in said]
    truth = np.concatenate([one.truth[mine] for one, mine in zip(said, rows, strict=True)])
    if not len(truth):
        return None
    frozen = np.concatenate([one.frozen[mine] for one, mine in zip(said, rows, strict=True)])
    adapted = np.concatenate([one.adapted[mine] for one, mine in zip(said, rows, strict=True)])
    return Gain(score(truth, frozen), score(truth, adapted))


def _provenance(table: FeatureTable) -> TrainingRecording:
    path = Path(table.recordings[0])
    return TrainingRecording(name=path.name, sha256=sha256_of(path), labelled=False, windows=len(table))
