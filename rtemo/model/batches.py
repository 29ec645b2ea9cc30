"""Batches for training: which windows, and which of their views are hidden.

All of it follows from seed and epoch, so that any epoch can be redone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtemo.model.settings import SimvaeSettings

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Draw:
    """One batch by index.

    Parameters
    ----------
    windows : ndarray of int64, shape (batch,)
        Labelled windows first.
    labelled : int
        How many they are.
    shown : ndarray of bool, shape (batch, V)
        Views that are not hidden from the imputer.
    """

    windows: Ints
    labelled: int
    shown: Bools


class Sampler:
    """Draws the batches of an epoch.

    A mixed batch is made of streams, each a reshuffled cycle through its windows: labelled windows, unlabelled windows,
    and windows with several views where those are rare. An epoch passes once through the unlabelled windows.

    Parameters
    ----------
    labels : ndarray of int64, shape (windows,)
        -1 where unlabelled.
    available : ndarray of bool, shape (windows, V)
    settings : SimvaeSettings
    seed : int
    """

    def __init__(self, labels: Ints, available: Bools, settings: SimvaeSettings, seed: int) -> None:
        self._labels, self._available, self._seed = labels, available, seed
        labelled, unlabelled = np.flatnonzero(labels >= 0), np.flatnonzero(labels < 0)
        size = min(settings.batch_size, len(labels))
        if settings.batch == "uniform" or len(unlabelled) == 0 or len(labelled) == 0:
            self._pools, self._sizes = [np.arange(len(labels))], [size]
        else:
            share = max(settings.labelled_share, len(labelled) / len(labels))
            wanted = min(max(1, round(share * size)), size - 1)
            several = np.flatnonzero(available.sum(axis=1) > 1)
            natural = np.isin(unlabelled, several).mean()
            anchors = 0
            if len(several) and natural < settings.complete_share:
                anchors = min(round(settings.complete_share * size), size - wanted - 1)
            self._pools = [labelled, unlabelled] + ([several] if anchors else [])
            self._sizes = [wanted, size - wanted - anchors] + ([anchors] if anchors else [])
        main = 1 if len(self._pools) > 1 else 0
        self.batches = max(1, -(-len(self._pools[main]) // self._sizes[main]))

    def epoch(self, epoch: int) -> Iterator[Draw]:
        """The batches of one epoch, the same for the same seed."""
        rng = np.random.default_rng([self._seed, 2, epoch])
        streams = [
            cycle(pool, self.batches * size, rng).reshape(self.batches, size)
            for pool, size in zip(self._pools, self._sizes, strict=True)
        ]
        for windows in np.hstack(streams):
            has_label = self._labels[windows] >= 0
            ordered = np.concatenate([windows[has_label], windows[~has_label]])
            yield Draw(ordered, int(has_label.sum()), random_submask(self._available[ordered], rng))


def cycle(pool: Ints, count: int, rng: np.random.Generator) -> Ints:
    """`count` entries of a pool: shuffled, and shuffled anew each time round."""
    rounds = -(-count // len(pool))
    return np.concatenate([rng.permutation(pool) for _ in range(rounds)])[:count]


def random_submask(available: Bools, rng: np.random.Generator) -> Bools:
    """Hide some of the available views of each window: of two or more, at least one is hidden and one shown."""
    count = available.sum(axis=1)
    hidden = np.where(count > 1, 1 + np.floor(rng.random(len(available)) * np.maximum(count - 1, 1)), 0)
    order = np.argsort(np.where(available, rng.random(available.shape), 2.0), axis=1)
    rank = np.argsort(order, axis=1)
    return np.asarray(available & (rank >= hidden[:, None]))
