"""Whether what was learnt may stay: every test compares with the frozen model, on the same windows."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import stdtrit

from rtemo.adaptation.learner import Windows
from rtemo.config import AdaptationSettings
from rtemo.model.objective import Batch, loss_terms
from rtemo.model.simvae import Simvae
from rtemo.model.train import draw_noise

MAX_PROBE_ROWS = 1024
MAX_REPLAY = 64
ALL_PATTERNS = 4
"""Up to so many views every set of them is tried; beyond, all, all but one, and one alone."""
CHANCE = 0.025
"""How often the paired test may call a loss on the probe real that is chance; its t has trials - 1 degrees."""
LEAST_LOSS = 0.01
"""Mean rise of the cross-entropy, in nats, below which it does not matter."""
FIRST_JUDGED = 5
"""The entropy is judged once a fifth of the windows that it is watched over are there."""


@dataclass(frozen=True)
class Verdict:
    """What the guard says of a state.

    Parameters
    ----------
    reason : str
        Empty where it may stay.
    figures : dict of str to float
    clear : bool
        Whether every figure is within half of what is allowed: a state to come back to.
    """

    reason: str
    figures: dict[str, float]
    clear: bool


class Probe:
    """Labelled windows in every dropout pattern, and what the frozen model makes of them.

    Parameters
    ----------
    windows : Windows
    labels, trials : ndarray of int64, shape (windows,)
    frozen : Simvae
    device : torch.device
    """

    def __init__(
        self,
        windows: Windows,
        labels: NDArray[np.int64],
        trials: NDArray[np.int64],
        frozen: Simvae,
        device: torch.device,
    ) -> None:
        shown = dropout_patterns(windows.available.shape[1])
        kept = _spread(len(labels), max(1, MAX_PROBE_ROWS // len(shown)))
        observed = (windows.available[kept][None] & shown[:, None]).reshape(-1, windows.available.shape[1])
        rows = np.tile(kept, len(shown))[observed.any(axis=1)]
        self._observed = torch.from_numpy(observed[observed.any(axis=1)]).to(device)
        self._x = torch.from_numpy(windows.x[rows]).float().to(device)
        self._labels = torch.from_numpy(labels[rows]).to(device)
        self._truth = labels[rows]
        self._trials = np.unique(trials[rows], return_inverse=True)[1]
        self.trials = int(self._trials.max()) + 1
        self._losses, self._right = self._score(frozen)

    def compare(self, model: Simvae) -> dict[str, float]:
        """Balanced accuracy lost against the frozen model, mean rise of the cross-entropy, and its t over trials."""
        losses, right = self._score(model)
        rise = _mean_by(losses - self._losses, self._trials)
        lost = _mean_by((self._right - right).astype(float), self._truth)
        mean, scatter = float(rise.mean()), float(rise.std(ddof=1)) if len(rise) > 1 else 0.0
        t = 0.0 if mean == 0 else mean / max(scatter / math.sqrt(len(rise)), 1e-9)
        return {"probe_lost": float(lost.mean()), "probe_rise": mean, "probe_t": t if len(rise) > 1 else 0.0}

    @torch.no_grad()
    def _score(self, model: Simvae) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        model.eval()
        logits = model.classify(model.fill(self._x, self._observed))
        losses = torch.nn.functional.cross_entropy(logits, self._labels, reduction="none")
        right = logits.argmax(dim=-1) == self._labels
        return losses.double().cpu().numpy(), right.cpu().numpy().astype(np.int64)


class Guard:
    """Judges the adapted model after each update.

    Parameters
    ----------
    frozen : Simvae
    probe : Probe or None
    replay : Windows
        Labelled calibration windows; some of them tell the bound.
    labels : ndarray of int64, shape (windows,)
    settings : AdaptationSettings
    device : torch.device
    """

    def __init__(
        self,
        frozen: Simvae,
        probe: Probe | None,
        replay: Windows,
        labels: NDArray[np.int64],
        settings: AdaptationSettings,
        device: torch.device,
    ) -> None:
        self._probe, self._settings, self._classes = probe, settings, frozen.classes
        kept = _spread(len(labels), MAX_REPLAY)
        self._batch = Batch(
            x=torch.from_numpy(replay.x[kept]).float().to(device),
            observed=torch.from_numpy(replay.available[kept]).to(device),
            shown=None,
            labels=torch.from_numpy(labels[kept]).to(device),
            complete=bool(replay.available[kept].all()),
        )
        self._noise = draw_noise(len(kept), frozen, torch.Generator().manual_seed(0), device)
        self._inputs = sum(frozen.dims)
        self._sure = math.inf if probe is None or probe.trials < 2 else float(-stdtrit(probe.trials - 1, CHANCE))
        self._frozen_bound = self._bound(frozen)
        self._said: deque[tuple[int, int]] = deque(maxlen=settings.watched)

    def hear(self, adapted: int, shadow: int) -> None:
        """Take what both models said of a window."""
        self._said.append((adapted, shadow))

    def forget(self) -> None:
        """Judge by what is said from now on: after a rollback the past is another model's."""
        self._said.clear()

    def judge(self, model: Simvae | None, drift: float) -> Verdict:
        """Judge a state: the model's weights where it has its own, and what was said so far."""
        settings = self._settings
        figures = {"entropy_lost": self._entropy_lost(), "drift": drift}
        limits = {"entropy_lost": settings.entropy_drop, "drift": settings.max_drift}
        if model is not None:
            figures["bound_lost"] = (self._frozen_bound - self._bound(model)) / self._inputs
            limits["bound_lost"] = settings.elbo_drop
            if self._probe is not None:
                figures |= self._probe.compare(model)
                limits["probe_lost"] = settings.probe_drop
        reason = self._reason(figures, limits)
        clear = not reason and all(figures[name] <= limit / 2 for name, limit in limits.items())
        return Verdict(reason, figures, clear)

    def _reason(self, figures: dict[str, float], limits: dict[str, float]) -> str:
        """What is wrong, in words; empty where nothing is."""
        if not all(math.isfinite(value) for value in figures.values()):
            return "not finite"
        for name, limit in limits.items():
            if figures[name] > limit:
                return name.replace("_", " ")
        sure = "probe_lost" in limits and math.isfinite(limits["probe_lost"]) and figures["probe_t"] > self._sure
        return "probe rise" if sure and figures["probe_rise"] > LEAST_LOSS else ""

    @torch.no_grad()
    def _bound(self, model: Simvae) -> float:
        """Labelled bound of some calibration windows, with the same noise each time."""
        model.eval()
        return float(loss_terms(model, self._batch, self._noise, windows=len(self._batch.x)).labelled_bound)

    def _entropy_lost(self) -> float:
        """By how much less varied than the frozen model's are the predicted labels, as a fraction of the most."""
        if len(self._said) * FIRST_JUDGED < self._settings.watched:
            return 0.0
        adapted, shadow = np.array(self._said).T
        return (_entropy(shadow, self._classes) - _entropy(adapted, self._classes)) / math.log(self._classes)


def dropout_patterns(views: int) -> NDArray[np.bool_]:
    """Sets of views, (patterns, V), all views first; none is empty."""
    if views <= ALL_PATTERNS:
        shown = np.array([pattern for pattern in product((True, False), repeat=views) if any(pattern)])
    else:
        one = np.eye(views, dtype=bool)
        shown = np.vstack([np.ones((1, views), dtype=bool), ~one, one])
    return np.asarray(shown)


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most so many indices, evenly over all."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _mean_by(values: NDArray[np.float64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean of each group that there is."""
    count = np.bincount(group)
    return np.asarray((np.bincount(group, values) / np.maximum(count, 1))[count > 0])


def _entropy(labels: NDArray[np.int64], classes: int) -> float:
    share = np.bincount(labels, minlength=classes) / len(labels)
    return float(-(share[share > 0] * np.log(share[share > 0])).sum())
