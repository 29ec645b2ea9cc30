"""The values that travel along the path of a sample; all are frozen and none holds behaviour of a layer above.

Those that hold arrays are compared by identity: equality of arrays is an array.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

PREDICTION_STREAM, EVENT_STREAM, QUALITY_STREAM = "rtemo-prediction", "rtemo-events", "rtemo-quality"
STATUS_STREAM, COMMAND_STREAM = "rtemo-status", "rtemo-command"
OWN_STREAMS = (PREDICTION_STREAM, EVENT_STREAM, QUALITY_STREAM, STATUS_STREAM, COMMAND_STREAM)
"""Names of the streams of rtemo itself: what a session publishes, how it stands, and what it is asked to do."""
STIMULUS_STREAM = "rtemo-stimulus"
"""Name of the markers of a calibration: an input like others, but nobody's by its type alone."""
SESSION_START = "session-start"
"""The event that opens a session, with ``first_window``, ``length_s`` and ``hop_s``: a replay begins there too."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class StreamDescription:
    """What a stream says of itself.

    Parameters
    ----------
    key : str
        Unique within one source: names are not.
    name, type, source_id, hostname : str
        As in LSL; empty where the stream does not say.
    channel_labels : tuple of str
        One a channel, made up as ``"1"``, ``"2"``, ... where the stream has none.
    channel_units : tuple of str
        One a channel, after the source's own conversion (EEG is always ``"uV"``); empty strings where unknown.
    nominal_rate_hz : float
        0 for an irregular stream.
    is_text : bool
        True for marker streams, whose chunks carry strings.
    continues : str
        Key of the stream that this one goes on from, under another description, in a recording of our own; empty for
        all others. No view finds it by itself: it follows the other one.
    """

    key: str
    name: str
    type: str
    channel_labels: tuple[str, ...]
    nominal_rate_hz: float
    source_id: str = ""
    hostname: str = ""
    channel_units: tuple[str, ...] = ()
    is_text: bool = False
    continues: str = ""

    @property
    def own(self) -> bool:
        """Whether rtemo itself publishes the stream: such a stream is read only where it is asked for by name."""
        return self.name in OWN_STREAMS

    @property
    def named_only(self) -> bool:
        """Whether a configuration that means it must say its name."""
        return self.own or self.name == STIMULUS_STREAM

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.channel_labels)

    def __str__(self) -> str:
        rate = f"{self.nominal_rate_hz:g} Hz" if self.nominal_rate_hz > 0 else "irregular"
        identity = f", source_id {self.source_id!r}" if self.source_id else ""
        return f"{self.name!r} (type {self.type!r}, {self.channels} channels, {rate}{identity})"


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Consecutive samples of one numeric stream, all of one unbroken segment.

    Parameters
    ----------
    stream : str
        Key of the stream.
    stamps_s : ndarray of float64, shape (samples,)
        LSL local-clock seconds, strictly increasing within a segment of a regular stream.
    values : ndarray, shape (samples, channels)
        In the stream's own numeric dtype, or floating after a conversion of units.
    segment : int
        Grows by one at each gap, clock reset or comeback: samples of two segments are not neighbours.
    """

    stream: str
    stamps_s: Floats
    values: NDArray[np.generic]
    segment: int = 0


@dataclass(frozen=True, slots=True)
class Marker:
    """One text sample of a marker stream.

    Parameters
    ----------
    stream : str
        Key of the stream.
    stamp_s : float
        LSL local-clock seconds.
    text : str
        The first channel's string; further channels follow, joined by tabs.
    """

    stream: str
    stamp_s: float
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class FeatureWindow:
    """Features of one window, on the absolute grid ``[index * hop, index * hop + length)``.

    Parameters
    ----------
    index : int
        Window number k on the grid of the LSL clock.
    start_s, stop_s : float
        LSL local-clock seconds.
    features : mapping of str to ndarray of float64, shape (features,)
        By view. All NaN where the view is not available; a single NaN is a feature that there is nothing to take from.
        Before standardising.
    available : mapping of str to bool
        The mask: False is a missing view.
    coverage : mapping of str to float
        Fraction of the expected samples that came, 0 to 1.
    reason : mapping of str to str
        Why a view is missing (``"coverage 0.42 < 0.80"``, ``"gap"``, ``"no stream"``, ...); absent for available views.
    newest_s : float
        Stamp of the newest sample inside the window, NaN where there is none.
    quality : mapping of str to ndarray of float64, shape (scores,)
        By view that is watched: scores from 1 (nothing amiss) to 0, below a half is bad; NaN in a window whose signal
        was not judged, e.g. for a gap. Their names are those of the pipeline.
    bad : mapping of str to mapping of str to str
        By view, why a channel counts as bad, by its label; only views that have such channels.
    """

    index: int
    start_s: float
    stop_s: float
    features: Mapping[str, Floats]
    available: Mapping[str, bool]
    coverage: Mapping[str, float]
    reason: Mapping[str, str] = field(default_factory=dict)
    newest_s: float = float("nan")
    quality: Mapping[str, Floats] = field(default_factory=dict)
    bad: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTable:
    """Features of many windows: what training and evaluation work on.

    Parameters
    ----------
    start_s, stop_s : ndarray of float64, shape (windows,)
        LSL local-clock seconds.
    features : mapping of str to ndarray of float64, shape (windows, features)
        By view, NaN where missing.
    available : mapping of str to ndarray of bool, shape (windows,)
    coverage : mapping of str to ndarray of float64, shape (windows,)
    names : mapping of str to tuple of str
        Feature names by view, e.g. ``"Fp1:alpha"``.
    label : ndarray of str, shape (windows,)
        Empty string where there is none.
    trial : ndarray of int64, shape (windows,)
        Number of the labelled segment that a window lies in, unique across recordings; -1 where none.
    recording : ndarray of int64, shape (windows,)
        Index into ``recordings``.
    recordings : sequence of str
        File names.
    quality : mapping of str to ndarray of float64, shape (windows, scores)
        By view that is watched, see `FeatureWindow`; NaN where the signal was not judged.
    quality_names : mapping of str to tuple of str
        What the scores are of, by view.
    """

    start_s: Floats
    stop_s: Floats
    features: Mapping[str, Floats]
    available: Mapping[str, Bools]
    coverage: Mapping[str, Floats]
    names: Mapping[str, tuple[str, ...]]
    label: NDArray[np.str_]
    trial: NDArray[np.int64]
    recording: NDArray[np.int64]
    recordings: Sequence[str]
    quality: Mapping[str, Floats] = field(default_factory=dict)
    quality_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.start_s)


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the model says of one window.

    Parameters
    ----------
    index : int
        Window number on the grid.
    start_s, stop_s : float
        LSL local-clock seconds.
    label : str
        The most probable label, ``"none"`` where no view was available.
    probabilities : ndarray of float64, shape (labels,)
        The class prior where no view was available.
    spread : float
        Standard deviation of the winning label's probability over imputations of the missing views; 0 with all there.
    posterior_weights : ndarray of float64, shape (views,)
        Weight of each view in the posterior of z; 0 for a missing view.
    contributions : ndarray of float64, shape (views,)
        Shapley value of each view for the probability of ``label``; 0 for a missing view. They sum to
        p(label) - prior(label).
    available : ndarray of bool, shape (views,)
    coverage : ndarray of float64, shape (views,)
    shadow : ndarray of float64, shape (labels,)
        The frozen model's probabilities; equal to ``probabilities`` while nothing adapts.
    age_s : float
        Now minus the newest sample stamp in the window, when published; NaN in a window without samples.
    """

    index: int
    start_s: float
    stop_s: float
    label: str
    probabilities: Floats
    spread: float
    posterior_weights: Floats
    contributions: Floats
    available: Bools
    coverage: Floats
    shadow: Floats
    age_s: float
