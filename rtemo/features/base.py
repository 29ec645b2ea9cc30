"""What an extractor is: samples of one view in, features of closed windows out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rtemo.grid import Grid
from rtemo.types import Floats, StreamDescription


class ExtractorSettings(BaseModel):
    """Base of an extractor's settings: the table ``[views.<view>.settings]``, in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class ViewSource:
    """What an extractor is told of the samples that it will get.

    Parameters
    ----------
    view : str
        Name of the view, for messages.
    description : StreamDescription
        Of the chosen channels only, in the order in which they come.
    grid : Grid
        Windows and cells.
    columns : mapping of str to str
        The view's ``columns``: which channel plays which part.
    """

    view: str
    description: StreamDescription
    grid: Grid
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Repair:
    """What stands in for the bad channels of a window.

    Parameters
    ----------
    bad : ndarray of intp, shape (bad,)
        Indices of the bad channels, ascending.
    weights : ndarray of float64, shape (bad, channels)
        Each bad channel as a sum of good ones, 0 at all bad ones. A row of NaN: there is no such sum, and the channel's
        features are NaN, which standardising turns into the mean of calibration.
    """

    bad: NDArray[np.intp]
    weights: Floats

    def mend(self, signals: NDArray[Any]) -> None:
        """Put the sums in the place of the bad channels, in an array of shape (..., channels)."""
        # Only columns with a weight are touched: what a bad channel holds may not be finite.
        used = np.flatnonzero(np.nan_to_num(self.weights).any(axis=0))
        sums = signals[..., used] @ self.weights[:, used].T
        sums[..., np.isnan(self.weights).any(axis=1)] = np.nan
        signals[..., self.bad] = sums


@dataclass(frozen=True, slots=True)
class ClosingWindow:
    """The window whose features are asked for.

    Parameters
    ----------
    index : int
        Number on the grid.
    start_s, stop_s : float
        LSL clock seconds.
    cells : range
        Its cells, in the numbering of `Extractor.push`.
    samples : int
        How many samples of the view's stream lie in it.
    repair : Repair or None
        For extractors that say ``repairs = True``: channels that are bad in it, and what stands in for them.
    """

    index: int
    start_s: float
    stop_s: float
    cells: range
    samples: int
    repair: Repair | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Quality:
    """How good the signal of a view is in one window.

    Parameters
    ----------
    scores : ndarray of float64, shape (names,)
        From 1 (nothing amiss) to 0; below a half is bad. One a channel, or one a measure: see `Judge.quality_names`.
    bad : mapping of str to str
        Why a channel counts as bad, by its name: one word, such as ``"flat"``.
    missing : str
        Why the view must be missing; empty where it need not.
    repair : Repair or None
        What stands in for bad channels; None where none is bad.
    state : object
        The judge's own: how it stands after the window, should that close with this quality.
    """

    scores: Floats
    bad: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""
    repair: Repair | None = None
    state: object = None


class Judge(Protocol):
    """Judges the signal of a view, window by window: a monitor of channels, or an extractor itself.

    Attributes
    ----------
    quality_names : tuple of str
        What the scores are of, known after ``reset``.
    """

    @property
    def quality_names(self) -> tuple[str, ...]:
        """Names of the scores."""
        ...

    def judge(self, window: ClosingWindow) -> Quality:
        """Quality of a window, from the samples of its cells and earlier ones; may be asked again, changes nothing.

        Asked before `Extractor.close`, of the same windows.
        """
        ...

    def keep(self, quality: Quality) -> None:
        """The window last asked about has closed with this."""
        ...


@dataclass(frozen=True, slots=True)
class Missing:
    """An extractor's answer where the samples are there but are not good enough.

    Parameters
    ----------
    reason : str
        Why, in the words of `FeatureWindow.reason`.
    """

    reason: str


class Extractor(Protocol):
    """Turns the samples of one view into features, causally, the same live and in replay.

    An extractor is made as ``SomeExtractor(settings)`` with an instance of its ``Settings``; all that changes
    later is state that `reset` makes anew. The order of calls is: `reset` once the stream is known; then,
    mixed, `begin_segment` before the first sample of an unbroken segment, `push` for runs of samples, `close`
    for windows that have closed, in order, and `discard`. What `close` returns must be the same bit for bit
    however the samples were cut into pushes.

    Attributes
    ----------
    Settings : type
        Subclass of `ExtractorSettings`.
    names : tuple of str
        Feature names, known after `reset`, e.g. ``"Fp1:alpha"``.

    Notes
    -----
    Two more attributes are looked for, both False where an extractor has none: ``uses_columns``, whether the view may
    name ``columns``, and ``repairs``, whether the channels of the view are to be watched and bad ones to be named in
    `ClosingWindow.repair`. An extractor that is a `Judge` too judges its signal itself.
    A single feature may be NaN where there is nothing to take it from: standardising turns it into the calibration's
    mean.
    """

    Settings: ClassVar[type[BaseModel]]

    def __init__(self, settings: Any) -> None: ...

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names."""
        ...

    def reset(self, source: ViewSource) -> None:
        """Forget everything and prepare for the channels, rate and windows of `source`.

        Raises
        ------
        ConfigurationError
            The settings do not fit the stream or the window.
        """
        ...

    def begin_segment(self) -> None:
        """The next sample does not continue the last one: let go what is carried from sample to sample.

        Cells already pushed stay needed, for windows that are still open.
        """
        ...

    def push(self, cell: int, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """Take samples in, all of one cell; cells never decrease.

        Parameters
        ----------
        cell : int
            Cell of the grid. Cells between spaced windows come too, for the sake of what is carried along.
        stamps_s : ndarray of float64, shape (samples,)
            LSL clock seconds.
        values : ndarray, shape (samples, channels)
            In the stream's own dtype. Only lent: copy what must be kept.
        """
        ...

    def close(self, window: ClosingWindow) -> Floats | Missing:
        """Features of a window, from samples of its cells and earlier ones.

        Later samples may have been pushed already; they must not count.
        Asked only of windows that no gap touches and that are covered well enough, in order. Samples may be
        missing at the beginning or the end, where the stream began late or ended early.

        Returns
        -------
        ndarray of float64, shape (features,), or Missing
        """
        ...

    def discard(self, before: int) -> None:
        """No window to come holds a cell below `before`."""
        ...
