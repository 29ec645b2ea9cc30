"""Trials that another program shows and marks: PsychoPy, E-Prime, Unity."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Final

from calibration.attempts import QUALITY_WITHIN_S, UNKNOWN
from calibration.folder import CalibrationFolder
from calibration.recorded_run import RecordedRun, RunStatus
from calibration.stimulus_outlet import StimulusOutlet
from calibration.trial_quality import trial_quality
from calibration.watch import Watch
from rtemo.clock import Clock, LslClock
from rtemo.config import MarkerSettings
from rtemo.labels import Segment

LOOK_EVERY_S: Final = 0.25


class MarkedTrials:
    """Follows markers as they come, as `rtemo.labels.segments_from_markers` reads them afterwards.

    Only for what has to be said at once: labels are taken from the recording, whose stamps are exact. From any thread.

    Parameters
    ----------
    markers : MarkerSettings
    """

    def __init__(self, markers: MarkerSettings) -> None:
        self._labels = dict(markers.labels)
        self._length_s = math.inf if markers.duration_s is None else markers.duration_s
        self._lock = threading.Lock()
        self._open: tuple[float, str] | None = None
        self._ended: list[Segment] = []

    def take(self, text: str, now_s: float) -> None:
        """Take a marker that came now."""
        with self._lock:
            self._close(now_s)
            label = self._labels.get(text)
            self._open = None if label is None else (now_s, label)

    def ended(self, now_s: float) -> list[Segment]:
        """Trials that have ended since this was asked last."""
        with self._lock:
            if self._open is not None and now_s - self._open[0] >= self._length_s:
                self._close(now_s)
            ended, self._ended = self._ended, []
        return ended

    def end(self, now_s: float) -> None:
        """End the trial that is open, if there is one: nobody waits for its end any more."""
        with self._lock:
            self._close(now_s)

    def _close(self, now_s: float) -> None:
        if self._open is not None:
            start_s, label = self._open
            self._ended.append(Segment(start_s, min(now_s, start_s + self._length_s), label))
            self._open = None


class Attendance:
    """Attends another program's trials until somebody or something ends them.

    Parameters
    ----------
    session : CalibrationFolder
    say : callable
        Takes lines for the experimenter.
    ending : threading.Event
        Set by whoever wants an end.
    duration_s : float
        The longest that it goes on.
    end_marker : str
        A marker that ends it; empty: none.
    clock : Clock, optional
        The LSL local clock where not given.
    """

    def __init__(
        self,
        session: CalibrationFolder,
        say: Callable[[str], None],
        *,
        ending: threading.Event,
        duration_s: float = math.inf,
        end_marker: str = "",
        clock: Clock | None = None,
    ) -> None:
        assert session.config.markers is not None  # checked when the session was begun
        self._session, self._say, self._ending = session, say, ending
        self._duration_s, self._end_marker = duration_s, end_marker
        self._clock = clock or LslClock()
        self._marked = MarkedTrials(session.config.markers)
        self._finished = threading.Event()
        self._watch = Watch(session.config)
        self._waiting: list[tuple[int, Segment]] = []
        self._count = 0

    @property
    def count(self) -> int:
        """How many trials have ended."""
        return self._count

    def take(self, text: str) -> None:
        """Take a marker of the program, in the thread of its stream."""
        self._marked.take(text, self._clock.now_s())
        if self._end_marker and text == self._end_marker:
            self._finished.set()

    def attend(self, run: RecordedRun, outlet: StimulusOutlet, on_status: Callable[[RunStatus, int], None]) -> str:
        """Look after the run until it ends; the last trials' signals are waited for.

        Parameters
        ----------
        run : RecordedRun
            Which records already.
        outlet : StimulusOutlet
            Where the program is asked to repeat a trial: ``repeat/<label>/<number>``.
        on_status : callable
            Told now and then how it stands, and how many trials have ended.

        Returns
        -------
        str
            ``"done"`` for the end marker or the end of the time, ``"interrupted"`` for `ending`, ``"error"``.
        """
        began_s = self._clock.now_s()
        over_s: float | None = None
        while True:
            now_s = self._clock.now_s()
            if over_s is None and (self._finished.is_set() or now_s - began_s >= self._duration_s):
                over_s = now_s
                self._marked.end(now_s)
            self._look(run, outlet, now_s)
            on_status(run.status(), self._count)
            if run.error is not None:
                return "error"
            if over_s is not None and (not self._waiting or now_s - over_s >= QUALITY_WITHIN_S):
                return "done"
            if self._ending.wait(LOOK_EVERY_S):
                # Trials that are over stay over: whoever ends this then only waits no longer.
                return "interrupted" if over_s is None else "done"

    def _look(self, run: RecordedRun, outlet: StimulusOutlet, now_s: float) -> None:
        """Tell what is wrong with the streams, and with the trials that have ended."""
        for line in self._watch.take(run.take_events()):
            self._say(line)
        for segment in self._marked.ended(now_s):
            self._count += 1
            self._waiting.append((self._count, segment))
        waiting, self._waiting = self._waiting, []
        for number, segment in waiting:
            quality = trial_quality(
                run.windows(segment.start_s, segment.stop_s),
                segment.start_s,
                segment.stop_s,
                newest_s=run.judged_until_s,
                grid=self._session.config.window,
            )
            if quality is None and now_s - segment.stop_s < QUALITY_WITHIN_S:
                self._waiting.append((number, segment))
            elif quality is None or quality.poor:
                reason = (quality or UNKNOWN).reason
                line = f"trial {number} ({segment.label}): poor signal: {reason}: better repeat it"
                self._say(line)
                self._session.logbook.write("warning", stamp_s=segment.stop_s, text=line)
                outlet.push(f"repeat/{segment.label}/{number}", self._clock.now_s())
