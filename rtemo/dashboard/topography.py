"""From one value a channel to a picture of the scalp: spherical splines, as one matrix product.

Seen from above, nose up: the distance from the middle is the angle from the vertex.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from rtemo.features.interpolation import FEWEST_GOOD, Interpolator, places_of
from rtemo.types import Bools, Floats

SIZE = 64
EQUATOR = np.pi / 2
BLOCK = 64
"""Pixels at once, or as many as there are channels: an `Interpolator` also relates them to each other."""


class Topography:
    """A map of the scalp for channels that lie where their names say.

    What is slow is done here, about a quarter of a second; a map is a matrix product.

    Parameters
    ----------
    labels : sequence of str
        Of all channels, with or without a place.
    size : int
        Pixels on a side.

    Attributes
    ----------
    positions : ndarray of float64, shape (channels, 2)
        x to the right ear, y to the nose; the head's outline is the unit circle. NaN for channels without a place.
    inside : ndarray of bool, shape (size, size)
        Which pixels lie on the head; row 0 is the lowest y, column 0 the lowest x, and the outermost ones lie on the
        outline.
    """

    def __init__(self, labels: Sequence[str], size: int = SIZE) -> None:
        self.labels = tuple(labels)
        places = places_of(labels)
        angle = np.arccos(np.clip(places[:, 2], -1, 1))
        # Electrodes below the equator still lie on the head.
        self._edge = max(EQUATOR, float(np.nanmax(angle))) if np.isfinite(angle).any() else EQUATOR
        self.positions: Floats = _seen_from_above(places, self._edge)
        along = np.linspace(-1, 1, size)
        x, y = np.meshgrid(along, along)
        self.inside: Bools = np.asarray(np.hypot(x, y) <= 1)
        # Of the channels that have a place, and of no others: a stream may have hundreds that have none.
        self._located = np.flatnonzero(np.isfinite(places).all(axis=1))
        self._bad: frozenset[int] = frozenset()
        self._operator: Floats | None = None
        if self.known:
            self._interpolator = Interpolator(places[self._located])
            pixels = _on_the_head(x[self.inside], y[self.inside], self._edge)
            self._operator = self._whole = _operator(places[self._located], pixels)

    @property
    def known(self) -> bool:
        """Whether enough channels have a place for a map."""
        return len(self._located) >= FEWEST_GOOD

    def picture(self, values: NDArray[np.floating], bad: Collection[str] = ()) -> Floats | None:
        """The map.

        Parameters
        ----------
        values : ndarray, shape (channels,)
            One that is not finite counts as bad.
        bad : collection of str
            Labels of channels that are left out.

        Returns
        -------
        ndarray of float64, shape (size, size), or None
            NaN outside of the head. None where fewer than six good channels have a place.
        """
        if not self.known:
            return None
        located = values[self._located]
        finite = np.isfinite(located)
        left_out = frozenset(
            number for number, at in enumerate(self._located) if not finite[number] or self.labels[at] in bad
        )
        if left_out != self._bad:
            self._bad, self._operator = left_out, self._without(left_out)
        if self._operator is None:
            return None
        used = np.where(finite, located, 0.0)
        picture = np.full(self.inside.shape, np.nan)
        picture[self.inside] = self._operator @ used
        return picture

    def _without(self, bad: frozenset[int]) -> Floats | None:
        """The operator that looks at good channels only; None where they are too few.

        What the splines of the good channels say at a bad one's place lies on those splines, and changes nothing there:
        so it takes the bad one's place.
        """
        if len(self._located) - len(bad) < FEWEST_GOOD:
            return None
        if not bad:
            return self._whole
        at = np.array(sorted(bad), dtype=np.intp)
        operator = self._whole.copy()
        operator[:, at] = 0.0
        return operator + self._whole[:, at] @ self._interpolator.weights(at)


def _operator(places: Floats, pixels: Floats) -> Floats:
    """What each pixel shows as a weighted sum of channels that have a place, shape (pixels, channels)."""
    channels = len(places)
    rows = []
    step = max(BLOCK, channels)
    for first in range(0, len(pixels), step):
        block = pixels[first : first + step]
        at = np.arange(channels, channels + len(block), dtype=np.intp)
        rows.append(Interpolator(np.concatenate([places, block])).weights(at)[:, :channels])
    return np.concatenate(rows)


def _seen_from_above(places: Floats, edge: float) -> Floats:
    """Unit vectors as points of the picture, shape (places, 2)."""
    distance = np.arccos(np.clip(places[:, 2], -1, 1)) / edge
    across = np.hypot(places[:, 0], places[:, 1])
    return np.asarray(places[:, :2] * (distance / np.where(across > 0, across, 1.0))[:, None])


def _on_the_head(x: Floats, y: Floats, edge: float) -> Floats:
    """Points of the picture as unit vectors, shape (points, 3)."""
    angle = np.hypot(x, y) * edge
    across = np.sin(angle) / np.where(angle > 0, angle / edge, 1.0)
    return np.column_stack([x * across, y * across, np.cos(angle)])
