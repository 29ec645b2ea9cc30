"""Graphs of neighbours, a view each, and what label propagation needs of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import cg
from sklearn.neighbors import NearestNeighbors

from rtemo.errors import ModelError
from rtemo.evaluation.baselines.base import UNLABELLED, Floats, Ints

TOLERANCE = 1e-10


@dataclass(frozen=True, eq=False)
class ViewGraph:
    """The symmetric graph of one view's training windows.

    Parameters
    ----------
    search : NearestNeighbors
        Over the training windows.
    degrees : ndarray of float64, shape (windows,)
        Sums of each window's weights.
    similarity : sparse array of float64, shape (windows, windows)
        ``D^-1/2 W D^-1/2``; the normalised Laplacian is the identity less this.
    """

    search: NearestNeighbors = field(repr=False)
    degrees: Floats
    similarity: sparse.csr_array

    def roughness(self, F: Floats) -> float:
        """``tr(F' L F)``: by how much F differs between neighbours."""
        return float(max((F * (F - self.similarity @ F)).sum(), 0.0))

    def towards(self, x: Floats) -> sparse.csr_array:
        """Normalised weights (windows, training windows) between other windows and those of training."""
        distances, indices = self.search.kneighbors(x)
        weights = _weights(distances, indices, len(self.degrees))
        return (weights @ sparse.diags_array(1 / np.sqrt(self.degrees))).tocsr()


def view_graph(x: Floats, neighbours: int) -> ViewGraph:
    """The graph of a view's windows (windows, features).

    Weights are the adaptive ones of Nie et al. (2016, "The constrained Laplacian rank algorithm"), without a width:
    window i has ``w_ij = (d_i,k+1 - d_ij) / sum_h (d_i,k+1 - d_ih)`` to its k nearest windows j, d squared distances;
    W is the mean of this and its transpose.

    Raises
    ------
    ModelError
        There are fewer than three windows.
    """
    if len(x) < 3:
        raise ModelError(f"a graph of {len(x)} windows: expected at least 3.")
    size = min(neighbours, len(x) - 2)
    search = NearestNeighbors(n_neighbors=size + 1).fit(x)
    distances, indices = search.kneighbors()
    directed = _weights(distances, indices, len(x))
    weights = ((directed + directed.T) / 2).tocsr()
    degrees = np.asarray(weights.sum(axis=1)).ravel()
    scale = sparse.diags_array(1 / np.sqrt(degrees))
    return ViewGraph(search, degrees, (scale @ weights @ scale).tocsr())


def _weights(distances: Floats, indices: Ints, columns: int) -> sparse.csr_array:
    """Adaptive weights from sorted distances (windows, k + 1): each row sums to 1."""
    gap = distances[:, -1:] ** 2 - distances[:, :-1] ** 2
    total = gap.sum(axis=1, keepdims=True)
    # Windows at one distance are neighbours alike.
    weights = np.where(total > 0, gap / np.where(total > 0, total, 1.0), 1 / gap.shape[1])
    ends = np.arange(0, weights.size + 1, gap.shape[1])
    return sparse.csr_array((weights.ravel(), indices[:, :-1].ravel(), ends), shape=(len(weights), columns))


def combined(graphs: Sequence[ViewGraph], weights: Floats) -> sparse.csr_array:
    """The weighted sum of the views' similarities."""
    total = sparse.csr_array(graphs[0].similarity.shape)
    for graph, weight in zip(graphs, weights, strict=True):
        total = (total + weight * graph.similarity).tocsr()
    return total


def one_hot(columns: Ints, classes: int) -> Floats:
    """Labels (windows, K): a one in each labelled window's column, zeros where the column is -1."""
    Y = np.zeros((len(columns), classes))
    known = np.flatnonzero(columns != UNLABELLED)
    Y[known, columns[known]] = 1.0
    return Y


def solve(A: sparse.csr_array, B: Floats, start: Floats) -> Floats:
    """X with ``A X = B`` for a symmetric positive A, by conjugate gradients from a start.

    A part of the graph without a label has B = 0 and keeps the start, which must be 0 there.

    Raises
    ------
    ModelError
        It does not converge.
    """
    scale = sparse.diags_array(1 / A.diagonal())
    X = np.empty_like(B)
    for k in range(B.shape[1]):
        X[:, k], left = cg(A, B[:, k], x0=start[:, k], rtol=TOLERANCE, M=scale)
        if left:
            raise ModelError(f"class {k}: conjugate gradients did not converge in {left} steps.")
    return X


def distributions(F: Floats, shares: Floats) -> Floats:
    """Class probabilities (windows, K) in proportion to F; the classes' shares where no label reaches a window."""
    F = np.maximum(F, 0.0)
    total = F.sum(axis=1, keepdims=True)
    return np.where(total > 0, F / np.where(total > 0, total, 1.0), shares)


def extended(graphs: Sequence[ViewGraph], weights: Floats, F: Floats, views: Sequence[Floats]) -> Floats:
    """F of other windows: what minimises the weighted roughness when they join the graph and F of training stays.

    ``f(x) = sum_v a_v sum_j s_v(x, j) f_j / sum_v a_v``: the harmonic extension (Delalleau, Bengio & Le Roux 2005) for
    normalised Laplacians.
    """
    parts = [a * (graph.towards(x) @ F) for graph, a, x in zip(graphs, weights, views, strict=True)]
    found: Floats = np.sum(parts, axis=0) / weights.sum()
    return found
