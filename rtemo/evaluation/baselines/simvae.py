"""SiMVAE, SMVAE and the classifier net alone (Du et al. 2018), by the model that the live system runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from rtemo.evaluation.baselines.base import Bools, Floats, Ints, MultiViewClassifier, seen_views, split_views
from rtemo.model.data import TrainingData
from rtemo.model.predict import ModelOutputs, Predictor
from rtemo.model.refit import refit as train_again
from rtemo.model.settings import SimvaeSettings, make_settings
from rtemo.model.train import train
from rtemo.model.trained import TrainedModel


class SiMvae(MultiViewClassifier):
    """SiMVAE: a semi-supervised deep generative model of views any of which may be missing (Du et al. 2018, Eq. 17).

    Minimised, per window, with the bounds l and u of Eq. 12 to 15 (`rtemo.model.objective`)::

        -(1/N) [ sum_labelled l(x, y) + sum_unlabelled u(x) ]
        + c2 * mean over labelled of CE(q(y | x), y) + c1 * imputation loss - (a0 - 1)/N * sum_v log l_v

    Missing views are imputed by psi, in training and in prediction.

    Parameters
    ----------
    dims : sequence of int
        Features of each view, in the order of the chain.
    preset : {"default", "paper"}
        What makes the model work, or the objective as printed (`rtemo.model.settings`).
    steps : int
        Training steps.
    learning_rate, entropy, c1, c2
        As the preset has them where None.
    weight : float, optional
        Another name of `c2`, as all deep generative classifiers here have it; `c2` goes first.
    imputations : int
        Draws of a missing view in a prediction; 0 takes its mean, in one pass.
    refit : bool
        Where enough trials have labels to hold some out, train once for temperature and length, and again on all.
    random_state : int
    device : str
    settings : mapping, optional
        Any other settings of the model, which go before all of the above.

    Attributes
    ----------
    trained_ : TrainedModel
    posterior_weights_ : ndarray of float64, shape (V,)
        l: weights of the views in the posterior of z, not their say in the decision (see `contributions`).
    """

    allows_missing: ClassVar[bool] = True

    def __init__(
        self,
        dims: Sequence[int] = (),
        *,
        preset: str = "default",
        steps: int = 600,
        learning_rate: float | None = None,
        entropy: str | None = None,
        c1: float | None = None,
        c2: float | None = None,
        weight: float | None = None,
        imputations: int = 0,
        refit: bool = True,
        random_state: int = 0,
        device: str = "cpu",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.dims = dims
        self.preset = preset
        self.steps = steps
        self.learning_rate = learning_rate
        self.entropy = entropy
        self.c1 = c1
        self.c2 = c2
        self.weight = weight
        self.imputations = imputations
        self.refit = refit
        self.random_state = random_state
        self.device = device
        self.settings = settings

    def fit(self, X: Floats, y: Ints, groups: Ints | None = None) -> Self:
        """Learn from all windows that have a view; see the base class."""
        trials = np.full(len(y), -1, dtype=np.int64) if groups is None else np.asarray(groups, dtype=np.int64)
        classes = int(y.max()) + 1
        self._learn_means(X, y)
        rows, X = self._rows(X, y), self._taken(X)
        names = tuple(str(k) for k in range(classes))
        data = TrainingData(self._views(X[rows]), np.asarray(y[rows], dtype=np.int64), trials[rows], names)
        first = train(data, self._settings(), seed=self.random_state, device=self.device)
        self.trained_: TrainedModel = train_again(first, data, seed=self.random_state, device=self.device)
        self.classes_ = np.arange(classes)
        self.posterior_weights_: Floats = self.trained_.model.log_weights().exp().detach().double().numpy().ravel()
        return self

    def predict_proba(self, X: Floats) -> Floats:
        """Class probabilities (windows, K); the prior where a window has no view."""
        return self._outputs(self._taken(X)).probabilities

    def contributions(self, X: Floats) -> Floats:
        """What each view adds to the predicted class's probability, (windows, V); 0 for a missing view.

        Shapley values over the subsets of the views that are there, the others imputed: they sum to the probability
        less its prior.
        """
        return self._outputs(X).contributions

    def _outputs(self, X: Floats) -> ModelOutputs:
        # Made anew each time: a recorded program, which the predictor holds, cannot go to another process.
        predictor = Predictor(self.trained_, device=self.device)
        return predictor.predict_many(self._views(X))

    def _views(self, X: Floats) -> dict[str, Floats]:
        return {f"view {v}": x for v, x in enumerate(split_views(X, self.dims))}

    def _settings(self) -> SimvaeSettings:
        given = {
            "learning_rate": self.learning_rate,
            "entropy": self.entropy,
            "c1": self.c1,
            "c2": self.weight if self.c2 is None else self.c2,
        }
        chosen = {name: value for name, value in given.items() if value is not None}
        # Nothing adapts here, so no probe is kept from training: the second go learns from every label.
        return make_settings(
            self.preset,
            {
                "steps": self.steps,
                "imputations": self.imputations,
                "refit": self.refit,
                "probe_fraction": 0.0,
                **chosen,
                **self._fixed(),
                **(self.settings or {}),
            },
        )

    # What the relatives below do in another way.

    def _fixed(self) -> dict[str, Any]:
        """Settings that make the method what it is."""
        return {}

    def _rows(self, X: Floats, y: Ints) -> Bools:
        """Which windows are learnt from."""
        return np.ones(len(X), dtype=bool)

    def _learn_means(self, X: Floats, y: Ints) -> None:
        """Learn by what a missing view is filled, where no imputer does."""

    def _taken(self, X: Floats) -> Floats:
        """Windows as the model is given them."""
        return X


class Smvae(SiMvae):
    """SMVAE: SiMVAE without missing views, Eq. 7 of Du et al. 2018 (P2: ``chain = False, missing = "drop", c1 = 0``).

    It learns from the windows that have all views, and has no imputer: for a prediction the features of a missing view
    are set to their means in training (and in `contributions` to the 0 that an imputer says which has learnt nothing:
    the same, for the model's inputs are centred). Parameters and attributes are those of `SiMvae`; `imputations` has no
    effect.
    """

    def _fixed(self) -> dict[str, Any]:
        return {"chain": False, "missing": "drop", "c1": 0.0, "c3": 0.0, "imputer_decay": 0.0, "imputations": 0}

    def _rows(self, X: Floats, y: Ints) -> Bools:
        return np.asarray(seen_views(X, self.dims).all(axis=1))

    def _learn_means(self, X: Floats, y: Ints) -> None:
        self._means = _feature_means(X[self._rows(X, y)])

    def _taken(self, X: Floats) -> Floats:
        return _filled(X, self.dims, self._means)


class LabelsOnlyNet(Smvae):
    """The classifier net of SiMVAE trained on labelled windows alone: cross-entropy, the same layers and optimiser.

    The generative half is trained beside it and has no say (``tau = 0, c1 = c3 = 0``). Features of a missing view are
    set to their means over the labelled windows, in training and in prediction. Parameters are those of `SiMvae`.
    """

    def _fixed(self) -> dict[str, Any]:
        return {"tau": 0.0, "c1": 0.0, "c3": 0.0, "imputer_decay": 0.0, "imputations": 0}

    def _rows(self, X: Floats, y: Ints) -> Bools:
        return np.asarray(y >= 0) & seen_views(X, self.dims).any(axis=1)


def _feature_means(X: Floats) -> Floats:
    """Mean of each feature over the windows that have it; 0, the mean of standardised features, where none has."""
    there = np.isfinite(X)
    sums: Floats = np.where(there, X, 0.0).sum(axis=0)
    return np.asarray(sums / np.maximum(there.sum(axis=0), 1))


def _filled(X: Floats, dims: Sequence[int], means: Floats) -> Floats:
    """X with means in missing views; windows without any view stay as they are, for there is nothing to tell."""
    seen = seen_views(X, dims)
    there = np.repeat(seen | ~seen.any(axis=1, keepdims=True), dims, axis=1)
    out: Floats = np.where(there, X, means)
    return out
