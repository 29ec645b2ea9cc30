"""Quality scores as one row of numbers: what the outlet, the recording and quality.csv share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from rtemo.printable import printable
from rtemo.types import FeatureWindow, Floats


def quality_channels(names: Mapping[str, Sequence[str]]) -> list[str]:
    """What each score is called, ``<view>:<name>``, in order; fit to be read, whatever a device calls its channels.

    Parameters
    ----------
    names : mapping of str to sequence of str
        By view that is watched, what its scores are of: see `FeaturePipeline.quality_names`.
    """
    return [printable(f"{view}:{name}") for view, of_view in names.items() for name in of_view]


def quality_scores(window: FeatureWindow, views: Iterable[str]) -> Floats:
    """The scores of a window, view after view, shape (scores,)."""
    return np.concatenate([window.quality[view] for view in views])
