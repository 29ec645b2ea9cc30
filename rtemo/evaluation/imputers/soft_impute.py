"""Completion by a matrix of low rank, found by alternating ridge regressions (SoftImpute-ALS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rtemo.evaluation.baselines.base import Bools, seen_views
from rtemo.evaluation.imputers.base import Floats, ViewImputer
from rtemo.evaluation.imputers.simple import slices, training_means

HELD_OUT = 0.2
PATH = 10
"""Penalties tried at most, each half of the one before."""
STEP = 1 / 2
PATIENCE = 2
SEED_SHARE = 0.01
"""A direction that a larger penalty took out starts again from this share of the penalty: from 0 it never could."""


@dataclass(frozen=True, eq=False)
class LowRank:
    """A matrix U diag(s) V' of low rank.

    Parameters
    ----------
    left : ndarray, shape (rows, rank)
        U, orthonormal.
    values : ndarray, shape (rank,)
        s, singular values.
    right : ndarray, shape (columns, rank)
        V, orthonormal.
    objectives : tuple of float
        What is minimised, after each round.
    """

    left: Floats
    values: Floats
    right: Floats
    objectives: tuple[float, ...] = ()

    @property
    def matrix(self) -> Floats:
        """U diag(s) V'."""
        return np.asarray((self.left * self.values) @ self.right.T)


def soft_impute_als(
    X: Floats, seen: Bools, penalty: float, start: LowRank, *, tol: float = 1e-3, max_iter: int = 200
) -> LowRank:
    """Minimise ``1/2 | P_seen(X - Z) |_F^2 + penalty |Z|_*`` over Z of a rank (Hastie et al. 2015, Algorithm 3.1).

    With Z = A B', the sum of singular values is the least ``(|A|^2 + |B|^2) / 2``. In turn A and B are found by ridge
    regression, of X with what is missing taken from the Z before, and are then balanced, which raises nothing. The last
    step sets singular values that the penalty leaves nothing of to 0.

    Parameters
    ----------
    X : ndarray of float64, shape (rows, columns)
        Anything in missing entries.
    seen : ndarray of bool, shape (rows, columns)
    penalty : float
        Above 0.
    start : LowRank
        Its number of directions is the rank.
    tol : float
        Stop where Z changes by less than this share of its Frobenius norm.
    max_iter : int
    """
    left, values, right = start.left, start.values, start.right
    before = (left * values) @ right.T
    objectives: list[float] = []
    for _ in range(max_iter):
        filled = np.where(seen, X, before)
        right, values, turn = _svd(filled.T @ (left * (values / (values + penalty))))
        left = left @ turn
        filled = np.where(seen, X, (left * values) @ right.T)
        left, values, turn = _svd(filled @ (right * (values / (values + penalty))))
        right = right @ turn
        after = (left * values) @ right.T
        objectives.append(_objective(X, seen, after, values, penalty))
        change = np.linalg.norm(after - before)
        done = change <= tol * max(float(np.linalg.norm(before)), np.finfo(float).tiny)
        before = after
        if done:
            break
    left, values, turn = _svd(np.where(seen, X, before) @ right)
    return LowRank(left, np.maximum(values - penalty, 0.0), right @ turn, tuple(objectives))


def random_start(rows: int, columns: int, rank: int, rng: np.random.Generator) -> LowRank:
    """Directions drawn blindly, to start from."""
    left, _ = np.linalg.qr(rng.normal(size=(rows, rank)))
    right, _ = np.linalg.qr(rng.normal(size=(columns, rank)))
    return LowRank(left, np.ones(rank), right)


def _objective(X: Floats, seen: Bools, Z: Floats, values: Floats, penalty: float) -> float:
    error = (X - Z)[seen]
    return float(0.5 * (error @ error) + penalty * values.sum())


def _svd(matrix: Floats) -> tuple[Floats, Floats, Floats]:
    """U, s and V of a matrix with few columns."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    return left, values, right.T


def _warmer(low: LowRank, penalty: float) -> LowRank:
    return LowRank(low.left, np.maximum(low.values, SEED_SHARE * penalty), low.right)


class SoftImputeAls(ViewImputer):
    """Windows completed to a matrix of low rank (Mazumder et al. 2010; Hastie, Mazumder, Lee & Zadeh 2015).

    Minimised over Z, with Omega the observed entries of the windows less their means::

        1/2 | P_Omega(X - Z) |_F^2 + penalty * |Z|_*

    whose solution is the fixed point ``Z = S_penalty(P_Omega(X) + P_Omega^c(Z))``, S shrinking singular values. A
    window is filled by its ridge projection on ``B = V diag(s)^1/2``, with o the features that are there::

        a = x_o B_o (B_o' B_o + penalty I)^-1,   x_u = a B_u'

    For windows of the training this is Z itself; for others it is what Z would be were B not to change.

    The penalty, where not given, is the best of a path that falls by halves from the one at which Z = 0, each fit
    starting from the one before: in a fifth of the windows that have several views one of these is hidden (which of
    them, as often as it is missing in training), and its error decides.

    Parameters
    ----------
    dims : sequence of int
    penalty : float, optional
    rank : int
        At most; the penalty mostly leaves fewer.
    tol : float
        See `soft_impute_als`.
    max_iter : int
        Of each fit.
    random_state : int
    """

    def __init__(
        self,
        dims: Sequence[int] = (),
        *,
        penalty: float | None = None,
        rank: int = 60,
        tol: float = 1e-3,
        max_iter: int = 200,
        random_state: int = 0,
    ) -> None:
        self.dims = dims
        self.penalty = penalty
        self.rank = rank
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: Floats, y: object = None) -> Self:
        """Learn the right factor, and the penalty where it is not given.

        Raises
        ------
        ValueError
            A view is missing in every window, or `penalty` is not above 0.
        """
        if self.penalty is not None and not self.penalty > 0:
            raise ValueError(f"penalty = {self.penalty}: expected a number above 0.")
        self.means_ = training_means(X, self.dims)
        rng = np.random.default_rng([self.random_state, 0])
        start = random_start(len(X), len(self.means_), min(self.rank, *X.shape), rng)
        # A view of which a part is missing is missing: so it is in training, and so it will be.
        views = seen_views(X, self.dims)
        seen = np.repeat(views, self.dims, axis=1)
        centred = np.where(seen, X - self.means_, 0.0)
        if self.penalty is None:
            self.penalty_, start = self._chosen(centred, views, start, rng)
        else:
            self.penalty_ = float(self.penalty)
        self.low_rank_ = self._fitted(centred, seen, self.penalty_, start)
        self.factor_: Floats = self.low_rank_.right * np.sqrt(self.low_rank_.values)
        return self

    def transform(self, X: Floats) -> Floats:
        """Fill by ridge projection on the right factor, mask by mask."""
        views = seen_views(X, self.dims)
        out = X.copy()
        parts = slices(self.dims)
        for mask in np.unique(views, axis=0):
            if mask.all():
                continue
            rows = np.flatnonzero((views == mask).all(axis=1))
            known, gone = (np.concatenate([np.zeros(0, dtype=np.int64), *_columns(parts, m)]) for m in (mask, ~mask))
            given, wanted = self.factor_[known], self.factor_[gone]
            # For a window without any view this leaves the means.
            gram = given.T @ given + self.penalty_ * np.eye(given.shape[1])
            codes = np.linalg.solve(gram, given.T @ (X[np.ix_(rows, known)] - self.means_[known]).T).T
            out[np.ix_(rows, gone)] = self.means_[gone] + codes @ wanted.T
        return out

    def _fitted(self, X: Floats, seen: Bools, penalty: float, start: LowRank) -> LowRank:
        return soft_impute_als(X, seen, penalty, start, tol=self.tol, max_iter=self.max_iter)

    def _chosen(self, X: Floats, views: Bools, start: LowRank, rng: np.random.Generator) -> tuple[float, LowRank]:
        """The best penalty of the path, and the fit it is reached from."""
        kept = hide_some(views, rng)
        seen = np.repeat(kept, self.dims, axis=1)
        hidden = np.repeat(views & ~kept, self.dims, axis=1)
        penalty = float(np.linalg.norm(np.where(seen, X, 0.0), 2)) or 1.0
        if not hidden.any():
            return penalty * STEP**PATH, start
        best, chosen, worse = np.inf, (penalty, start), 0
        for _ in range(PATH):
            penalty *= STEP
            start = self._fitted(X, seen, penalty, _warmer(start, penalty))
            error = float(np.sum((start.matrix - X)[hidden] ** 2))
            worse = 0 if error < best else worse + 1
            if error < best:
                best, chosen = error, (penalty, _warmer(start, penalty))
            if worse == PATIENCE:
                break
        return chosen


def hide_some(views: Bools, rng: np.random.Generator) -> Bools:
    """Hide one of the views in a fifth of the windows that have several.

    Parameters
    ----------
    views : ndarray of bool, shape (windows, V)
        Which are there.
    rng : Generator

    Returns
    -------
    ndarray of bool, shape (windows, V)
        No view is hidden throughout.
    """
    out = views.copy()
    often = (~views[views.any(axis=1)]).sum(axis=0)
    weights = np.maximum(often, 1 if not often.any() else 0).astype(np.float64)
    several = rng.permutation(np.flatnonzero(views.sum(axis=1) > 1))
    for row in several[: round(HELD_OUT * len(several))]:
        chance = weights * views[row]
        if chance.any():
            view = rng.choice(len(weights), p=chance / chance.sum())
            out[row, view] = out[:, view].sum() <= 1
    return out


def _columns(parts: Sequence[slice], mask: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    return [np.arange(part.start, part.stop) for part, wanted in zip(parts, mask, strict=True) if wanted]
