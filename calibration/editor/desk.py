"""What the window works on: the labels of a recording, what is selected, and what is done to them; knows no window."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import numpy as np

from calibration.labels.bids import LabelFile, Written, read_label_file, write_label_file
from calibration.labels.check import Problem, check_labels
from calibration.labels.history import History
from calibration.labels.survey import Survey
from calibration.labels.track import LabelSegment, LabelTrack
from rtemo.config import Configuration
from rtemo.errors import LabelError
from rtemo.labels import events_path
from rtemo.types import Floats

Side = Literal["start", "stop"]
SHORTEST_S: Final = 0.01
"""Of a segment that is dragged."""


class Desk:
    """The labels of a recording while they are edited.

    Parameters
    ----------
    recording : Path
    config : Configuration, optional
        Without it, the labels are those of the events file, and any new one may be typed.

    Attributes
    ----------
    path : Path
        The events file.
    labels : list of str
        That can be chosen.
    history : History
    survey : Survey or None
        Once the recording is read.
    selected : int or None
        Number of a segment.
    cursor_s : float
        Since the first sample.
    label : str
        Of the next segment that is made.
    message : str
        What was done, or why not.
    refused : bool
        Whether the message says why not.
    problems : tuple of Problem

    Raises
    ------
    LabelError
        The events file cannot be read.
    """

    def __init__(self, recording: Path, config: Configuration | None) -> None:
        self.recording, self.config = recording, config
        self.path = events_path(recording)
        self._aliases = config.markers.labels if config is not None and config.markers is not None else {}
        self._file = read_label_file(self.path, None if config is None else config.labels, self._aliases)
        self.history = History(self._file.track)
        found = [segment.label for segment in self._file.track.segments if segment.label]
        self.labels = list(dict.fromkeys(found)) if config is None else list(config.labels)
        self.label = self.labels[0] if self.labels else ""
        self.survey: Survey | None = None
        self.selected: int | None = None
        self.cursor_s = 0.0
        self.message, self.refused = "", False
        self.problems: tuple[Problem, ...] = ()
        self._preview: LabelTrack | None = None
        self._begun_s = math.nan
        self._snaps: Floats = np.empty(0)
        self.check()

    @property
    def track(self) -> LabelTrack:
        """The segments as they are, or as they would be where an edge is dragged."""
        return self.history.track if self._preview is None else self._preview

    @property
    def segment(self) -> LabelSegment | None:
        """The one that is selected."""
        track = self.track
        return track.segments[self.selected] if self.selected is not None and self.selected < len(track) else None

    @property
    def unsaved(self) -> bool:
        """Whether the events file does not hold all of it."""
        return self.history.unsaved

    @property
    def file(self) -> LabelFile:
        """What the events file would hold if it were saved now."""
        return replace(self._file, track=self.history.track)

    @property
    def others(self) -> Sequence[tuple[float, str]]:
        """Rows of the events file that are no segments, as far as they have an onset: when, and what."""
        found = []
        for cells in self._file.others:
            try:
                at_s = float(cells["onset"])
            except ValueError:
                continue
            if math.isfinite(at_s):
                found.append((at_s, cells["trial_type"]))
        return found

    def know(self, survey: Survey) -> None:
        """The recording was read: without an events file, its markers are where labels begin."""
        self.survey = survey
        if survey.marked and not self._file.fingerprint and not len(self.history.track):
            self.history = History(LabelTrack(survey.marked), saved=False)
            self._say(f"{len(survey.marked)} segments from the markers; not saved yet")
        stamps = [marker.stamp_s - survey.first_s for marker in survey.markers]
        self._snaps = np.unique([0.0, survey.duration_s, *stamps])
        self.check()

    def check(self) -> None:
        """Find what is wrong."""
        self.problems = check_labels(self.file, self.config, self.survey)

    def near(self, moment_s: float, within_s: float, *, but: int | None = None) -> float:
        """The marker, edge or end of the recording that is next to a moment; the moment itself where none is near."""
        edges = [
            edge
            for number, one in enumerate(self.history.track.segments)
            if number != but
            for edge in (one.start_s, one.stop_s)
            if abs(edge - moment_s) <= within_s
        ]
        place = int(np.searchsorted(self._snaps, moment_s))
        edges += self._snaps[max(place - 1, 0) : place + 1].tolist()
        nearest = min(edges, key=lambda edge: abs(edge - moment_s), default=moment_s)
        return nearest if abs(nearest - moment_s) <= within_s else moment_s

    def select(self, number: int | None) -> None:
        """Select a segment, or none."""
        self.selected = number if number is not None and 0 <= number < len(self.track) else None

    def go(self, step: int) -> None:
        """Select the next segment, or the one before; the first is the one at the cursor."""
        segments = self.history.track.segments
        if not segments:
            return
        if self.selected is not None:
            number = self.selected + step
        elif step > 0:
            number = next((n for n, one in enumerate(segments) if one.stop_s > self.cursor_s), len(segments) - 1)
        else:
            number = next((n for n in reversed(range(len(segments))) if segments[n].start_s < self.cursor_s), 0)
        self.select(min(max(number, 0), len(segments) - 1))
        if self.segment is not None:
            self.cursor_s = self.segment.start_s

    def go_to_marker(self, step: int) -> None:
        """Put the cursor at the next marker, or the one before."""
        side: Literal["left", "right"] = "right" if step > 0 else "left"
        place = int(np.searchsorted(self._snaps, self.cursor_s + step * 1e-6, side=side)) - (step < 0)
        if 0 <= place < len(self._snaps):
            self.cursor_s = float(self._snaps[place])

    def add(self, start_s: float, stop_s: float, label: str | None = None) -> bool:
        """Make a segment, and select it."""
        chosen = self.label if label is None else label
        low, high = sorted((start_s, stop_s))
        return self._do(lambda track: track.add(LabelSegment(low, high, chosen)), "new segment", at_s=(low + high) / 2)

    def begin(self) -> None:
        """Remember the cursor as the beginning of a new segment."""
        self._begun_s = self.cursor_s
        self._say(f"a segment begins at {self._begun_s:.3f} s; put the cursor at its end and press O")

    def end(self) -> bool:
        """Make a segment from the remembered beginning to the cursor."""
        if not math.isfinite(self._begun_s):
            return self._refuse("press I at the beginning first")
        begun_s, self._begun_s = self._begun_s, math.nan
        return self.add(begun_s, self.cursor_s)

    def drag(self, number: int, side: Side | None, to_s: float) -> None:
        """Show a segment with an edge elsewhere, or all of it, as far as its neighbours let it; `drop` makes it so."""
        track = self.history.track
        segment = track.segment(number)
        low, high = track.room(number)
        if side is None:
            start_s = min(max(to_s, low), high - segment.duration_s)
            moved = {"start_s": start_s, "stop_s": start_s + segment.duration_s}
        elif side == "start":
            moved = {"start_s": min(max(to_s, low), segment.stop_s - SHORTEST_S)}
        else:
            moved = {"stop_s": max(min(to_s, high), segment.start_s + SHORTEST_S)}
        self._preview = self._tried(lambda: track.move(number, **moved))

    def draw(self, start_s: float, stop_s: float) -> None:
        """Show a new segment where it is being drawn; `drop` makes it so."""
        track = self.history.track
        low, high = track.free(start_s)
        first, last = sorted((start_s, min(max(stop_s, low), high)))
        self._preview = self._tried(lambda: track.add(LabelSegment(first, last, self.label)))

    def drop(self, what: str) -> bool:
        """Make so what is shown, and select it; whether anything has become of it."""
        preview, self._preview = self._preview, None
        before = self.history.track
        if preview is None:
            return False
        new = next((one for one in preview.segments if not any(one is old for old in before.segments)), None)
        return new is not None and self._do(lambda _: preview, what, at_s=(new.start_s + new.stop_s) / 2)

    def set_edge(self, side: Side, to_s: float) -> bool:
        """Move an edge of the selected segment."""
        edge = {"start_s" if side == "start" else "stop_s": to_s}
        number = self.selected
        if number is None:
            return self._refuse("select a segment first")
        other = self.track.segment(number)
        at_s = (to_s + (other.stop_s if side == "start" else other.start_s)) / 2
        return self._do(lambda track: track.move(number, **edge), f"other {side}", at_s=at_s)

    def split(self) -> bool:
        """Split the segment at the cursor."""
        number = self.history.track.at(self.cursor_s)
        if number is None:
            return self._refuse("there is no segment at the cursor")
        return self._do(lambda track: track.split(number, self.cursor_s), "split", at_s=self.cursor_s)

    def merge(self) -> bool:
        """Merge the selected segment with the next."""
        return self._selected(lambda track, number: track.merge(number), "merge")

    def delete(self) -> bool:
        """Delete the selected segment."""
        return self._selected(lambda track, number: track.delete(number), "delete", keep=False)

    def relabel(self, label: str) -> bool:
        """Give the selected segment a label; without one, it is that of the next new segment."""
        if label and label not in self.labels:
            if self.config is not None:
                return self._refuse(f"{label!r} is not among the labels of the configuration")
            self.labels.append(label)
        if self.selected is None:
            self.label = label
            self._say(f"new segments get the label {label or 'n/a'}")
            return True
        self.label = label or self.label
        return self._selected(lambda track, number: track.relabel(number, label), f"label {label or 'n/a'}")

    def undo(self) -> None:
        """Take the last change back."""
        what = self.history.undo()
        self._after(f"undone: {what}" if what else "there is nothing to undo")

    def redo(self) -> None:
        """Do again what was taken back."""
        what = self.history.redo()
        self._after(f"done again: {what}" if what else "there is nothing to do again")

    def save(self, *, all_the_same: bool = False) -> Written:
        """Write the events file.

        Parameters
        ----------
        all_the_same : bool
            Also where somebody else has changed it.

        Raises
        ------
        LabelError
            Somebody else has changed the file.
        OSError
            It cannot be written.
        """
        now = self.file
        levels = [] if self.config is None else self.config.labels
        expected = None if all_the_same else self._file.fingerprint
        written = write_label_file(self.path, now, levels=levels, expected=expected)
        columns = dict.fromkeys((*now.columns, *(name for one in now.track.segments for name in one.cells)))
        self._file = replace(now, columns=tuple(columns), fingerprint=written.fingerprint)
        self.history.mark_saved()
        kept = f"; the old one is kept as {written.backups[-1].name}" if written.backups else ""
        self._say(f"saved {self.path.name}{kept}" if written.files else f"{self.path.name} holds all of it already")
        return written

    def _selected(self, work: Callable[[LabelTrack, int], LabelTrack], what: str, *, keep: bool = True) -> bool:
        number = self.selected
        segment = self.segment
        if number is None or segment is None:
            return self._refuse("select a segment first")
        middle_s = (segment.start_s + segment.stop_s) / 2
        return self._do(lambda track: work(track, number), what, at_s=middle_s if keep else None)

    def _do(self, work: Callable[[LabelTrack], LabelTrack], what: str, *, at_s: float | None) -> bool:
        try:
            track = work(self.history.track)
        except LabelError as error:
            return self._refuse(str(error))
        self.history.do(track, what)
        self._after(what)
        self.select(None if at_s is None else track.at(at_s))
        return True

    def _tried(self, work: Callable[[], LabelTrack]) -> LabelTrack | None:
        """What is shown while the mouse is down; where it cannot be, what was shown before."""
        try:
            return work()
        except LabelError:
            return self._preview

    def _after(self, message: str) -> None:
        self._say(message)
        self.select(self.selected)
        self.check()

    def _say(self, message: str) -> None:
        self.message, self.refused = message, False

    def _refuse(self, message: str) -> bool:
        self.message, self.refused = message, True
        return False
