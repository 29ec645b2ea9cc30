"""The interface of every imputer: a scikit-learn transformer that fills missing views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

Floats = NDArray[np.float64]


class ViewImputer(TransformerMixin, BaseEstimator):
    """Base of all imputers.

    Parameters of ``__init__`` are keywords: ``dims``, features of each view, first; ``random_state``, an int, where
    chance plays a part. A missing view is NaN throughout a window. What was observed comes out as it was. A window
    without any view gets the mean of the training windows.
    """

    dims: Sequence[int]

    def fit(self, X: Floats, y: object = None) -> Self:
        """Learn from windows (windows, sum of dims), some of whose views are missing.

        Raises
        ------
        ValueError
            A view is missing in every window, or no window is complete where the method needs one.
        """
        raise NotImplementedError

    def transform(self, X: Floats) -> Floats:
        """The same windows with every missing view filled."""
        raise NotImplementedError
