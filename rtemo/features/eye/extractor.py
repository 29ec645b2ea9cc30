"""The extractor ``eye``: from gaze and pupil to the features of closed windows."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from rtemo.errors import ConfigurationError
from rtemo.features.base import ClosingWindow, Missing, Quality, ViewSource
from rtemo.features.eye.columns import EyeColumns, EyeSamples, find_columns
from rtemo.features.eye.events import EventMachine, EyeEvent
from rtemo.features.eye.history import EVENT_FEATURES, EventHistory
from rtemo.features.eye.labelling import SPAN_GAP_S, SampleLabeller
from rtemo.features.eye.pupil import BANDS, PupilBands
from rtemo.features.eye.settings import EyeSettings
from rtemo.types import Bools, Floats

AXES = ("x", "y")
LEAST_HZ = 1 / SPAN_GAP_S
"""A slower stream knows no velocity."""
MOST_FROZEN = 0.5
"""With more of a window's samples frozen, the view is missing."""


WORDS = {"valid": "lost", "moving": "frozen", "on_screen": "off screen", "pupil": "lost"}
"""Why a share is bad, where it is."""
GOOD_AGAIN = 0.6
"""A share that was bad is good again from this score on."""


class EyeTracking:
    """Samples to events: columns, labels and the state machine, one behind the other."""

    def __init__(self, columns: EyeColumns) -> None:
        settings, geometry = columns.settings, columns.geometry
        self.labeller = SampleLabeller(settings, geometry, lids=columns.lids)
        least = settings.min_amplitude if geometry.degrees else 0.0
        self.machine = EventMachine(settings, geometry.distance, geometry.extent, least)

    def end_segment(self) -> None:
        """The next sample does not continue the last one."""
        self.labeller.begin_segment()
        self.machine.end_segment()

    def take(self, samples: EyeSamples) -> Bools:
        """Go on by some samples; gives which of them have closed eyes."""
        labelled, closed = self.labeller.label(samples)
        self.machine.take(labelled)
        return closed


def detect_events(
    stamps_s: Floats,
    values: NDArray[np.generic],
    *,
    labels: Sequence[str],
    columns: Mapping[str, str],
    settings: EyeSettings,
) -> list[EyeEvent]:
    """Events of a recording, as the extractor finds them as they happen.

    Parameters
    ----------
    stamps_s : ndarray of float64, shape (samples,)
        Strictly increasing.
    values : ndarray, shape (samples, channels)
    labels : sequence of str
        Of the channels.
    columns : mapping of str to str
        As in ``[views.<view>] columns``.
    settings : EyeSettings

    Returns
    -------
    list of EyeEvent
        By their start. Breaks in the stamps longer than ``max_gap_s`` are gaps, over which nothing goes on; the last
        fixation before a gap or the end ends there.

    Raises
    ------
    ConfigurationError
        Columns and settings do not fit.
    """
    found = find_columns(columns, tuple(labels), settings, view="eye")
    tracking, events = EyeTracking(found), []
    cuts = np.flatnonzero(np.diff(stamps_s) > settings.max_gap_s) + 1
    for piece in np.split(np.arange(len(stamps_s)), cuts):
        if len(piece):
            tracking.take(found.samples(stamps_s[piece], values[piece]))
            tracking.end_segment()
            events += tracking.machine.taken()
    return sorted(events, key=lambda event: event.start_s)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Of one cell, what its window's figures are made of; each (samples,), pupils (samples, pupils)."""

    stamps_s: Floats
    valid: Bools
    frozen: Bools
    closed: Bools
    on_screen: Bools
    pupils: Floats


class Eye:
    """Extractor ``eye``: the eye features of SEED (Lu et al. 2015) in its order, made causal.

    Pupil: mean and standard deviation over the window, without closed eyes and what is near them, and the differential
    entropy of four slow bands. Two pupils are those of ``pupil_x`` and ``pupil_y``, or of the left and the right eye;
    where there is one, features of the second are absent. Fixations, saccades and blinks: of the last `buffer_s`.
    Durations and latencies are seconds, frequencies 1/s, amplitudes and dispersions degrees or the tracker's units.
    A saccade's latency is the time since the one before it ended. Without anything that tells of closed eyes, features
    of blinks are absent.

    Parameters
    ----------
    settings : EyeSettings
    """

    Settings: ClassVar[type[BaseModel]] = EyeSettings
    uses_columns: ClassVar[bool] = True

    def __init__(self, settings: EyeSettings) -> None:
        self._settings = settings
        self._names: tuple[str, ...] = ()
        self._columns: EyeColumns | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """E.g. ``"pupil_x_mean"``, ``"fixation_duration_max"``."""
        return self._names

    @property
    def quality_names(self) -> tuple[str, ...]:
        """What is judged: shares of samples that are ``valid``, ``moving``, ``on_screen``, and with a ``pupil``."""
        columns = self._known
        more = ("on_screen",) * (columns.extent is not None) + ("pupil",) * bool(len(columns.pupils))
        return ("valid", "moving", *more)

    def reset(self, source: ViewSource) -> None:
        """Forget all samples and find the columns."""
        settings, rate_hz = self._settings, source.description.nominal_rate_hz
        if 0 < rate_hz < LEAST_HZ:
            raise ConfigurationError(
                f"views.{source.view}: eye needs at least {LEAST_HZ:g} Hz, found {source.description}.",
                cure='Choose another stream, or features = "statistics".',
            )
        self._columns = columns = find_columns(
            source.columns, source.description.channel_labels, settings, view=source.view
        )
        self._tracking = EyeTracking(columns)
        self._history = EventHistory(settings.buffer_s)
        self._pupil = PupilBands(len(columns.pupils), settings.buffer_s) if len(columns.pupils) else None
        self._waiting: deque[tuple[int, Floats, Floats, bool]] = deque()
        self._begins = True
        self._cells: dict[int, list[_Seen]] = {}
        self._bad: frozenset[str] = frozenset()
        self._start_anew()
        axes = AXES[: len(columns.pupils)]
        pupil = [f"pupil_{axis}_{figure}" for figure in ("mean", "std") for axis in axes]
        pupil += [f"pupil_{axis}_de_{low:g}-{high:g}" for axis in axes for low, high in BANDS]
        self._events = tuple(name for name in EVENT_FEATURES if columns.tells_of_blinks or "blink" not in name)
        self._names = (*pupil, *self._events)

    def begin_segment(self) -> None:
        """What is under way is broken off; what the last seconds held still counts."""
        self._begins = True

    def push(self, cell: int, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """Keep samples until a window asks: those of later windows must not be seen in it."""
        if not len(stamps_s):
            return
        self._waiting.append((cell, stamps_s.copy(), values.astype(np.float64), self._begins))
        self._begins = False

    def judge(self, window: ClosingWindow) -> Quality:
        """Shares of good samples in a window."""
        self._advance(window.cells.stop)
        seen = self._seen(window.cells)
        if seen is None:
            return Quality(np.zeros(len(self.quality_names)))
        valid, half = _share(seen.valid), self._settings.min_valid
        scores = [min(1.0, 0.5 * valid / half) if half > 0 else 1.0, 1.0 - _share(seen.frozen)]
        if self._known.extent is not None:
            scores.append(_share(seen.on_screen[seen.valid]))
        if self._pupil is not None:
            scores.append(_share(~np.isnan(seen.pupils)))
        named = zip(self.quality_names, scores, strict=True)
        limits = ((name, score, GOOD_AGAIN if name in self._bad else 0.5) for name, score in named)
        bad = {name: WORDS[name] for name, score, limit in limits if score < limit}
        return Quality(np.array(scores), bad, state=frozenset(bad))

    def keep(self, quality: Quality) -> None:
        """What is bad now must be clearly good to be good again."""
        if isinstance(quality.state, frozenset):
            self._bad = quality.state

    def close(self, window: ClosingWindow) -> Floats | Missing:
        """Features, shape (features,), or why gaze is not good enough."""
        self._advance(window.cells.stop)
        seen = self._seen(window.cells)
        if seen is None:
            return Missing("no samples")
        valid, frozen = _share(seen.valid), _share(seen.frozen)
        if valid < self._settings.min_valid:
            return Missing(f"gaze valid in {valid:.0%} of samples < {self._settings.min_valid:.0%}")
        if frozen > MOST_FROZEN:
            return Missing(f"gaze frozen in {frozen:.0%} of samples")
        of_events = self._history.features(window.stop_s, self._tracking.machine.under_way())
        events = [of_events[name] for name in self._events]
        if self._pupil is None:
            return np.array(events)
        sizes = self._window_pupils(seen)
        return np.concatenate([*sizes, self._pupil.entropies().reshape(-1), events])

    def discard(self, before: int) -> None:
        """Forget old samples, but not what they led to."""
        self._advance(before)
        for cell in [cell for cell in self._cells if cell < before]:
            del self._cells[cell]

    @property
    def _known(self) -> EyeColumns:
        if self._columns is None:
            raise RuntimeError("reset comes first")
        return self._columns

    def _start_anew(self) -> None:
        """Nothing goes on from before."""
        self._newest_s = -math.inf
        self._closed_s = -math.inf
        self._still: tuple[float, float, float] = (math.nan, math.nan, math.nan)

    def _advance(self, stop: int) -> None:
        """Go on to the cell `stop`, which stays outside."""
        waiting = self._waiting
        while waiting and waiting[0][0] < stop:
            cell, stamps_s, values, begins = waiting.popleft()
            parts = [(stamps_s, values)]
            while waiting and waiting[0][0] == cell and not waiting[0][3]:
                parts.append(waiting.popleft()[1:3])
            if begins:
                self._tracking.end_segment()
                self._history.begin_segment()
                if self._pupil is not None:
                    self._pupil.begin_segment()
                self._start_anew()
            if len(parts) > 1:
                stamps_s = np.concatenate([stamps for stamps, _ in parts])
                values = np.concatenate([rows for _, rows in parts])
            # What a hostile stream holds may overflow; it is no gaze then, and no warning.
            with np.errstate(over="ignore", invalid="ignore"):
                self._take(cell, stamps_s, values)

    def _take(self, cell: int, stamps_s: Floats, values: Floats) -> None:
        """Go on by samples of one cell."""
        if stamps_s[0] <= self._newest_s or np.count_nonzero(stamps_s[1:] <= stamps_s[:-1]):
            # Irregular streams may stamp twice alike or step back: what is not later is no next sample.
            latest_s = np.maximum.accumulate(np.concatenate([[self._newest_s], stamps_s]))
            later = stamps_s > latest_s[:-1]
            stamps_s, values = stamps_s[later], values[later]
        if not len(stamps_s):
            return
        self._newest_s = float(stamps_s[-1])
        samples = self._known.samples(stamps_s, values)
        closed = self._tracking.take(samples)
        self._history.observe(float(stamps_s[0]), self._newest_s)
        self._history.add(self._tracking.machine.taken())
        frozen = self._frozen(samples) & ~closed
        pupils = samples.pupils
        if self._pupil is not None:
            pupils[self._near_closed(stamps_s, closed)] = math.nan
            self._pupil.take(stamps_s, pupils, ~np.isnan(pupils))
        # Some trackers go on with a gaze while the eyes are closed.
        valid = (samples.eyes > 0) & ~closed
        seen = _Seen(stamps_s, valid, frozen, closed, samples.on_screen, pupils)
        self._cells.setdefault(cell, []).append(seen)

    def _frozen(self, samples: EyeSamples) -> Bools:
        """Which samples repeat a point that has stood still to the last bit for `freeze_s`."""
        stamps_s, points = samples.stamps_s, samples.points
        since_s, *still = self._still
        moved = np.empty(len(points), dtype=bool)
        moved[0] = points[0].tolist() != still
        differs = points[1:] != points[:-1]
        np.logical_or(differs[:, 0], differs[:, 1], out=moved[1:])
        if np.count_nonzero(moved) == len(moved):
            self._still = (float(stamps_s[-1]), *points[-1].tolist())
            return np.zeros(len(moved), dtype=bool)
        started = np.where(moved, np.arange(len(points)), -1)
        np.maximum.accumulate(started, out=started)
        began_s = np.where(started >= 0, stamps_s[started], since_s)
        self._still = (float(began_s[-1]), *points[-1].tolist())
        return np.asarray(stamps_s - began_s > self._settings.freeze_s)

    def _near_closed(self, stamps_s: Floats, closed: Bools) -> Bools:
        """Which samples have closed eyes, or had so just before."""
        if stamps_s[0] - self._closed_s > self._settings.blink_margin_s and not np.count_nonzero(closed):
            return closed
        latest_s = np.where(closed, stamps_s, -math.inf)
        np.maximum.accumulate(latest_s, out=latest_s)
        np.maximum(latest_s, self._closed_s, out=latest_s)
        self._closed_s = float(latest_s[-1])
        return np.asarray(stamps_s - latest_s <= self._settings.blink_margin_s)

    def _seen(self, cells: range) -> _Seen | None:
        """What the samples of a window gave; None without any."""
        parts = [part for cell in cells for part in self._cells.get(cell, ())]
        if len(parts) < 2:
            return parts[0] if parts else None
        return _Seen(*(np.concatenate([getattr(part, name) for part in parts]) for name in _Seen.__slots__))

    def _window_pupils(self, seen: _Seen) -> list[Floats]:
        """Means, then standard deviations, of the pupils in a window; NaN for one that is not seen in it."""
        stamps_s, closing_s = seen.stamps_s, seen.stamps_s[seen.closed]
        sizes = seen.pupils
        if len(closing_s):
            # What comes before closed eyes is known only now that they have closed.
            following = np.searchsorted(closing_s, stamps_s)
            next_s = np.concatenate([closing_s, [math.inf]])[following]
            sizes = np.where((next_s - stamps_s <= self._settings.blink_margin_s)[:, None], np.nan, sizes)
        known = ~np.isnan(sizes)
        if np.count_nonzero(known) == sizes.size:
            mean = np.add.reduce(sizes)
            mean /= len(sizes)
            away = sizes - mean
            away *= away
            deviation = np.add.reduce(away)
            deviation /= len(sizes)
            return [mean, np.sqrt(deviation)]
        count = np.add.reduce(known, dtype=np.intp)
        there = np.maximum(count, 1)
        mean = np.add.reduce(np.where(known, sizes, 0.0)) / there
        away = np.where(known, sizes - mean, 0.0)
        deviation = np.sqrt(np.add.reduce(away * away) / there)
        return [np.where(count > 0, mean, math.nan), np.where(count > 0, deviation, math.nan)]


def _share(flags: Bools) -> float:
    """How many of the flags are set; 0 without any."""
    return np.count_nonzero(flags) / max(flags.size, 1)
