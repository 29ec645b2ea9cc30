"""What was done to a track, one step at a time, there and back."""

from __future__ import annotations

from dataclasses import dataclass

from calibration.labels.track import LabelTrack

MOST_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """A state of the track, and what led to it."""

    track: LabelTrack
    what: str


class History:
    """The states of a track.

    Parameters
    ----------
    track : LabelTrack
        As it was read.
    saved : bool
        False where a file does not hold it yet.
    """

    def __init__(self, track: LabelTrack, *, saved: bool = True) -> None:
        self._steps = [Step(track, "")]
        self._now = 0
        self._saved: LabelTrack | None = track if saved else None

    @property
    def track(self) -> LabelTrack:
        """As it is now."""
        return self._steps[self._now].track

    @property
    def unsaved(self) -> bool:
        """Whether the track differs from what was saved last."""
        return self._saved is None or self.track != self._saved

    @property
    def undoes(self) -> str:
        """What `undo` would take back; empty where there is nothing."""
        return self._steps[self._now].what if self._now else ""

    @property
    def redoes(self) -> str:
        """What `redo` would do again; empty where there is nothing."""
        return self._steps[self._now + 1].what if self._now + 1 < len(self._steps) else ""

    def do(self, track: LabelTrack, what: str) -> None:
        """Go on to another state; what was undone is forgotten. Nothing happens where it is the same state."""
        if track == self.track:
            return
        del self._steps[self._now + 1 :]
        self._steps.append(Step(track, what))
        if len(self._steps) > MOST_STEPS:
            del self._steps[0]
        self._now = len(self._steps) - 1

    def undo(self) -> str:
        """Go back by a step; gives what was taken back, empty where there was nothing."""
        what = self.undoes
        self._now = max(0, self._now - 1)
        return what

    def redo(self) -> str:
        """Go forth by a step; gives what was done again, empty where there was nothing."""
        what = self.redoes
        self._now = min(len(self._steps) - 1, self._now + 1)
        return what

    def mark_saved(self) -> None:
        """The present state is in the file."""
        self._saved = self.track
