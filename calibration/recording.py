"""One run of a session from its streams to its labels, whoever shows the stimuli."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from calibration.folder import CalibrationFolder
from calibration.machine import Stage
from calibration.recorded_run import RecordedRun
from calibration.stimulus_outlet import StimulusOutlet
from rtemo.config import Configuration

DONE: Final = "done"
"""How trials end that were all done."""


def streams_of(session: CalibrationFolder) -> Configuration:
    """The session's configuration as its streams are looked for: our own markers need no search."""
    if session.protocol is None:
        return session.config
    return session.config.model_copy(update={"markers": None})


def record(
    session: CalibrationFolder,
    show: Callable[[RecordedRun, StimulusOutlet], str],
    *,
    wait_s: float,
    on_wait: Callable[[list[str]], None],
    ending: threading.Event,
    on_marker: Callable[[str], None] = lambda text: None,
) -> str:
    """Record a run.

    Parameters
    ----------
    session : CalibrationFolder
    show : callable
        Takes the participant through the trials; gives ``"done"`` or why it ended before.
    wait_s : float
        How long streams are waited for.
    on_wait : callable
        Told which streams are looked for.
    ending : threading.Event
        Ends the search for streams.
    on_marker : callable
        See `RecordedRun`.

    Returns
    -------
    str
        How it ended; ``"interrupted"`` where it was stopped before it began.

    Raises
    ------
    StreamError
        A stream is not there, or cannot be used.
    BaseException
        Whatever went wrong, after everything was written.
    """
    logbook = session.logbook
    if logbook.progress.stage is not Stage.CHECK:
        logbook.close_interrupted()
        logbook.write("stage", stage=Stage.CHECK.value)
    outlet = StimulusOutlet(session.session)
    run = RecordedRun(streams_of(session), on_marker=on_marker)
    try:
        run.find(wait_s, on_wait, ending)
        if ending.is_set():
            return "interrupted"
        number = logbook.progress.run + 1
        recording = f"run-{number}.xdf"
        logbook.write("run", number=number, recording=recording)
        run.start(session.path / recording, session.path / f"run-{number}.jsonl", session.session, outlet.xml)
        if session.protocol is None:
            logbook.write("stage", stage=Stage.TRIALS.value)
        # Whoever wanted an end meanwhile gets it.
        outcome = "interrupted" if ending.is_set() else show(run, outlet)
        if session.protocol is None and outcome != DONE:
            logbook.write("stopped", reason=outcome)
        return outcome
    finally:
        try:
            run.stop()
        finally:
            outlet.close()
