"""Labelled segments and what can be done to them; no operation changes a track, each gives another one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rtemo.errors import LabelError
from rtemo.labels import EDGE_S, NO_VALUE, REQUIRED_COLUMNS, TRIAL_COLUMN

NO_LABEL = NO_VALUE
"""A segment without a label has an empty one here, and this one in the file."""
DECIMALS = 6
"""Seconds are kept to a microsecond, which is `EDGE_S`: as near as edges of windows and segments are told apart."""
MOST_S = 1e8
"""Three years: no recording is longer, and numbers beyond it lose their microseconds."""
MOST_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class LabelSegment:
    """A stretch of a recording and its label.

    Parameters
    ----------
    start_s, stop_s : float
        Since the first sample of the recording.
    label : str
        Empty: none, as for a practice trial or an answer in the dead zone.
    cells : mapping of str to str
        The row of the events file that it was read from, and what else is known by column: trial, attempt, intended
        label, answers.
    """

    start_s: float
    stop_s: float
    label: str
    cells: Mapping[str, str] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return self.stop_s - self.start_s

    def overlap_s(self, other: LabelSegment) -> float:
        """Seconds that both cover."""
        return max(0.0, min(self.stop_s, other.stop_s) - max(self.start_s, other.start_s))

    def __str__(self) -> str:
        return f"{self.label or NO_LABEL!s} from {seconds(self.start_s)} to {seconds(self.stop_s)} s"


@dataclass(frozen=True, slots=True)
class LabelTrack:
    """The segments of a recording, in order of their beginnings.

    A file may hold segments that overlap; a track holds them too, so that they can be mended. No operation makes an
    overlap that was not there, or a larger one.

    Parameters
    ----------
    segments : tuple of LabelSegment
    """

    segments: tuple[LabelSegment, ...] = ()

    def __post_init__(self) -> None:
        in_order = tuple(sorted(self.segments, key=lambda segment: (segment.start_s, segment.stop_s)))
        object.__setattr__(self, "segments", in_order)

    def __len__(self) -> int:
        return len(self.segments)

    def segment(self, number: int) -> LabelSegment:
        """The segment of a number, counted from 0.

        Raises
        ------
        LabelError
            There is none.
        """
        if not 0 <= number < len(self.segments):
            there = f"there are {len(self.segments)}" if self.segments else "there is none"
            raise LabelError(f"no segment has the number {number + 1}: {there}.", cure="See rtemo label --list.")
        return self.segments[number]

    def number_of(self, segment: LabelSegment) -> int | None:
        """The number of this very segment."""
        return next((number for number, one in enumerate(self.segments) if one is segment), None)

    def at(self, moment_s: float) -> int | None:
        """The number of the segment that covers a moment; of several, the shortest."""
        there = [n for n, one in enumerate(self.segments) if one.start_s <= moment_s < one.stop_s]
        return min(there, key=lambda number: self.segments[number].duration_s, default=None)

    def room(self, number: int) -> tuple[float, float]:
        """How far to either side a segment's edges can be moved before they meet its neighbours."""
        segment = self.segment(number)
        others = [one for one in self.segments if one is not segment]
        before = [one.stop_s for one in others if one.start_s <= segment.start_s]
        after = [one.start_s for one in others if one.start_s > segment.start_s]
        low, high = max(before, default=-math.inf), min(after, default=math.inf)
        return min(low, segment.start_s), max(high, segment.stop_s)

    def free(self, moment_s: float) -> tuple[float, float]:
        """The stretch without any segment around a moment; an empty one where a segment covers it."""
        if self.at(moment_s) is not None:
            return moment_s, moment_s
        low = max((one.stop_s for one in self.segments if one.stop_s <= moment_s), default=-math.inf)
        high = min((one.start_s for one in self.segments if one.start_s > moment_s), default=math.inf)
        return low, high

    def add(self, segment: LabelSegment) -> LabelTrack:
        """With one more segment.

        Raises
        ------
        LabelError
            It overlaps another one, has no length, or a label that cannot be written.
        """
        added = _sound(segment)
        self._refuse_overlap(added, None)
        return LabelTrack((*self.segments, added))

    def move(self, number: int, *, start_s: float | None = None, stop_s: float | None = None) -> LabelTrack:
        """With other edges of a segment.

        Raises
        ------
        LabelError
            There is no such segment, it would overlap another one, or have no length.
        """
        old = self.segment(number)
        new = _sound(
            replace(
                old,
                start_s=old.start_s if start_s is None else start_s,
                stop_s=old.stop_s if stop_s is None else stop_s,
            )
        )
        self._refuse_overlap(new, old)
        return self._with(old, new)

    def split(self, number: int, at_s: float) -> LabelTrack:
        """With two segments in place of one; both keep what was known of it.

        They are parts of one trial, which training never splits: without a number of a trial, both get a new one.

        Raises
        ------
        LabelError
            There is no such segment, or the moment does not lie inside.
        """
        old = self.segment(number)
        at_s = round(at_s, DECIMALS)
        if not old.start_s + EDGE_S < at_s < old.stop_s - EDGE_S:
            raise LabelError(f"{seconds(at_s)} s does not lie inside {old}.", cure="Split it between its edges.")
        cells = old.cells if _trial(old) else {**old.cells, TRIAL_COLUMN: self._new_trial()}
        halves = replace(old, stop_s=at_s, cells=cells), replace(old, start_s=at_s, cells=cells)
        return self._with(old, *(_sound(half) for half in halves))

    def relabel(self, number: int, label: str) -> LabelTrack:
        """With another label of a segment; empty for none.

        Raises
        ------
        LabelError
            There is no such segment, or the label cannot be written.
        """
        old = self.segment(number)
        # What the file called it, which may have been another name of the old label, is true no longer.
        cells = {name: text for name, text in old.cells.items() if name != REQUIRED_COLUMNS[2]}
        return self._with(old, replace(old, label=checked_label(label), cells=cells))

    def delete(self, number: int) -> LabelTrack:
        """Without a segment.

        Raises
        ------
        LabelError
            There is no such segment.
        """
        return self._with(self.segment(number))

    def merge(self, number: int) -> LabelTrack:
        """With one segment in place of this one and the next, and of what lies between.

        Of what was known of them, what both say is kept.

        Raises
        ------
        LabelError
            There is no next segment, or it has another label.
        """
        first = self.segment(number)
        if number + 1 == len(self.segments):
            raise LabelError(f"no segment follows {first}.", cure="Merge it from the one before.")
        second = self.segments[number + 1]
        if first.label != second.label:
            raise LabelError(
                f"{first} and {second} have different labels.", cure="Give them the same label before you merge them."
            )
        same = {name: text for name, text in first.cells.items() if second.cells.get(name) == text}
        stop_s = max(first.stop_s, second.stop_s)
        merged = LabelSegment(first.start_s, stop_s, first.label, same)
        kept = tuple(one for one in self.segments if one is not first and one is not second)
        track = LabelTrack(kept)
        track._refuse_overlap(merged, None)
        return LabelTrack((*kept, merged))

    def overlaps(self) -> list[tuple[int, int, float]]:
        """Numbers of every two segments that overlap, and by how many seconds."""
        found = []
        for first, one in enumerate(self.segments):
            for second in range(first + 1, len(self.segments)):
                if self.segments[second].start_s >= one.stop_s - EDGE_S:
                    break
                overlap_s = one.overlap_s(self.segments[second])
                if overlap_s > EDGE_S:
                    found.append((first, second, overlap_s))
        return found

    def _new_trial(self) -> str:
        """A number that no trial has."""
        numbers = [int(name) for one in self.segments if (name := _trial(one)).isdecimal() and len(name) < 10]
        return str(max(numbers, default=0) + 1)

    def _with(self, old: LabelSegment, *new: LabelSegment) -> LabelTrack:
        return LabelTrack((*(one for one in self.segments if one is not old), *new))

    def _refuse_overlap(self, new: LabelSegment, old: LabelSegment | None) -> None:
        for other in self.segments:
            before_s = 0.0 if old is None else old.overlap_s(other)
            if other is not old and new.overlap_s(other) > before_s + EDGE_S:
                raise LabelError(
                    f"{new} would overlap {other}.", cure="A moment has one label: shorten or delete one of them."
                )


def checked_label(label: str) -> str:
    """A label that an events file can hold; ``n/a`` is none.

    Raises
    ------
    LabelError
    """
    label = label.strip()
    if label in ("", NO_LABEL):
        return ""
    if len(label) > MOST_CHARACTERS or not label.isprintable():
        raise LabelError(
            f"{label[:MOST_CHARACTERS]!r} cannot be a label: expected at most {MOST_CHARACTERS} printable characters.",
            cure="Use a short word.",
        )
    return label


def seconds(value: float) -> str:
    """Seconds as an events file says them: microseconds, without zeros that say nothing.

    Examples
    --------
    >>> seconds(12.5), seconds(0.1 + 0.2), seconds(-0.0)
    ('12.5', '0.3', '0')
    """
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _trial(segment: LabelSegment) -> str:
    """What the file calls a segment's trial; empty where it says nothing."""
    name = segment.cells.get(TRIAL_COLUMN, "").strip()
    return "" if name == NO_VALUE else name


def _sound(segment: LabelSegment) -> LabelSegment:
    start_s, stop_s = round(segment.start_s, DECIMALS), round(segment.stop_s, DECIMALS)
    if not (abs(start_s) < MOST_S and abs(stop_s) < MOST_S):
        raise LabelError(
            f"expected seconds since the first sample, found {segment.start_s:g} and {segment.stop_s:g}.",
            cure="Count from the beginning of the recording.",
        )
    if stop_s - start_s <= EDGE_S:
        raise LabelError(
            f"expected a segment that ends after it begins, found {seconds(start_s)} to {seconds(stop_s)} s.",
            cure="Give the beginning first.",
        )
    return replace(segment, start_s=start_s, stop_s=stop_s, label=checked_label(segment.label))
