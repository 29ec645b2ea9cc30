"""Adaptive multi-modal semi-supervised classification (AMMSS)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy import sparse

from rtemo.evaluation.baselines.base import UNLABELLED, Floats, Ints, MultiViewClassifier, split_views
from rtemo.evaluation.baselines.graphs import (
    ViewGraph,
    combined,
    distributions,
    extended,
    one_hot,
    solve,
    view_graph,
)

ROUNDS = 100
SETTLED = 1e-8
# A view without any roughness would take all the weight at once, and its logarithm is not a number.
TINY = 1e-12


def view_weights(roughness: Floats, r: float) -> Floats:
    """The weights on the simplex that minimise ``sum_v a_v^r t_v``: in proportion to ``t_v^(1 / (1 - r))``."""
    log = np.log(np.maximum(roughness, TINY)) / (1 - r)
    weights = np.exp(log - log.max())
    found: Floats = weights / weights.sum()
    return found


class Ammss(MultiViewClassifier):
    """AMMSS (Cai, Nie, Cai & Huang 2013): one matrix of class scores F on the graphs of all views, weights learnt.

    ``min sum_v a_v^r tr(F' L_v F) + tr((F - Y)' U (F - Y))`` over F (windows, K) and a on the simplex, L_v the
    normalised Laplacian of view v's graph of neighbours, Y one-hot labels and U diagonal. In turn, in closed form:
    ``F = (sum_v a_v^r L_v + U)^-1 U Y`` and ``a_v ~ tr(F' L_v F)^(1 / (1 - r))``. With one view and the same U in all
    windows it is local and global consistency (Zhou et al. 2004), with U large on labels and 0 elsewhere harmonic
    functions (Zhu et al. 2003). Graphs have adaptive weights (`graphs.view_graph`).

    It labels the training windows; other windows get F by the harmonic extension over the training windows next to
    them in each view. Probabilities are F in proportion; where no label reaches a window, the classes' shares.

    Parameters
    ----------
    dims : sequence of int
    r : float
        Above 1; the nearer to 1, the more the best view has for itself.
    fit_labelled, fit_unlabelled : float
        U where there is a label, and where there is none.
    neighbours : int
    """

    def __init__(
        self,
        dims: Sequence[int] = (),
        r: float = 2.0,
        fit_labelled: float = 100.0,
        fit_unlabelled: float = 0.0,
        neighbours: int = 10,
    ) -> None:
        self.dims = dims
        self.r = r
        self.fit_labelled = fit_labelled
        self.fit_unlabelled = fit_unlabelled
        self.neighbours = neighbours

    def fit(self, X: Floats, y: Ints, groups: Ints | None = None) -> Self:
        """Label the training windows."""
        del groups
        known = y != UNLABELLED
        self.classes_, columns, counts = np.unique(y[known], return_inverse=True, return_counts=True)
        placed = np.full(len(y), UNLABELLED)
        placed[known] = columns
        Y = one_hot(placed, len(counts))
        U = np.where(known, self.fit_labelled, self.fit_unlabelled)
        graphs = [view_graph(x, self.neighbours) for x in split_views(X, self.dims)]
        self.graphs_: list[ViewGraph] = graphs
        self.view_weights_ = np.full(len(graphs), 1 / len(graphs))
        self.scores_ = np.zeros_like(Y)
        self.objectives_: list[float] = []
        for _ in range(ROUNDS):
            powers = self.view_weights_**self.r
            A = sparse.diags_array(powers.sum() + U) - combined(graphs, powers)
            self.scores_ = solve(A.tocsr(), U[:, None] * Y, self.scores_)
            roughness = np.array([graph.roughness(self.scores_) for graph in graphs])
            self.view_weights_ = view_weights(roughness, self.r)
            misfit = (U[:, None] * (self.scores_ - Y) ** 2).sum()
            self.objectives_.append(float(self.view_weights_**self.r @ roughness + misfit))
            if (
                len(self.objectives_) > 1
                and self.objectives_[-2] - self.objectives_[-1] < SETTLED * self.objectives_[-1]
            ):
                break
        self.shares_ = counts / counts.sum()
        self.label_distributions_ = distributions(self.scores_, self.shares_)
        return self

    def predict_proba(self, X: Floats) -> Floats:
        """Class probabilities (windows, K), by the harmonic extension."""
        views = split_views(X, self.dims)
        F = extended(self.graphs_, self.view_weights_**self.r, self.scores_, views)
        return distributions(F, self.shares_)
