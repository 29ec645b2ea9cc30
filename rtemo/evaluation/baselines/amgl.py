"""Auto-weighted multiple graph learning (AMGL)."""

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
# The root is not differentiable at 0, where the graph of a view fits the labels without a fault.
SMOOTHING = 1e-10


class Amgl(MultiViewClassifier):
    """AMGL (Nie, Li & Li 2016): class scores F on the graphs of all views, whose weights have no parameter.

    ``min sum_v sqrt(tr(F' L_v F))`` over F (windows, K) with ``F_l = Y_l`` in labelled windows, L_v the normalised
    Laplacian of view v's graph of neighbours. In turn: ``w_v = 1 / (2 sqrt(tr(F' L_v F)))``, and F minimises
    ``sum_v w_v tr(F' L_v F)``, which is the harmonic solution ``F_u = -L_uu^-1 L_ul Y_l`` of ``L = sum_v w_v L_v``
    (published code halves it, which leaves the classes as they are but not the weights). Graphs have adaptive weights
    as there (`graphs.view_graph`), and ten neighbours in place of five: with few labels that is better.

    It labels the training windows; other windows get F by the harmonic extension over the training windows next to
    them in each view. Probabilities are F in proportion; where no label reaches a window, the classes' shares.

    Parameters
    ----------
    dims : sequence of int
    neighbours : int
    """

    def __init__(self, dims: Sequence[int] = (), neighbours: int = 10) -> None:
        self.dims = dims
        self.neighbours = neighbours

    def fit(self, X: Floats, y: Ints, groups: Ints | None = None) -> Self:
        """Label the training windows."""
        del groups
        known = y != UNLABELLED
        self.classes_, columns, counts = np.unique(y[known], return_inverse=True, return_counts=True)
        placed = np.full(len(y), UNLABELLED)
        placed[known] = columns
        graphs = [view_graph(x, self.neighbours) for x in split_views(X, self.dims)]
        self.graphs_: list[ViewGraph] = graphs
        self.view_weights_ = np.full(len(graphs), 1 / len(graphs))
        self.scores_ = one_hot(placed, len(counts))
        self.objectives_: list[float] = []
        labelled, unlabelled = np.flatnonzero(known), np.flatnonzero(~known)
        for _ in range(ROUNDS):
            S = combined(graphs, self.view_weights_)[unlabelled]
            A = sparse.diags_array(np.full(len(unlabelled), self.view_weights_.sum())) - S[:, unlabelled]
            B = S[:, labelled] @ self.scores_[labelled]
            self.scores_[unlabelled] = solve(A.tocsr(), B, self.scores_[unlabelled])
            roots = np.sqrt([graph.roughness(self.scores_) + SMOOTHING for graph in graphs])
            self.view_weights_ = 1 / (2 * roots)
            self.objectives_.append(float(roots.sum()))
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
        F = extended(self.graphs_, self.view_weights_, self.scores_, split_views(X, self.dims))
        return distributions(F, self.shares_)
