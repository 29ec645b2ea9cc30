"""The stages of a calibration on the command line, each with what it says and how it ends the program."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

import typer

from calibration.external import Attendance
from calibration.folder import BUNDLE, REPORT, RESULT, CalibrationFolder
from calibration.machine import Stage
from calibration.protocol import Protocol
from calibration.recorded_run import RecordedRun, RunStatus
from calibration.recording import DONE, record, streams_of
from calibration.run_labels import write_missing_labels
from calibration.stimulus_outlet import StimulusOutlet
from rtemo.cli.common import progress_bar, warn
from rtemo.errors import ConfigurationError, RecordingError, RtemoError, StreamError
from rtemo.liblsl import configure
from rtemo.printable import printable

if TYPE_CHECKING:
    from calibration.presenter.app import Showing

INTERRUPTED, STREAMS_MISSING = 130, 3
CHECK_WAIT_S = 1.0
UNUSABLE = "do not use"
FAILURES = ("media", "screen", "error")
"""Ways to end early that are nobody's wish."""


@dataclass(frozen=True)
class Attending:
    """When another program's trials are over.

    Parameters
    ----------
    duration_s : float
    end_marker : str
        Empty: none.
    """

    duration_s: float
    end_marker: str


class Stages:
    """Leads a session through its stages.

    Parameters
    ----------
    session : CalibrationFolder
    wait_s : float
        How long streams are waited for.
    device : str, optional
        Where the model is trained; the configuration's if not given.
    options : str
        What must be said again when the session is gone on with, e.g. ``--screen 1``.
    """

    def __init__(self, session: CalibrationFolder, *, wait_s: float, device: str | None, options: str = "") -> None:
        self._session = session
        self._again = f"rtemo calibrate --resume {printable(str(session.path))} {options}".rstrip()
        self._wait_s = wait_s
        self._device = device or session.config.model.device
        self._looking = ""

    def present(self, showing: Showing) -> None:
        """Check the streams and do the trials of the protocol.

        Raises
        ------
        ConfigurationError
            The protocol's sounds or videos cannot be played here.
        StreamError
            A stream is missing or unfit.
        """
        from calibration.presenter.app import present

        session = self._session
        assert session.protocol is not None
        check_kinds(session.protocol)
        ending = threading.Event()

        def show(run: RecordedRun, outlet: StimulusOutlet) -> str:
            return present(session, run, outlet, showing, lambda line: warn([line]))

        self._record(show, ending, lambda text: None, lambda: len(session.logbook.progress.done))

    def attend(self, attending: Attending) -> None:
        """Check the streams and attend the trials of another program, until they are over or Ctrl-C."""
        ending = threading.Event()
        attendance = Attendance(
            self._session,
            lambda line: warn([line]),
            ending=ending,
            duration_s=attending.duration_s,
            end_marker=attending.end_marker,
        )

        def show(run: RecordedRun, outlet: StimulusOutlet) -> str:
            typer.echo("recording; waiting for the program's markers (Ctrl-C ends it)")
            with progress_bar() as progress:
                task = progress.add_task("trials", total=None, note="")

                def tell(status: RunStatus, trials: int) -> None:
                    streams = ", ".join(f"{stream.name} {stream.state.value}" for stream in status.streams)
                    progress.update(task, completed=trials, note=f"{status.elapsed_s:.0f} s  {printable(streams)}")

                return attendance.attend(run, outlet, tell)

        self._record(show, ending, attendance.take, lambda: attendance.count)

    def train(self, *, again: bool) -> None:
        """Train on everything so far, unless that was done, and say what came of it.

        Parameters
        ----------
        again : bool
            Train although it was done.
        """
        from calibration.conclusion import train, verify
        from calibration.training.progress import Progress

        session = self._session
        if again and not session.recordings:
            raise RecordingError(
                f"{session.path}: there is no recording to train on.", cure="Do trials first: rtemo calibrate --resume."
            )
        if again or session.logbook.progress.stage is Stage.TRAIN:
            with progress_bar() as bar:
                task = bar.add_task("training", total=100, note="")

                def tell(progress: Progress) -> None:
                    bar.update(task, completed=int(100 * progress.done / progress.total), note=progress.doing)

                trained = train(
                    session,
                    device=self._device,
                    on_progress=tell,
                    on_recording=lambda recording: bar.update(task, note=f"labelling {recording.name}"),
                    warn=lambda line: warn([line]),
                )
            warn(trained.warnings)
        if session.logbook.progress.stage in (Stage.TRAIN, Stage.VERIFY):
            verified = verify(session, device=self._device)
            typer.echo(f"verified: {verified.seen} of {verified.windows} windows of the last run have a prediction")
        self._conclude()

    def _conclude(self) -> None:
        """Say the verdict; end the program by 1 where the model should not be used."""
        session = self._session
        result = json.loads((session.path / RESULT).read_text(encoding="utf-8"))
        typer.echo(f"bundle -> {printable(str(session.path / BUNDLE))}")
        typer.echo(f"report -> {printable(str(session.path / REPORT))}")
        typer.echo(f"verdict: {result['verdict']}")
        for reason in result["reasons"]:
            typer.echo(f"  {printable(reason)}")
        if result["verdict"] == UNUSABLE:
            raise typer.Exit(1)

    def _record(
        self,
        show: Callable[[RecordedRun, StimulusOutlet], str],
        ending: threading.Event,
        on_marker: Callable[[str], None],
        done: Callable[[], int],
    ) -> None:
        """Check the streams, record a run, and write its labels, whatever ended it."""
        try:
            self._check_streams()
            with _set_by_signals(ending):
                outcome = record(
                    self._session,
                    show,
                    wait_s=self._wait_s,
                    on_wait=self._tell_missing,
                    ending=ending,
                    on_marker=on_marker,
                )
        except BaseException:
            self._write_labels()
            typer.echo(f"go on by: {self._again}")
            raise
        self._after_trials(outcome, done())

    def _check_streams(self) -> None:
        """Refuse to begin where a stream is missing or does not fit.

        Raises
        ------
        ConfigurationError, StreamError, RtemoError
            What doctor found, with its cures.
        """
        from rtemo.doctor import diagnose

        config = streams_of(self._session)
        # The disk that matters is the session's.
        outputs = config.outputs.model_copy(update={"folder": self._session.path})
        config = config.model_copy(update={"outputs": outputs})
        configure(config.network)
        until_s = time.monotonic() + self._wait_s
        while True:
            diagnosis = diagnose(config, network=config.network, wait_s=CHECK_WAIT_S)
            if diagnosis.exit_code != STREAMS_MISSING or time.monotonic() >= until_s:
                break
            self._tell_missing([check.subject for check in diagnosis.checks if check.exit_code == STREAMS_MISSING])
        failures = [check for check in diagnosis.checks if check.level == "fail"]
        warn(f"{check.subject}: {check.finding} {check.cure}" for check in diagnosis.checks if check.level == "warn")
        if failures:
            told = "; ".join(f"{check.subject}: {check.finding}" for check in failures)
            cure = " ".join(dict.fromkeys(check.cure for check in failures))
            kinds: dict[int, type[RtemoError]] = {2: ConfigurationError, STREAMS_MISSING: StreamError}
            raise kinds.get(diagnosis.exit_code, RtemoError)(f"the session cannot begin: {told}", cure=cure)

    def _tell_missing(self, missing: list[str]) -> None:
        line = f"looking for {', '.join(missing)} ..."
        if missing and line != self._looking:
            self._looking = line
            typer.echo(line)

    def _after_trials(self, outcome: str, done: int) -> None:
        """Write labels; go on to training, or end the program with what to do next."""
        session = self._session
        if outcome == DONE:
            session.logbook.write("stage", stage=Stage.TRAIN.value)
        self._write_labels()
        bare = session.logbook.progress.unlabelled
        if bare:
            warn([f"{bare} trials have no label: the report was not filled in, or said neither high nor low"])
        if outcome == DONE:
            return
        why = session.logbook.progress.stopped_text
        told = outcome + (f": {printable(why)}" if why else "")
        typer.echo(f"ended before the last trial ({told}); {done} trials are done and kept")
        typer.echo(f"go on by: {self._again}")
        if outcome in FAILURES:
            raise RtemoError(f"the session ended early: {told}.", cure="Mend that, and go on.")
        raise typer.Exit(INTERRUPTED)

    def _write_labels(self) -> None:
        told = write_missing_labels(
            self._session,
            lambda recording: typer.echo(f"labelling {recording.name} ..."),
            lambda line: warn([line]),
        )
        for path in told:
            typer.echo(f"labels -> {printable(str(path))}")


def check_kinds(protocol: Protocol) -> None:
    """Refuse a protocol with videos or sounds where they cannot be played.

    Raises
    ------
    ConfigurationError
        With the reason, and the cure.
    """
    from calibration.presenter.media import media_support

    if protocol.kinds() & {"video", "sound"}:
        problem = media_support()
        if problem is not None:
            raise ConfigurationError(f"the protocol shows videos or sounds: {problem}")


@contextmanager
def _set_by_signals(ending: threading.Event) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM set an event, while nothing else takes them."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        ending.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
