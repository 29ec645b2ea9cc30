"""From what happened to labels: the BIDS events of each run's recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from calibration.folder import CalibrationFolder
from calibration.labels.bids import new_label_file, write_label_file
from calibration.labels.survey import Survey, reach_s, survey_recording
from calibration.labels.track import LabelSegment
from calibration.machine import LabelledSegment
from calibration.selfreport import TRIAL_COLUMNS
from rtemo.config import Configuration
from rtemo.errors import RecordingError
from rtemo.labels import EDGE_S, events_path
from rtemo.sources import open_recording


def write_missing_labels(
    session: CalibrationFolder,
    on_recording: Callable[[Path], None] = lambda path: None,
    warn: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Write the events of every run that has none yet; what is there, and may have been mended, stays.

    A run in which no trial was done gets none, nor does one whose recording cannot be read. A trial gets no label whose
    samples are not in the recording, nor one of another program that nothing ended when the run was cut off.

    Parameters
    ----------
    session : CalibrationFolder
    on_recording : callable
        Told each recording before it is read.
    warn : callable
        Told what gets no labels, and why, a line each.

    Returns
    -------
    list of Path
        The events files that were written.

    Raises
    ------
    RecordingError
        A recording cannot be read, and no other run has events.
    """
    written = []
    unread: list[RecordingError] = []
    with_events = False
    for number, name in sorted(session.logbook.progress.runs.items()):
        recording = session.path / name
        target = events_path(recording)
        shown = session.logbook.progress.segments(number)
        with_events |= target.exists()
        if not recording.is_file() or target.exists() or (session.protocol is not None and not shown):
            continue
        on_recording(recording)
        try:
            survey = _survey(recording, session.config)
        except RecordingError as error:
            # A run that was killed before its first sample: the others are none the worse.
            unread.append(error)
            warn(f"{name} gets no labels: {error.message}")
            continue
        limit_s = reach_s(survey, session.config)
        if session.protocol is None:
            segments = _marked(session, number, survey, limit_s, warn)
        else:
            kept = _recorded(shown, name, limit_s, warn)
            if not kept:
                continue
            segments = [_segment(segment, survey) for segment in kept]
        answers = sorted({name for segment in segments for name in segment.cells} - set(TRIAL_COLUMNS))
        columns = (*TRIAL_COLUMNS, *answers) if session.protocol is not None else ("trial",)
        write_label_file(target, new_label_file(segments, columns), levels=session.config.labels)
        written.append(target)
        with_events = True
    if unread and not with_events:
        raise unread[0]
    return written


def _survey(recording: Path, config: Configuration) -> Survey:
    source = open_recording(recording)
    try:
        return survey_recording(source, config)
    finally:
        source.close()


def _marked(
    session: CalibrationFolder, run: int, survey: Survey, limit_s: float, warn: Callable[[str], None]
) -> Sequence[LabelSegment]:
    """Another program's trials; where the run was cut off, without the one that no marker and no length had ended."""
    assert session.config.markers is not None  # checked when the session was begun
    if run in session.logbook.progress.completed or session.config.markers.duration_s is not None or not survey.marked:
        return survey.marked
    last = survey.marked[-1]
    if survey.first_s + last.stop_s < limit_s - EDGE_S:
        return survey.marked
    name = session.logbook.progress.runs[run]
    warn(f"{name}: trial {len(survey.marked)} ({last.label}) gets no label: the run was cut off before it ended")
    return survey.marked[:-1]


def _recorded(
    shown: Sequence[LabelledSegment], name: str, limit_s: float, warn: Callable[[str], None]
) -> list[LabelledSegment]:
    """The trials whose samples are in the recording: a power cut takes what was not on the disk yet."""
    kept = []
    for segment in shown:
        if segment.stop_s <= limit_s:
            kept.append(segment)
        else:
            warn(f"{name}: trial {segment.trial} gets no label: the recording ends before it does")
    return kept


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
