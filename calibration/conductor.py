"""Runs trials in time: what is shown next, and what the screen's answers mean. No window is known here.

Every entry of the journal is written before the next thing is shown, so whatever ends the program, the journal tells
all that happened. The moments of stimuli are those that the screen reports.

A pause voids the attempt whose stimulus it cuts off, and begins a baseline or a fixation anew; a report's form stays,
and its time, like a rest's, goes on where it stood.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from calibration.attempts import POOR_SIGNAL, AttemptAccount, Markers, Quality
from calibration.journal import JournalError
from calibration.logbook import Logbook
from calibration.machine import SKIPPED, Stage, allowed
from calibration.protocol import Protocol
from calibration.scenes import (
    Answered,
    Chosen,
    Closed,
    Command,
    Fixation,
    Key,
    MediaEnded,
    MediaFailed,
    Message,
    ReportForm,
    Rest,
    Screen,
    ScreenEvent,
    Shown,
)
from calibration.schedule import PlannedTrial
from calibration.selfreport import Answers
from calibration.staging import SHOWN_WITHIN_S, PhaseTimer, Staging
from calibration.status import Phase, Status
from rtemo.clock import Clock

MOST_MEDIA_S: Final = 3600.0
"""A video or a sound that did not end by then never will."""
REPEAT, ACCEPT = "repeat", "accept"


class Conductor:
    """Takes a participant through baseline and trials; `tick` is called many times a second.

    Commands return whether they meant anything at that moment.

    Parameters
    ----------
    protocol : Protocol
    plan : sequence of PlannedTrial
    folder : Path
        Of the protocol: its files count from there.
    screen : Screen
    clock : Clock
        The one of the screen's stamps.
    logbook : Logbook
        Its run is begun, its stage is the check of streams; trials that are done are not shown again.
    markers : Markers
    quality : callable
        How good the signals were between two moments, None while that is not known yet.
    """

    def __init__(
        self,
        protocol: Protocol,
        plan: Sequence[PlannedTrial],
        folder: Path,
        *,
        screen: Screen,
        clock: Clock,
        logbook: Logbook,
        markers: Markers,
        quality: Quality,
    ) -> None:
        self._protocol, self._plan, self._folder = protocol, tuple(plan), folder
        self._screen, self._clock, self._logbook, self._markers = screen, clock, logbook, markers
        self._account = AttemptAccount(logbook, markers, protocol.labels, quality)
        self._staging, self._timer = Staging(screen), PhaseTimer()
        self._scales = protocol.scales()
        self._phase, self._paused, self._outcome = Phase.IDLE, False, ""
        self._trial: PlannedTrial | None = None
        self._ended_by = "time"
        self._goes_on: Callable[[], None] | None = None
        self._told_blocks: set[str] = set()

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do, or it was stopped."""
        return self._phase is Phase.ENDED

    @property
    def status(self) -> Status:
        """How it stands."""
        progress = self._logbook.progress
        return Status(
            phase=self._phase,
            paused=self._paused,
            trial=self._trial,
            attempt=0 if self._trial is None else progress.attempt(self._trial.number),
            done=len(progress.done.keys() | progress.skipped),
            total=len(self._plan),
            left_s=self._timer.left_s(self._clock.now_s()),
            question=self._staging.question,
            outcome=self._outcome,
            unlabelled=progress.unlabelled,
        )

    def begin(self) -> None:
        """Show the instructions; the rest follows by `tick`.

        Raises
        ------
        ValueError
            It was begun already, or the logbook is at another stage or has no run.
        """
        progress = self._logbook.progress
        if self._phase is not Phase.IDLE or progress.stage is not Stage.CHECK or not progress.run:
            raise ValueError(f"cannot begin: {self._phase.value}, stage {progress.stage.value}, run {progress.run}")
        with self._saved():
            self._logbook.close_interrupted()
            first = not progress.attempts and progress.baseline is None
            self._instruct(self._protocol.instructions if first else self._protocol.texts.resumed, self._after_start)

    def tick(self) -> None:
        """Take what the screen tells, and go on where a phase is over.

        Raises
        ------
        JournalError
            The journal cannot be written: nothing more is shown, and the screen is closed.
        """
        if self._phase in (Phase.IDLE, Phase.ENDED):
            return
        with self._saved():
            for event in self._screen.events():
                self._take(event)
                if self.finished:
                    return
            self._advance(self._clock.now_s())

    # -- commands -----------------------------------------------------------------------------------------------------

    def command(self, command: Command) -> bool:
        """Carry out a command by its name; ``pause`` in a pause ends it."""
        match command:
            case "continue":
                return self._continue()
            case "pause":
                return self.resume() if self._paused else self.pause()
            case "resume":
                return self.resume()
            case "skip":
                return self.skip()
            case "redo":
                return self.redo()
            case "abort":
                return self.abort()

    def pause(self) -> bool:
        """Pause."""
        if not self._interruptible:
            return False
        with self._saved():
            now_s = self._clock.now_s()
            if self._phase is Phase.STIMULUS:
                self._void("paused", now_s)
            self._timer.hold(now_s)
            self._markers.push("pause", now_s)
            self._logbook.write("paused", stamp_s=now_s, phase=self._phase.value)
            self._paused = True
            if self._phase is not Phase.REPORT:
                self._show_pause()
        return True

    def resume(self) -> bool:
        """Go on after a pause."""
        if not self._paused:
            return False
        with self._saved():
            now_s = self._clock.now_s()
            self._markers.push("resume", now_s)
            self._logbook.write("resumed", stamp_s=now_s)
            self._paused = False
            match self._phase:
                case Phase.BASELINE:
                    self._show_baseline()
                case Phase.FIXATION:
                    self._show_fixation(self._now())
                case Phase.STIMULUS:
                    self._start(self._now())
                case Phase.REPORT if self._staging.shown:
                    self._timer.run(now_s)
                case Phase.REST:
                    self._show_rest(self._timer.left_s(now_s))
        return True

    def skip(self) -> bool:
        """Leave out the trial that is shown, or what is left of a baseline or a rest."""
        if not self._interruptible:
            return False
        with self._saved():
            now_s = self._clock.now_s()
            if self._phase is Phase.BASELINE:
                self._end_baseline(now_s)
            elif self._account.current is None:
                self._next()
            else:
                self._void(SKIPPED, now_s)
                if self._phase is not Phase.REST:
                    self._show_rest(self._now().rest_s)
        return True

    def redo(self) -> bool:
        """Begin the baseline, the trial that is shown, or in a rest the one before it anew."""
        if not self._interruptible:
            return False
        with self._saved():
            if self._phase is Phase.BASELINE:
                self._show_baseline()
            else:
                self._void("redo", self._clock.now_s())
                self._start(self._now())
        return True

    def abort(self, reason: str = "aborted", text: str = "") -> bool:
        """Stop with everything saved; the session can go on in another run.

        Parameters
        ----------
        reason : str
            A word or two for the journal.
        text : str
            More of it.
        """
        if self._phase is Phase.ENDED:
            return False
        with self._saved():
            self._stop(reason, text)
        return True

    @property
    def _interruptible(self) -> bool:
        return not self._paused and self._phase not in (Phase.IDLE, Phase.INSTRUCTIONS, Phase.ENDED)

    def _continue(self) -> bool:
        """Go on from a message that waits for a key, once it was shown."""
        if self._phase is not Phase.INSTRUCTIONS or not self._staging.shown or self._goes_on is None:
            return False
        goes_on, self._goes_on = self._goes_on, None
        with self._saved():
            goes_on()
        return True

    # -- what the screen tells ----------------------------------------------------------------------------------------

    def _take(self, event: ScreenEvent) -> None:
        match event:
            case Shown():
                self._take_shown(event)
            case MediaEnded(scene_id=number):
                if self._phase is Phase.STIMULUS and not self._paused and self._staging.is_asked_for(number):
                    self._take_end()
            case MediaFailed():
                self._take_failure(event)
            case Answered(scene_id=number, answers=answers):
                if self._phase is Phase.REPORT and self._staging.is_shown(number):
                    self._take_answers(answers, timed_out=False)
            case Chosen():
                if self._staging.takes(event):
                    self._take_choice(event.choice)
            case Key(command=command):
                self.command(command)
            case Closed():
                self._stop("closed", "the window was closed")

    def _take_shown(self, shown: Shown) -> None:
        if self._account.current is not None and self._staging.is_behind_stimulus(shown.scene_id):
            # Whatever came after a stimulus, it is over.
            self._account.stimulus_off(shown.stamp_s, shown.flip, self._ended_by)
        if not self._staging.comes_up(shown) or (self._paused and self._phase is not Phase.REPORT):
            return
        if not self._paused:
            self._timer.run(shown.stamp_s)
        match self._phase:
            case Phase.BASELINE:
                self._markers.push("baseline/start", shown.stamp_s)
            case Phase.FIXATION:
                self._account.fixation(shown.stamp_s, shown.flip, self._now().fixation_s)
            case Phase.STIMULUS:
                self._account.stimulus_on(shown.stamp_s, shown.flip, self._now().stimulus_s)
            case Phase.REPORT:
                self._account.report(shown.stamp_s)
            case Phase.REST:
                self._markers.push(f"rest/{self._now().number}", shown.stamp_s)

    def _take_end(self) -> None:
        if self._staging.shown:
            self._end_stimulus("media")
        else:
            self._stop("media", "a file ended before it was shown")

    def _take_failure(self, failed: MediaFailed) -> None:
        """A file that fails ends the session where it is needed now; what fails afterwards is only noted."""
        stimulus = self._staging.stimulus
        needed = self._phase in (Phase.FIXATION, Phase.STIMULUS)
        if needed and stimulus is not None and stimulus.scene_id == failed.scene_id:
            self._stop("media", f"{self._now().stimulus.file}: {failed.reason}")
        else:
            self._logbook.write("warning", stamp_s=self._clock.now_s(), text=f"media: {failed.reason}")

    def _take_answers(self, answers: Answers, *, timed_out: bool) -> None:
        by_name = {scale.name: scale for scale in self._scales}
        wrong = [name for name, answer in answers.items() if name not in by_name or not by_name[name].takes(answer)]
        if wrong:
            raise ValueError(f"the form was answered with what it does not ask: {wrong}")
        now_s = self._clock.now_s()
        self._account.answers(answers, now_s, timed_out=timed_out)
        self._judge(now_s)
        if self._paused:
            self._phase = Phase.REST
            self._timer.set(self._now().rest_s)
            self._show_pause()
        else:
            self._show_rest(self._now().rest_s)

    def _take_choice(self, choice: str) -> None:
        if choice == ACCEPT:
            self._account.accept(f"{POOR_SIGNAL}, accepted")
        else:
            self._account.repeat()

    # -- what comes next ----------------------------------------------------------------------------------------------

    def _advance(self, now_s: float) -> None:
        if self._phase is Phase.REST:
            self._judge(now_s)
        if self._staging.overdue(now_s):
            self._stop("screen", f"nothing was shown for {SHOWN_WITHIN_S:g} s")
            return
        if self._paused:
            return
        over = self._timer.over(now_s)
        match self._phase:
            case Phase.BASELINE if over:
                self._end_baseline(now_s)
            case Phase.FIXATION if over:
                self._show_stimulus()
            case Phase.STIMULUS if over:
                self._end_stimulus("time")
            case Phase.STIMULUS if self._timer.ran_s(now_s) > MOST_MEDIA_S:
                self._stop("media", f"{self._now().stimulus.file}: did not end within {MOST_MEDIA_S:g} s")
            case Phase.REPORT if over:
                self._take_answers({}, timed_out=True)
            case Phase.REST if over and self._account.current is None:
                self._next()

    def _after_start(self) -> None:
        if self._protocol.baseline_s > 0 and self._logbook.progress.baseline is None:
            self._logbook.write("stage", stage=Stage.BASELINE.value)
            self._show_baseline()
        else:
            self._next()

    def _end_baseline(self, now_s: float) -> None:
        """Note the baseline, where it was shown at all, and go on to the trials."""
        since_s = self._timer.since_s
        if since_s is not None:
            stop_s = max(since_s, min(now_s, since_s + self._protocol.baseline_s))
            self._markers.push("baseline/stop", stop_s)
            self._logbook.write("baseline", start_s=since_s, stop_s=stop_s)
        self._next()

    def _next(self) -> None:
        """Begin the next trial, behind its block's instructions; or end."""
        if allowed(self._logbook.progress.stage, Stage.TRIALS):
            self._logbook.write("stage", stage=Stage.TRIALS.value)
        trial = self._logbook.progress.next_trial(self._plan)
        if trial is None:
            self._finish()
            return
        told = {block.name: block.instructions for block in self._protocol.blocks}.get(trial.block)
        new = trial.block not in self._told_blocks
        self._told_blocks.add(trial.block)
        if told is not None and new:
            self._instruct(told, lambda: self._start(trial))
        else:
            self._start(trial)

    def _start(self, trial: PlannedTrial) -> None:
        self._trial, self._ended_by = trial, "time"
        self._account.start(trial)
        if trial.fixation_s > 0:
            self._show_fixation(trial)
        else:
            self._staging.prepare(trial.stimulus, self._folder)
            self._show_stimulus()

    def _end_stimulus(self, by: str) -> None:
        self._ended_by = by
        if self._protocol.report is None:
            self._show_rest(self._now().rest_s)
            return
        self._phase = Phase.REPORT
        self._timer.set(self._protocol.report.timeout_s)
        self._staging.show(lambda number: ReportForm(number, self._scales), self._clock.now_s())

    def _judge(self, now_s: float) -> None:
        """Ask for the signals' quality, and where it is poor the experimenter."""
        attempt = self._account.current
        if attempt is None or self._staging.question is not None:
            return
        if self._account.judge(now_s) == "ask":
            reason = "" if self._account.quality is None else f": {self._account.quality.reason}"
            text = f"The signal was poor in trial {attempt.trial}{reason}. Repeat the trial?"
            self._staging.ask(text, (REPEAT, ACCEPT))

    def _void(self, reason: str, now_s: float) -> None:
        """Let the current attempt be void, or the accepted one of the latest trial; nothing where there is neither."""
        self._staging.withdraw()
        attempt = self._account.current
        if attempt is None:
            attempt = self._account.latest(self._now().number)
        if attempt is not None and attempt.void is None:
            self._account.void(attempt, reason, now_s)

    def _finish(self) -> None:
        now_s = self._clock.now_s()
        self._markers.push("end", now_s)
        self._end("done")
        self._staging.show(lambda number: Message(number, self._protocol.texts.end, continue_key=False), now_s)

    def _stop(self, reason: str, text: str = "") -> None:
        now_s = self._clock.now_s()
        self._staging.withdraw()
        attempt = self._account.current
        if attempt is not None:
            self._account.void(attempt, reason, now_s)
        self._markers.push("end", now_s)
        self._logbook.write("stopped", stamp_s=now_s, reason=reason, text=text)
        self._end(reason)
        self._screen.close()

    def _end(self, outcome: str) -> None:
        self._phase, self._paused, self._outcome = Phase.ENDED, False, outcome
        self._timer.set(None)

    @contextlib.contextmanager
    def _saved(self) -> Iterator[None]:
        """Without a journal nothing is shown any more."""
        try:
            yield
        except JournalError:
            if not self.finished:
                self._end("journal")
                self._screen.close()
            raise

    # -- scenes -------------------------------------------------------------------------------------------------------

    def _instruct(self, text: str, goes_on: Callable[[], None]) -> None:
        self._phase, self._goes_on = Phase.INSTRUCTIONS, goes_on
        self._timer.set(None)
        self._staging.show(lambda number: Message(number, text, continue_key=True), self._clock.now_s())

    def _show_baseline(self) -> None:
        self._phase = Phase.BASELINE
        self._timer.set(self._protocol.baseline_s)
        self._staging.show(Fixation, self._clock.now_s())

    def _show_fixation(self, trial: PlannedTrial) -> None:
        self._phase = Phase.FIXATION
        self._timer.set(trial.fixation_s)
        self._staging.show(Fixation, self._clock.now_s())
        self._staging.prepare(trial.stimulus, self._folder)

    def _show_stimulus(self) -> None:
        self._phase = Phase.STIMULUS
        self._timer.set(self._now().stimulus_s)
        self._staging.show_stimulus(self._clock.now_s())

    def _show_rest(self, length_s: float | None) -> None:
        self._phase = Phase.REST
        self._timer.set(length_s)
        status, text = self.status, self._protocol.texts.rest
        self._staging.show(lambda number: Rest(number, text, status.done, status.total), self._clock.now_s())

    def _show_pause(self) -> None:
        text = self._protocol.texts.pause
        self._staging.show(lambda number: Message(number, text, continue_key=False), self._clock.now_s())

    def _now(self) -> PlannedTrial:
        assert self._trial is not None, "no trial was begun"
        return self._trial
