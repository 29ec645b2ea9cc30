"""What the features of a bad channel are expected to be, given those of the neighbours' sum that stands in for it.

A sum of neighbours is smoother than the channel: on a cap of 19 electrodes its entropies are off by 0.7 standard
deviations in the mean. So calibration puts each channel's features beside those of its substitute, in every good
window, and a line is fitted by least squares. Where the substitute tells nothing, that is the mean of calibration.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtemo.features.reference import FEWEST_WINDOWS
from rtemo.types import Floats

SUMS = 5
"""Windows, and sums of the features, of the substitute's features, of their squares, and of the products of both."""


def mending_sums(features: Floats, substitute: Floats) -> Floats:
    """What one window adds, shape (5, features); nothing where either is NaN."""
    seen = np.isfinite(features) & np.isfinite(substitute)
    x, y = np.where(seen, features, 0.0), np.where(seen, substitute, 0.0)
    return np.stack([seen, x, y, y * y, x * y])


def mend_features(features: Floats, bad: NDArray[np.intp], channels: int, sums: Floats) -> Floats:
    """Features with those of bad channels moved to where they are expected.

    Parameters
    ----------
    features : ndarray of float64, shape (features,)
        Channel by channel, equally many of each.
    bad : ndarray of intp, shape (bad,)
    channels : int
    sums : ndarray of float64, shape (5, features)
        Of calibration, as `mending_sums` gives them. With fewer than ten windows a feature stays as it is.

    Returns
    -------
    ndarray of float64, shape (features,)
    """
    mine = np.isin(np.arange(len(features)) // (len(features) // channels), bad) & (sums[0] >= FEWEST_WINDOWS)
    count, x, y, squares, products = sums[:, mine]
    mean, spread = y / count, np.maximum(squares / count - (y / count) ** 2, 1e-9)
    slope = np.clip((products / count - x / count * mean) / spread, 0.0, 1.0)
    mended = features.copy()
    mended[mine] = x / count + slope * (features[mine] - mean)
    return mended
