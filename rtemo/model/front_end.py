"""A linear map of each view, fitted on all training windows, labelled or not: whitened PCA, CCA, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtemo.model.settings import SimvaeSettings

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
CLAMP = 8.0
# A direction with less than this share of the mean variance is noise that whitening would blow up.
RANK_TOLERANCE = 1e-6


@dataclass(frozen=True)
class ViewMap:
    """One view's map: ``clip((clip(x, -8, 8) - offset) @ matrix, -8, 8)``; just ``clip(x, -8, 8)`` without a matrix.

    Parameters
    ----------
    offset : ndarray, shape (features,)
    matrix : ndarray, shape (features, outputs), or None
    """

    offset: Floats
    matrix: Floats | None

    def __call__(self, x: Floats) -> Floats:
        """Map (windows, features) to (windows, outputs); NaN rows stay NaN."""
        x = np.clip(x, -CLAMP, CLAMP)
        return x if self.matrix is None else np.clip((x - self.offset) @ self.matrix, -CLAMP, CLAMP)

    @property
    def outputs(self) -> int:
        """How many there are."""
        return len(self.offset) if self.matrix is None else self.matrix.shape[1]

    @property
    def weights(self) -> Floats:
        """The matrix, (features, outputs), made where it is the identity."""
        return np.eye(len(self.offset)) if self.matrix is None else self.matrix

    def inverse(self, u: Floats) -> Floats:
        """The features (windows, features) whose image is nearest to u (windows, outputs), the smallest such."""
        return u if self.matrix is None else self.offset + u @ np.linalg.pinv(self.matrix)


@dataclass(frozen=True)
class FrontEnd:
    """The maps of all views, in the order of the views.

    Parameters
    ----------
    maps : tuple of ViewMap
        To the inputs of the model.
    beyond : tuple of ViewMap
        To what only psi sees beside them: it tells the other views, and what says little of the class may say much of
        these. Outputs may be none.
    """

    maps: tuple[ViewMap, ...]
    beyond: tuple[ViewMap, ...]

    @property
    def dims(self) -> tuple[int, ...]:
        """Outputs a view: the inputs of the model."""
        return tuple(view.outputs for view in self.maps)

    @property
    def dims_beyond(self) -> tuple[int, ...]:
        """Further inputs of psi a view."""
        return tuple(view.outputs for view in self.beyond)

    @property
    def features(self) -> tuple[int, ...]:
        """Inputs a view."""
        return tuple(len(view.offset) for view in self.maps)

    def __call__(self, views: Sequence[Floats]) -> list[Floats]:
        """Map each view, (windows, features) to (windows, outputs)."""
        return [view(x) for view, x in zip(self.maps, views, strict=True)]

    def there(self, available: Bools) -> Bools:
        """Which of the `inputs` are there, (windows, D + E), from which views are, (windows, V)."""
        return np.repeat(np.hstack([available, available]), [*self.dims, *self.dims_beyond], axis=1)

    def inputs(self, views: Sequence[Floats]) -> Floats:
        """All that the model is given, (windows, D + E): inputs of all views side by side, then what only psi sees."""
        return np.hstack([*self(views), *(view(x) for view, x in zip(self.beyond, views, strict=True))])

    def shown(self, views: Sequence[Floats], available: Bools) -> Floats:
        """The `inputs` with 0 in views that are not available, (windows, V)."""
        return np.where(self.there(available), self.inputs(views), 0.0)


def fit_front_end(views: Sequence[Floats], settings: SimvaeSettings) -> FrontEnd:
    """Fit the maps.

    Parameters
    ----------
    views : sequence of ndarray, shape (windows, features)
        Standardised; rows of NaN where the view is missing.
    settings : SimvaeSettings
        ``front_end, pca_size, pca_ridge, cca_size, front_end_ridge, imputer_size``. With one view, CCA is PCA of
        ``cca_size``, and there is nothing to tell from what is beyond.
    """
    if settings.front_end == "none":
        nothing = tuple(ViewMap(np.zeros(x.shape[1]), np.zeros((x.shape[1], 0))) for x in views)
        return FrontEnd(tuple(ViewMap(np.zeros(x.shape[1]), None) for x in views), nothing)
    # A row that is not finite is a missing view: clipped first, an infinite one would pass for eight.
    clipped = [np.clip(np.where(np.isfinite(x).all(axis=1, keepdims=True), x, np.nan), -CLAMP, CLAMP) for x in views]
    moments = [_moments(x) for x in clipped]
    matrices: list[list[Floats]] = [[] for _ in views]
    if settings.front_end in ("cca", "both"):
        size = settings.cca_size
        ridge = settings.front_end_ridge
        shared = _cca(clipped, moments, size, ridge) if len(views) > 1 else _pca(moments, size, 0.0)
        for matrix, found in zip(matrices, shared, strict=True):
            matrix.append(found)
    beyond = [np.zeros((x.shape[1], 0)) for x in views]
    if settings.front_end in ("pca", "shrunk", "both"):
        size = settings.pca_size
        ridge = settings.pca_ridge if settings.front_end == "shrunk" else 0.0
        for matrix, found in zip(matrices, _pca(moments, size, ridge), strict=True):
            matrix.append(found)
        if len(views) > 1 and settings.imputer_size > size:
            beyond = [whole[:, size:] for whole in _pca(moments, settings.imputer_size, settings.pca_ridge)]
    return FrontEnd(
        tuple(ViewMap(mean, np.hstack(m)) for (mean, _), m in zip(moments, matrices, strict=True)),
        tuple(ViewMap(mean, further) for (mean, _), further in zip(moments, beyond, strict=True)),
    )


def _moments(x: Floats) -> tuple[Floats, Floats]:
    """Mean and covariance over the rows that are there."""
    rows = x[np.isfinite(x).all(axis=1)]
    if len(rows) < 2:
        return np.zeros(x.shape[1]), np.eye(x.shape[1])
    mean = rows.mean(axis=0)
    centred = rows - mean
    return mean, centred.T @ centred / len(rows)


def _whitener(covariance: Floats, ridge: float, size: int | None = None) -> Floats:
    """Leading directions of a covariance, scaled to unit variance (with `ridge` times the mean variance added)."""
    variance, directions = np.linalg.eigh(covariance)
    order = np.argsort(variance)[::-1]
    variance, directions = variance[order], _fix_signs(directions[:, order])
    mean = max(float(variance.mean()), 1e-12)
    kept = max(int((variance > RANK_TOLERANCE * mean).sum()), 1)
    kept = kept if size is None else min(kept, size)
    return np.asarray(directions[:, :kept] / np.sqrt(np.maximum(variance[:kept], RANK_TOLERANCE * mean) + ridge * mean))


def _pca(moments: Sequence[tuple[Floats, Floats]], size: int, ridge: float) -> list[Floats]:
    return [_whitener(covariance, ridge, size) for _, covariance in moments]


def _cca(views: Sequence[Floats], moments: Sequence[tuple[Floats, Floats]], size: int, ridge: float) -> list[Floats]:
    """Canonical directions: leading eigenvectors of the correlations between whitened views (MAXVAR).

    With two views this is CCA. Covariances between two views come from the windows that hold both.
    """
    whiteners = [_whitener(covariance, ridge) for _, covariance in moments]
    ends = np.cumsum([0] + [w.shape[1] for w in whiteners])
    white = [(x - mean) @ w for x, (mean, _), w in zip(views, moments, whiteners, strict=True)]
    there = [np.isfinite(x).all(axis=1) for x in white]
    joint = np.eye(ends[-1])
    for first in range(len(views)):
        for second in range(first):
            both = there[first] & there[second]
            if both.sum() > 1:
                cross = white[first][both].T @ white[second][both] / both.sum()
                joint[ends[first] : ends[first + 1], ends[second] : ends[second + 1]] = cross
                joint[ends[second] : ends[second + 1], ends[first] : ends[first + 1]] = cross.T
    _, vectors = np.linalg.eigh(joint)
    size = min(size, *(w.shape[1] for w in whiteners))
    leading = _fix_signs(vectors[:, ::-1][:, :size])
    matrices = []
    for view, (whitener, (_, covariance)) in enumerate(zip(whiteners, moments, strict=True)):
        directions = whitener @ leading[ends[view] : ends[view + 1]]
        std = np.sqrt(np.maximum(np.einsum("ij,ik,kj->j", directions, covariance, directions), 1e-12))
        matrices.append(directions / std)
    return matrices


def _fix_signs(vectors: Floats) -> Floats:
    """Eigenvectors whose largest entry is positive: the same on every machine."""
    largest = np.abs(vectors).argmax(axis=0)
    signs: Floats = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return vectors * np.where(signs == 0, 1.0, signs)
