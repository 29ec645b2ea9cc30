"""Learning during a session: after each window's prediction, never before it, and never for good without the guard."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from rtemo.adaptation.gates import NOVELTY, Gates
from rtemo.adaptation.guard import Guard, Probe, Verdict
from rtemo.adaptation.learner import Learner, LearnerState, Windows
from rtemo.adaptation.memory import BalancedMemory
from rtemo.adaptation.recentre import Recentrer, Recentring
from rtemo.adaptation.statistics import fit_statistics
from rtemo.config import AdaptationSettings
from rtemo.model.bundle import Bundle
from rtemo.model.front_end import CLAMP
from rtemo.model.labelled import LabelledWindows
from rtemo.model.predict import ModelOutput, Predictor
from rtemo.model.trained import TrainedModel, frozen_copy, resolve_device
from rtemo.types import Bools, Floats

START: Final = "adaptation-start"
SKIP: Final = "adaptation-skip"
UPDATE: Final = "adaptation-update"
ROLLBACK: Final = "adaptation-rollback"
RESET: Final = "adaptation-reset"
FROZEN: Final = "adaptation-frozen"
PAUSED: Final = "adaptation-paused"
RESUMED: Final = "adaptation-resumed"
OFF: Final = "adaptation-off"
OPERATOR: Final = "operator"
"""Reason of what was done as the operator asked."""

Order = Literal["pause", "resume", "reset"]
"""What an operator may ask of adaptation."""
Emit = Callable[[str, Mapping[str, object]], None]
FIGURES = 6


@dataclass(frozen=True)
class Snapshot:
    """All that an adapter has learnt, after a window."""

    window: int | None
    recentring: Recentring
    reservoir: object
    memory: object
    learner: LearnerState | None


@dataclass(frozen=True)
class Observation:
    """A window that was predicted.

    Parameters
    ----------
    index : int
    stop_s : float
        LSL local-clock seconds.
    views : mapping of str to ndarray of float64 or None
        Standardised features; None where the view is missing.
    adapted, shadow : ndarray of float64, shape (K,)
        What the adapted and the frozen model said.
    bad : ndarray of float64, shape (V,)
        Fraction of each view's channels that are bad.
    """

    index: int
    stop_s: float
    views: Mapping[str, Floats | None]
    adapted: Floats
    shadow: Floats
    bad: Floats


class Adapter:
    """Learns from windows without labels. All in one thread: that which predicts.

    `observe` is called with each window after its prediction was published, `update` when `due` and nothing waits: the
    next prediction is by the new state. All that happens follows from the windows, the moments of the updates, the
    settings and the seed.

    Parameters
    ----------
    trained : TrainedModel
        The frozen model.
    calibration : LabelledWindows
        Replay, and what the statistics of calibration are taken from; every class occurs.
    probe : LabelledWindows or None
        For the guard.
    settings : AdaptationSettings
        ``mode`` is ``recentre`` or ``guarded``.
    trial : float, optional
        Windows a trial; as in `calibration` where not given.
    device : str
    seed : int
    emit : callable
        Takes the kind of an event and its details: every decision is one.
    """

    def __init__(
        self,
        trained: TrainedModel,
        calibration: LabelledWindows,
        probe: LabelledWindows | None,
        settings: AdaptationSettings,
        *,
        trial: float | None = None,
        device: str = "auto",
        seed: int = 0,
        emit: Emit = lambda kind, details: None,
    ) -> None:
        self._trained, self._settings, self._emit = trained, settings, emit
        self.frozen = self.paused = False
        self.rollbacks = 0
        self._accepted = self._since = self._strayed = 0
        self._window: int | None = None
        self._now_s = self._reset_s = math.nan
        on = resolve_device(device)
        slices, beyond = trained.model.slices, trained.model.slices_beyond
        self._own = sum(trained.front_end.dims)
        replay = self._inputs_of(calibration)
        # Shifts and gates look at what the classifier sees. What only psi sees takes the scale of its view.
        own = replay.x[:, : self._own]
        self._beside = (
            np.concatenate([_mean(replay.x[there, at]) for at, there in zip(beyond, replay.available.T, strict=True)]),
            np.repeat([at.start for at in slices], trained.front_end.dims_beyond),
        )
        if trial is None:
            trial = len(calibration) / max(len(np.unique(calibration.trials)), 1)
        statistics = fit_statistics(own, replay.available, calibration.labels, calibration.recordings, slices, trial)
        self._recentrer = Recentrer(
            statistics,
            slices,
            max_shift=settings.max_shift,
            max_age_s=settings.max_age_s,
            min_evidence=settings.min_evidence,
        )
        self._gates = Gates(statistics, slices, own, replay.available, settings)
        self._memory = BalancedMemory(
            cell_size=settings.memory, stride=max(1, settings.every // 2), max_age_s=settings.max_age_s
        )
        frozen = frozen_copy(trained).model.to(on)
        self._guard = Guard(
            frozen,
            None if probe is None else Probe(self._inputs_of(probe), probe.labels, probe.trials, frozen, on),
            replay,
            calibration.labels,
            settings,
            on,
        )
        self._learner = None
        if settings.mode == "guarded":
            self._learner = Learner(trained, replay, calibration.labels, settings, on, seed)
        self._predictor = Predictor(trained, device=device, adaptable=True)
        self._model_digest = _digest_of(trained)
        self._absent = np.zeros(len(slices), dtype=bool)
        self._calibrated = self._good = self._save()
        self._warm_up(replay)
        emit(
            START,
            {
                "mode": settings.mode,
                "seed": seed,
                "calibration_windows": len(calibration),
                "probe_windows": 0 if probe is None else len(probe),
                "trial_windows": round(trial, 3),
                "settings": settings.model_dump(mode="json"),
                "digest": self.digest(),
            },
        )

    @property
    def due(self) -> bool:
        """Whether enough was learnt from for an update."""
        return not (self.frozen or self.paused) and self._since >= self._settings.every

    def predict(self, views: Mapping[str, Floats | None]) -> ModelOutput:
        """What the adapted model says of a window; see `Predictor.predict`."""
        return self._predictor.predict(views)

    def observe(self, window: Observation) -> None:
        """Take a window after its prediction: gates, and into the memories; quick."""
        self._window, self._now_s = window.index, window.stop_s
        if self.frozen or self.paused:
            return
        if math.isnan(self._reset_s):
            self._reset_s = window.stop_s
        x, available = self._inputs(window.views)
        self._absent = ~available
        said = int(window.adapted.argmax())
        if available.any():
            self._guard.hear(said, int(window.shadow.argmax()))
        confidence = float(window.adapted.max())
        own = x[: self._own]
        refused = self._gates.check(self._recentrer.state(own), available, confidence, window.bad)
        if refused is not None:
            self._tell(SKIP, reason=refused.reason, found=refused.found, limit=refused.limit)
            self._stray(refused.reason == NOVELTY and self._gates.check(own, available, confidence, window.bad) is None)
            return
        self._strayed = 0
        self._recentrer.observe(own, available, said, window.stop_s)
        if self._learner is not None:
            self._memory.add((said, available.tobytes()), x, available, window.stop_s)
        self._accepted += 1
        self._since += 1

    def _stray(self, strayed: bool) -> None:
        """Let go of a recentring by which windows are novel that are usual as they came.

        A session that goes back to where calibration was, as when a cap is seated anew, would otherwise be refused for
        good, and nothing would ever look at it again.
        """
        self._strayed = self._strayed + 1 if strayed else 0
        if self._strayed >= self._settings.every:
            self._strayed = 0
            self._recentrer.forget()
            self._guard.forget()
            self._good = self._save()
            self._publish()
            self._tell(RESET, reason="usual without recentring", drift=self._drift(), digest=self.digest())

    def update(self) -> None:
        """Learn from what was taken; keep it only where the guard lets it pass.

        What goes wrong in it ends the learning, not the session: it goes on with the frozen model, and an event says
        why.
        """
        if self.frozen or self.paused:
            return
        try:
            self._update()
        except Exception as error:  # noqa: BLE001 - told by two events; predictions do not need what broke
            self.rollbacks = max(self.rollbacks, self._settings.max_rollbacks - 1)
            self._roll_back(Verdict(f"{type(error).__name__}: {error}"[:500], {}, clear=False))

    def _update(self) -> None:
        self._since = 0
        likelier = self._recentrer.update()
        step = self._step()
        self._soften_in_time()
        verdict = self._guard.judge(None if self._learner is None else self._learner.teacher, self._drift())
        if step and not math.isfinite(step["norm"]):
            verdict = Verdict("not finite", verdict.figures, clear=False)
        if verdict.reason:
            self._roll_back(verdict)
            return
        if verdict.clear:
            self._good = self._save()
        self._publish()
        shift = self._recentrer.state.shift
        self._tell(
            UPDATE,
            accepted=self._accepted,
            shift=math.sqrt(float(np.mean(shift**2))),
            scale=[float(self._recentrer.state.scale[where.start]) for where in self._trained.model.slices],
            likelier=likelier,
            **step,
            **verdict.figures,
            digest=self.digest(),
        )

    def order(self, what: Order, by: str = "") -> str:
        """Do what the operator asks, between two windows.

        While it is paused, windows are neither looked at nor learnt from, and the state that was reached goes on
        predicting. A reset goes back to the calibrated state, bit for bit. Neither undoes a freeze: a session that the
        guard has frozen stays so.

        Parameters
        ----------
        what : Order
        by : str
            Who asks, for the event.

        Returns
        -------
        str
            Why nothing was done; empty where it was.
        """
        if what == "reset":
            self._reset()
        elif self.paused == (what == "pause"):
            return "adaptation is paused already" if self.paused else "adaptation is not paused"
        else:
            self.paused = what == "pause"
        kind = {"pause": PAUSED, "resume": RESUMED, "reset": RESET}[what]
        who: dict[str, object] = {"operator": by} if by else {}
        self._tell(kind, reason=OPERATOR, **who, frozen=self.frozen, drift=self._drift(), digest=self.digest())
        return ""

    def _reset(self) -> None:
        """Back to where the session began, but for what is counted."""
        self._good = self._calibrated
        self._restore(self._calibrated)
        self._guard.forget()
        self._since = self._strayed = 0
        self._absent = np.zeros_like(self._absent)
        self._reset_s = math.nan
        self._publish()

    def digest(self) -> str:
        """Sixteen hexadecimal digits of all that predictions depend on."""
        state = self._recentrer.state
        content = state.shift.tobytes() + state.scale.tobytes() + self._model_digest
        if self._learner is not None:
            content += self._learner.weights().tobytes()
        return hashlib.sha256(content).hexdigest()[:16]

    def adapted(self) -> TrainedModel:
        """The frozen model with the adapted weights in its place; the recentring is not in it."""
        copy = frozen_copy(self._trained)
        if self._learner is not None:
            copy.model.load_state_dict(self._learner.teacher.state_dict())
        return copy

    @property
    def dims(self) -> Mapping[str, int]:
        """Features of each view."""
        return dict(zip(self._trained.views, self._trained.dims, strict=True))

    @property
    def classes(self) -> int:
        """How many labels there are."""
        return len(self._trained.class_names)

    @property
    def recentring(self) -> Recentring:
        """What is done to the model's inputs now, and to what only psi sees."""
        return self._recentrer.state.beside(*self._beside)

    def _drift(self) -> float:
        """Relative distance of the weights that predict from the calibrated ones; 0 where none are learnt."""
        return 0.0 if self._learner is None else self._learner.drift

    def _step(self) -> dict[str, float]:
        """A gradient step, where there are any."""
        if self._learner is None:
            return {}
        x, available = self._memory.draw(self._settings.batch, self._learner.rng)
        if len(x):
            x = self._clean(self.recentring(x), available)
        return self._learner.step(Windows(x, available), self._absent)

    def _soften_in_time(self) -> None:
        if self._learner is None or self._now_s - self._reset_s < self._settings.reset_every_s:
            return
        self._reset_s = self._now_s
        before = self._learner.drift
        self._learner.soften()
        self._tell(RESET, reason="in time", drift_before=before, drift=self._learner.drift)

    def _roll_back(self, verdict: Verdict) -> None:
        """Back to the last good state; for good to the calibrated one where it happens too often."""
        self.rollbacks += 1
        self.frozen = self.rollbacks >= self._settings.max_rollbacks
        target = self._calibrated if self.frozen else self._good
        self._restore(target)
        self._guard.forget()
        self._publish()
        figures = {**verdict.figures, "drift_after": self._drift(), "rollbacks": self.rollbacks}
        self._tell(ROLLBACK, reason=verdict.reason, to=target.window, **figures, digest=self.digest())
        if self.frozen:
            self._tell(FROZEN, reason=verdict.reason, rollbacks=self.rollbacks, digest=self.digest())

    def _save(self) -> Snapshot:
        return Snapshot(
            self._window,
            self._recentrer.state,
            self._recentrer.memory.save(),
            self._memory.save(),
            None if self._learner is None else self._learner.save(),
        )

    def _restore(self, snapshot: Snapshot) -> None:
        self._recentrer.state = snapshot.recentring
        self._recentrer.memory.restore(snapshot.reservoir)
        self._memory.restore(snapshot.memory)
        if self._learner is not None and snapshot.learner is not None:
            self._learner.restore(snapshot.learner)

    def _publish(self) -> None:
        """Predict by what was learnt from the next window on."""
        model = self._trained.model if self._learner is None else self._learner.teacher
        recentring = self.recentring
        self._predictor.adapt(model, recentring.gain, recentring.bias)

    def _warm_up(self, replay: Windows) -> None:
        """One step that is taken back: what torch sets up on its first backward pass is set up now."""
        if self._learner is not None:
            self._learner.step(Windows(replay.x[:2], replay.available[:2]), self._absent)
            self._guard.judge(self._learner.teacher, self._learner.drift)
            self._restore(self._calibrated)
        self._publish()

    def _inputs(self, views: Mapping[str, Floats | None]) -> tuple[Floats, Bools]:
        """All that the model is given (D + E,), 0 in missing views, and which views are there (V,)."""
        rows = {
            name: np.full(size, np.nan) if (found := views.get(name)) is None else np.asarray(found, dtype=np.float64)
            for name, size in self.dims.items()
        }
        x, available = self._mapped({name: row[None] for name, row in rows.items()})
        return x[0], available[0]

    def _inputs_of(self, windows: LabelledWindows) -> Windows:
        return self._mapped({name: windows.views[name].astype(np.float64) for name in self._trained.views})

    def _mapped(self, views: Mapping[str, Floats]) -> Windows:
        """All that the model is given, from standardised features; a view is missing where its row is not finite."""
        rows = list(views.values())
        available = np.stack([np.isfinite(x).all(axis=1) for x in rows], axis=1)
        return Windows(self._trained.front_end.shown(rows, available), available)

    def _clean(self, x: Floats, available: Bools) -> Floats:
        """0 in missing views, and within the model's range."""
        return np.where(self._trained.front_end.there(available), np.clip(x, -CLAMP, CLAMP), 0.0)

    def _tell(self, kind: str, **details: object) -> None:
        rounded = {
            name: float(f"{value:.{FIGURES}g}") if isinstance(value, float) else value
            for name, value in details.items()
        }
        self._emit(kind, {"window": self._window, **rounded})


def _mean(x: Floats) -> Floats:
    """Mean of each column; 0 without a row."""
    return np.asarray(x.mean(axis=0) if len(x) else np.zeros(x.shape[1]))


def _digest_of(trained: TrainedModel) -> bytes:
    """SHA-256 of a model's weights."""
    weights = (parameter.detach().cpu().numpy().tobytes() for parameter in trained.model.parameters())
    return hashlib.sha256(b"".join(weights)).digest()


def why_not(bundle: Bundle) -> str:
    """What keeps a bundle from adapting; empty where nothing does."""
    if bundle.standardiser is None:
        return 'it was trained with standardise = "recording"'
    if bundle.calibration is None:
        return "it holds no calibration windows: it was trained by an earlier version"
    missing = sorted(set(range(len(bundle.labels))) - set(bundle.calibration.labels.tolist()))
    if missing:
        return f"its calibration windows hold none of {bundle.labels[missing[0]]!r}"
    return ""


def adapter_for(
    bundle: Bundle, settings: AdaptationSettings, *, device: str = "auto", seed: int = 0, emit: Emit | None = None
) -> Adapter | None:
    """An adapter for a bundle; None where the mode is off, or, with an event that says why, the bundle cannot.

    Parameters
    ----------
    bundle : Bundle
    settings : AdaptationSettings
    device, seed, emit
        See `Adapter`.
    """
    emit = emit or (lambda kind, details: None)
    if settings.mode == "off":
        return None
    reason = why_not(bundle)
    if reason or bundle.calibration is None:
        emit(OFF, {"reason": reason})
        return None
    calibration = bundle.calibration
    held = sum(recording.labelled_windows for recording in bundle.recordings if recording.labelled)
    kept = len(calibration) + (0 if bundle.probe is None else len(bundle.probe))
    thinned = max(1.0, held / max(kept, 1))
    trial = thinned * len(calibration) / max(len(np.unique(calibration.trials)), 1)
    return Adapter(bundle.model, calibration, bundle.probe, settings, trial=trial, device=device, seed=seed, emit=emit)
