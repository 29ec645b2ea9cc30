"""From what happened to labels: the BIDS events of each run's recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from calibration.folder import CalibrationFolder
from calibration.labels.bids import new_label_file, write_label_file
from calibration.labels.survey import Survey, survey_recording
from calibration.labels.track import LabelSegment
from calibration.machine import LabelledSegment
from rtemo.labels import events_path
from rtemo.sources import open_recording

COLUMNS: Final = ("trial", "attempt", "intended", "practice")


def write_missing_labels(
    session: CalibrationFolder, on_recording: Callable[[Path], None] = lambda path: None
) -> list[Path]:
    """Write the events of every run that has none yet; what is there, and may have been mended, stays.

    A run in which no trial was done gets none.

    Parameters
    ----------
    session : CalibrationFolder
    on_recording : callable
        Told each recording before it is read.

    Returns
    -------
    list of Path
        The events files that were written.

    Raises
    ------
    RecordingError
        A recording cannot be read.
    """
    written = []
    for number, name in sorted(session.logbook.progress.runs.items()):
        recording = session.path / name
        target = events_path(recording)
        shown = session.logbook.progress.segments(number)
        if not recording.is_file() or target.exists() or (session.protocol is not None and not shown):
            continue
        on_recording(recording)
        source = open_recording(recording)
        try:
            survey = survey_recording(source, session.config)
        finally:
            source.close()
        if session.protocol is None:
            segments: Sequence[LabelSegment] = survey.marked
        else:
            segments = [_segment(segment, survey) for segment in shown]
        answers = sorted({name for segment in segments for name in segment.cells} - set(COLUMNS))
        labels = new_label_file(segments, (*COLUMNS, *answers) if session.protocol is not None else ("trial",))
        write_label_file(target, labels, levels=session.config.labels)
        written.append(target)
    return written


def _segment(segment: LabelledSegment, survey: Survey) -> LabelSegment:
    """A trial as a row of the events file; a practice trial has no label."""
    answers = {name: f"{said:g}" if isinstance(said, float) else str(said) for name, said in segment.answers.items()}
    cells = {
        **answers,
        "trial": str(segment.trial),
        "attempt": str(segment.attempt),
        "intended": segment.intended or "",
        "practice": "1" if segment.practice else "0",
    }
    # A stimulus that began before the first sample did is labelled from there.
    start_s = max(segment.start_s - survey.first_s, 0.0)
    return LabelSegment(
        start_s, segment.stop_s - survey.first_s, "" if segment.practice else segment.label or "", cells
    )
