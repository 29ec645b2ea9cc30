"""Imputers without a model of the data: the mean, the nearest windows, and ridge regressions between views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import NearestNeighbors

from rtemo.evaluation.baselines.base import Bools, seen_views
from rtemo.evaluation.imputers.base import Floats, ViewImputer

ENOUGH = 10
ALPHAS = tuple(10.0**k for k in range(-1, 5))


def slices(dims: Sequence[int]) -> list[slice]:
    """The columns of each view."""
    stops = np.cumsum(dims)
    return [slice(int(stop) - dim, int(stop)) for stop, dim in zip(stops, dims, strict=True)]


def training_means(X: Floats, dims: Sequence[int]) -> Floats:
    """The mean of each feature over the windows that have its view.

    Raises
    ------
    ValueError
        A view is missing in every window.
    """
    seen = seen_views(X, dims)
    for view, column in enumerate(seen.T):
        if not column.any():
            raise ValueError(f"view {view} is missing in all {len(X)} training windows.")
    return np.concatenate([X[rows, part].mean(axis=0) for rows, part in zip(seen.T, slices(dims), strict=True)])


class MeanImputer(ViewImputer):
    """Every missing feature becomes its mean over the training windows.

    Parameters
    ----------
    dims : sequence of int
    """

    def __init__(self, dims: Sequence[int] = ()) -> None:
        self.dims = dims

    def fit(self, X: Floats, y: object = None) -> Self:
        """Learn the means."""
        self.means_ = training_means(X, self.dims)
        return self

    def transform(self, X: Floats) -> Floats:
        """Fill by the means."""
        seen_views(X, self.dims)
        return np.where(np.isfinite(X), X, self.means_)


class NearestImputer(ViewImputer):
    """A missing view becomes its mean over the nearest training windows that have it (Troyanskaya et al. 2001).

    Near is near in the views that are there (Euclidean); a training window counts if it has these and the missing one.
    Where none has, views are left out of the distance from the last on, until one has.

    Parameters
    ----------
    dims : sequence of int
    n_neighbors : int
    """

    def __init__(self, dims: Sequence[int] = (), n_neighbors: int = 10) -> None:
        self.dims = dims
        self.n_neighbors = n_neighbors

    def fit(self, X: Floats, y: object = None) -> Self:
        """Keep the training windows."""
        self.means_ = training_means(X, self.dims)
        self.windows_, self.seen_ = X.copy(), seen_views(X, self.dims)
        return self

    def transform(self, X: Floats) -> Floats:
        """Fill by the nearest training windows, mask by mask."""
        seen = seen_views(X, self.dims)
        out = np.where(np.isfinite(X), X, self.means_)
        parts = slices(self.dims)
        for mask in np.unique(seen, axis=0):
            rows = np.flatnonzero((seen == mask).all(axis=1))
            for view in np.flatnonzero(~mask):
                known = np.flatnonzero(mask)
                donors = np.flatnonzero(self.seen_[:, [*known, view]].all(axis=1))
                while len(known) and not len(donors):
                    known = known[:-1]
                    donors = np.flatnonzero(self.seen_[:, [*known, view]].all(axis=1))
                if len(known):
                    columns = np.concatenate([np.arange(parts[v].start, parts[v].stop) for v in known])
                    near = NearestNeighbors(n_neighbors=min(self.n_neighbors, len(donors)))
                    near.fit(self.windows_[np.ix_(donors, columns)])
                    found = donors[near.kneighbors(X[np.ix_(rows, columns)], return_distance=False)]
                    out[rows, parts[view]] = self.windows_[found, parts[view]].mean(axis=1)
        return out


class IterativeRidgeImputer(ViewImputer):
    """Each view regressed on the others by ridge, in turn, until what is filled changes no more (chained equations).

    The penalty of each regression is chosen by leave-one-out error (`sklearn.linear_model.RidgeCV`). With two views
    this is one regression in either direction, from the windows that have both: those in which one was filled from the
    other would teach that they tell more of each other than they do. With more views, or fewer than `ENOUGH` such
    windows, a regression learns from all that have its view, the others filled.

    Parameters
    ----------
    dims : sequence of int
    max_iter : int
        Rounds at most.
    tol : float
        Stop where filled features change by less than this, root mean square, in standard deviations of the features.
    """

    def __init__(self, dims: Sequence[int] = (), max_iter: int = 5, tol: float = 1e-3) -> None:
        self.dims = dims
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: Floats, y: object = None) -> Self:
        """Learn the regressions, round by round."""
        self.means_ = training_means(X, self.dims)
        seen = seen_views(X, self.dims)
        filled = np.where(np.isfinite(X), X, self.means_)
        self.rounds_: list[list[RidgeCV | None]] = []
        for _ in range(self.max_iter):
            regressions = [self._regression(filled, seen, view) for view in range(len(self.dims))]
            before, filled = filled, self._step(filled, seen, regressions)
            self.rounds_.append(regressions)
            change = np.sqrt(np.mean((filled - before) ** 2))
            if change <= self.tol * max(float(filled.std()), 1e-12):
                break
        return self

    def transform(self, X: Floats) -> Floats:
        """Fill by the regressions, in the rounds in which they were learnt."""
        seen = seen_views(X, self.dims)
        filled = np.where(np.isfinite(X), X, self.means_)
        for regressions in self.rounds_:
            filled = self._step(filled, seen, regressions)
        # Of a window without any view nothing is known but the mean.
        filled[~seen.any(axis=1)] = self.means_
        return filled

    def _others(self, view: int) -> NDArray[np.int64]:
        part = slices(self.dims)[view]
        columns = np.arange(sum(self.dims))
        return np.asarray(columns[(columns < part.start) | (columns >= part.stop)], dtype=np.int64)

    def _regression(self, filled: Floats, seen: Bools, view: int) -> RidgeCV | None:
        others, rows = self._others(view), seen.all(axis=1)
        if len(self.dims) > 2 or rows.sum() < ENOUGH:
            rows = seen[:, view]
        if not len(others) or rows.sum() < 2:
            return None
        return RidgeCV(ALPHAS).fit(filled[np.ix_(rows, others)], filled[rows][:, slices(self.dims)[view]])

    def _step(self, filled: Floats, seen: Bools, regressions: Sequence[RidgeCV | None]) -> Floats:
        """All missing views anew, each from the others as they were before."""
        out = filled.copy()
        for view, (part, regression) in enumerate(zip(slices(self.dims), regressions, strict=True)):
            rows = np.flatnonzero(~seen[:, view] & seen.any(axis=1))
            if regression is not None and len(rows):
                out[rows, part] = regression.predict(filled[np.ix_(rows, self._others(view))]).reshape(len(rows), -1)
        return out
