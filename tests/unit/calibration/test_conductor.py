"""The conductor, through every path, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_screen import FRAME_S, REPORT, TICK_S, WORDS, Sitting, check_complete, protocol_of

from calibration.attempts import QUALITY_WITHIN_S, TrialQuality
from calibration.conductor import MOST_MEDIA_S
from calibration.journal import JournalError, read_journal
from calibration.machine import Stage
from calibration.scenes import (
    Answered,
    Closed,
    Fixation,
    Key,
    MediaEnded,
    MediaFailed,
    Message,
    ReportForm,
    Rest,
    Shown,
    TextStimulus,
    VideoStimulus,
)
from calibration.staging import SHOWN_WITHIN_S

POOR = TrialQuality(poor=True, reason="eeg is flat", details={"eeg": 0.4})
GOOD = TrialQuality(poor=False, details={"eeg": 1.0})


class Sit:
    """Sits down in a folder, as often as it is asked to; the journals are closed after the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sittings: list[Sitting] = []

    def __call__(self, *, start_s: float = 1000.0, **changes: object) -> Sitting:
        self.sittings.append(Sitting(self.folder, protocol_of(**changes), start_s=start_s))
        return self.sittings[-1]


@pytest.fixture
def sit(tmp_path: Path) -> Iterator[Sit]:
    sit = Sit(tmp_path)
    yield sit
    for sitting in sit.sittings:
        sitting.logbook.close()


@pytest.fixture
def sitting(sit: Sit) -> Sitting:
    return sit()


@pytest.fixture
def reporting(sit: Sit) -> Sitting:
    return sit(report=REPORT)


def with_media(sit: Sit, **timing: object) -> Sitting:
    trials = [
        {"label": label, "stimulus": {"kind": "video", "file": f"{label}.mp4"}, **timing} for label in ("calm", "tense")
    ]
    timing_of_all = {"fixation_s": 0.5, "rest_s": 1.0}
    return sit(blocks=[{"name": "main", "trials": trials}], timing=timing_of_all)


def numbered(sitting: Sitting, word: str) -> list[int]:
    return [int(text.split("/")[-1]) for text in sitting.markers.texts if text.startswith(word + "/")]


def test_a_session_goes_through_all_trials_in_order(sitting: Sitting) -> None:
    sitting.finish()
    progress = sitting.close()
    check_complete(progress, sitting)
    assert sitting.conductor.status.outcome == "done"
    assert numbered(sitting, "stimulus") == [1, 2, 3, 4, 5]
    assert progress.stage is Stage.TRIALS
    assert not sitting.screen.closed
    assert isinstance(sitting.screen.scene, Message)


def test_a_trial_is_cross_then_stimulus_then_rest(sitting: Sitting) -> None:
    sitting.finish()
    shown = [type(scene) for scene in sitting.screen.scenes]
    assert shown[:5] == [Message, Fixation, Fixation, TextStimulus, Rest]
    assert sitting.markers.texts[:7] == [
        "baseline/start",
        "baseline/stop",
        "fixation/1",
        "stimulus/calm/1",
        "stimulus-off/1",
        "rest/1",
        "fixation/2",
    ]
    assert sitting.markers.texts[-1] == "end"


def test_stamps_are_those_of_the_screens_flips(sitting: Sitting) -> None:
    sitting.finish()
    flips = [
        (stamp_s / FRAME_S)
        for text, stamp_s in sitting.markers.pushed
        if text.split("/")[0] in ("stimulus", "stimulus-off")
    ]
    assert all(abs(flip - round(flip)) < 1e-6 for flip in flips)
    (segment, *_) = sitting.close().segments(1)
    assert segment.stop_s - segment.start_s == pytest.approx(2.0, abs=TICK_S + FRAME_S)


def test_markers_and_journal_tell_the_same_moments(sitting: Sitting) -> None:
    sitting.finish()
    marked = dict(sitting.markers.pushed)
    for segment in sitting.close().segments(1):
        assert marked[f"stimulus/{segment.intended}/{segment.trial}"] == segment.start_s
        assert marked[f"stimulus-off/{segment.trial}"] == segment.stop_s


def test_practice_is_recorded_and_never_labelled(sitting: Sitting) -> None:
    sitting.finish()
    practice, *rest = sitting.close().segments(1)
    assert practice.practice
    assert practice.label is None
    assert practice.intended == "calm"
    assert [segment.label for segment in rest] == [segment.intended for segment in rest]


def test_every_entry_is_on_the_disk_before_the_next_scene_is_shown(sit: Sit) -> None:
    sitting = sit(report=REPORT)
    seen: list[tuple[str, list[str]]] = []
    sitting.screen.before_show = lambda scene: seen.append((type(scene).__name__, sitting.kinds()))
    sitting.finish()
    told_before = {name: kinds[-1] for name, kinds in seen}
    assert told_before["Fixation"] == "trial-start"
    assert told_before["TextStimulus"] == "fixation"
    assert told_before["ReportForm"] == "stimulus-on"
    assert told_before["Rest"] == "trial-end"


def test_a_stimulus_is_prepared_while_the_cross_is_shown(sitting: Sitting) -> None:
    sitting.until_phase("fixation", 2)
    prepared = sitting.screen.prepared[-1]
    sitting.until_phase("stimulus", 2)
    assert sitting.screen.scene is prepared


def test_without_fixation_the_stimulus_comes_at_once(sit: Sit) -> None:
    sitting = sit(timing={"fixation_s": 0.0, "stimulus_s": 1.0, "rest_s": 0.0})
    sitting.finish()
    check_complete(sitting.close(), sitting)
    assert not numbered(sitting, "fixation")
    assert sitting.screen.prepared == [scene for scene in sitting.screen.scenes if scene in sitting.screen.prepared]


def test_without_baseline_the_trials_come_at_once(sit: Sit) -> None:
    sitting = sit(baseline_s=0.0)
    sitting.finish()
    progress = sitting.close()
    assert progress.baseline is None
    check_complete(progress, sitting)


def test_a_baseline_is_told_from_its_flip_on(sitting: Sitting) -> None:
    sitting.until_phase("fixation")
    baseline = sitting.close().baseline
    assert baseline is not None
    run, start_s, stop_s = baseline
    assert (run, stop_s - start_s) == (1, pytest.approx(2.0))
    assert dict(sitting.markers.pushed)["baseline/start"] == start_s


def test_instructions_wait_for_the_key(sit: Sit) -> None:
    sitting = sit()
    sitting.screen.continues = False
    sitting.until_phase("instructions")
    sitting.screen._waiting.clear()
    sitting.tick(200)
    assert sitting.conductor.status.phase == "instructions"
    sitting.screen.tell(Key("continue"))
    sitting.tick(2)
    assert sitting.conductor.status.phase == "baseline"


def test_a_block_with_instructions_shows_them_once(sit: Sit) -> None:
    practice, main = WORDS["blocks"]  # type: ignore[misc]
    sitting = sit(blocks=[practice, {**main, "instructions": "Now."}])
    sitting.finish()
    messages = [scene.text for scene in sitting.screen.scenes if isinstance(scene, Message)]
    assert messages == ["Look.", "Now.", sitting.protocol.texts.end]
    check_complete(sitting.close(), sitting)


# -- reports ----------------------------------------------------------------------------------------------------------


def test_answers_are_kept_and_give_the_label(sit: Sit) -> None:
    labels = {"rule": "threshold", "scale": "valence", "low": "tense", "high": "calm"}
    sitting = sit(report=REPORT, labels=labels)
    sitting.finish()
    progress = sitting.close()
    check_complete(progress, sitting)
    assert {segment.label for segment in progress.segments(1)} == {None, "calm"}
    assert all(segment.answers == {"valence": 8.0, "arousal": 3.0} for segment in progress.segments(1))
    assert numbered(sitting, "report") == [1, 2, 3, 4, 5]


def test_a_form_that_is_not_answered_in_time_lets_the_session_go_on(sit: Sit) -> None:
    sitting = sit(report=REPORT)
    sitting.screen.answers = None
    sitting.finish()
    progress = sitting.close()
    check_complete(progress, sitting)
    assert all(not segment.answers for segment in progress.segments(1))
    assert all(entry.details["timed_out"] for entry in read_journal(sitting.path) if entry.kind == "answers")


def test_a_trial_that_is_done_without_a_label_is_told_and_counted(sit: Sit) -> None:
    labels = {"rule": "threshold", "scale": "valence", "low": "tense", "high": "calm"}
    sitting = sit(report=REPORT, labels=labels)
    sitting.until_phase("report", trial=2)
    sitting.screen.answers = {"valence": 5.0}
    sitting.until_phase("fixation", trial=4)
    sitting.screen.answers = None
    assert sitting.conductor.status.unlabelled == 1
    sitting.finish()
    assert sitting.conductor.status.unlabelled == 3
    assert sitting.conductor.status.done == 5
    told = [entry.text("text") for entry in read_journal(sitting.path) if entry.kind == "warning"]
    assert told == [
        "trial 3 is done and has no label: its answers give none",
        "trial 4 is done and has no label: its report was not answered",
        "trial 5 is done and has no label: its report was not answered",
    ]


def test_the_stimulus_ends_when_the_form_is_shown(sit: Sit) -> None:
    sitting = sit(report=REPORT)
    sitting.finish()
    marked = dict(sitting.markers.pushed)
    assert marked["stimulus-off/3"] == marked["report/3"] < marked["rest/3"]


@pytest.mark.parametrize("answers", [{"valence": 10.0}, {"valence": "high"}, {"weight": 3.0}])
def test_an_answer_that_the_form_cannot_give_is_a_fault_of_the_program(
    sit: Sit, answers: dict[str, float | str]
) -> None:
    sitting = sit(report=REPORT)
    sitting.screen.answers = answers
    with pytest.raises(ValueError, match="does not ask"):
        sitting.finish()


def test_answers_to_an_earlier_form_are_passed_over(sit: Sit) -> None:
    sitting = sit(report=REPORT)
    sitting.until_phase("report", 2)
    old = next(scene for scene in sitting.screen.scenes if isinstance(scene, ReportForm))
    sitting.screen.tell(Answered(old.scene_id, {"valence": 1.0, "arousal": 1.0}))
    sitting.tick()
    assert sitting.conductor.status.phase == "report"


# -- media ------------------------------------------------------------------------------------------------------------


def test_a_video_without_a_length_lasts_until_it_ends(sit: Sit) -> None:
    sitting = with_media(sit)
    sitting.screen.media_s = {"calm.mp4": 3.0, "tense.mp4": 4.0}
    sitting.finish()
    lasted = {segment.intended: segment.stop_s - segment.start_s for segment in sitting.close().segments(1)}
    assert lasted == {"calm": pytest.approx(3.0, abs=0.1), "tense": pytest.approx(4.0, abs=0.1)}


def test_a_video_is_cut_at_its_planned_length_and_ends_early_where_it_is_shorter(sit: Sit) -> None:
    sitting = with_media(sit, stimulus_s=2.0)
    sitting.screen.media_s = {"calm.mp4": 3.0, "tense.mp4": 1.0}
    sitting.finish()
    lasted = {segment.intended: segment.stop_s - segment.start_s for segment in sitting.close().segments(1)}
    assert lasted == {"calm": pytest.approx(2.0, abs=0.1), "tense": pytest.approx(1.0, abs=0.1)}
    ended = {entry.details["ended"] for entry in read_journal(sitting.path) if entry.kind == "stimulus-off"}
    assert ended == {"time", "media"}


@pytest.mark.parametrize("when", ["prepared", "shown"])
def test_a_file_that_fails_ends_the_session_with_everything_saved(sit: Sit, when: str) -> None:
    sitting = with_media(sit)
    sitting.screen.media_s = dict.fromkeys(("calm.mp4", "tense.mp4"), 2.0)
    second = sitting.plan[1].stimulus.file
    assert second is not None
    if when == "prepared":
        sitting.screen.failing[second] = "no codec"
    else:
        sitting.until_phase("stimulus", 2)
        sitting.screen.tell(MediaFailed(sitting.screen.scene.scene_id, "no codec"))
    sitting.finish()
    progress = sitting.close()
    assert sitting.conductor.status.outcome == progress.stopped == "media"
    assert progress.done.keys() == {1}
    assert progress.attempts[-1].void == "media"
    assert sitting.screen.closed
    stopped = read_journal(sitting.path)[-1]
    assert stopped.details["text"] == f"{second}: no codec"
    assert sitting.markers.texts[-2:] == ["void/2/media", "end"]


def test_a_video_that_never_ends_ends_the_session(sit: Sit) -> None:
    sitting = with_media(sit)
    sitting.until_phase("stimulus")
    sitting.clock.advance(MOST_MEDIA_S + 1)
    sitting.tick()
    assert sitting.conductor.status.outcome == "media"
    assert sitting.close().attempts[-1].void == "media"


def test_a_video_that_ends_before_it_is_shown_ends_the_session(sit: Sit) -> None:
    sitting = with_media(sit)
    sitting.until(lambda: isinstance(sitting.screen.scene, VideoStimulus))
    sitting.screen._waiting.clear()
    sitting.screen.tell(MediaEnded(sitting.screen.scene.scene_id, sitting.clock.now_s()))
    sitting.tick()
    assert sitting.conductor.status.outcome == "media"


def test_a_failure_of_a_file_that_is_over_is_only_noted(sit: Sit) -> None:
    sitting = with_media(sit)
    sitting.screen.media_s = dict.fromkeys(("calm.mp4", "tense.mp4"), 2.0)
    sitting.until_phase("rest", 1)
    sitting.screen.tell(MediaFailed(sitting.screen.prepared[0].scene_id, "late"))
    sitting.finish()
    assert sitting.kinds().count("warning") == 1
    check_complete(sitting.close(), sitting)


def test_a_screen_that_shows_nothing_ends_the_session(sitting: Sitting) -> None:
    sitting.until_phase("stimulus", 2)
    sitting.screen.shows = False
    sitting.clock.advance(3.0)
    sitting.tick()
    sitting.clock.advance(SHOWN_WITHIN_S + 1)
    sitting.tick()
    assert sitting.conductor.status.outcome == "screen"
    progress = sitting.close()
    assert progress.attempts[-1].void == "screen"
    assert progress.attempts[-1].flip is False


# -- commands ---------------------------------------------------------------------------------------------------------

PHASES = ["fixation", "stimulus", "report", "rest"]


@pytest.mark.parametrize("phase", PHASES)
def test_a_trial_that_is_redone_is_shown_again_at_once(sit: Sit, phase: str) -> None:
    sitting = sit(report=REPORT)
    sitting.until_phase(phase, 2)
    assert sitting.conductor.redo()
    sitting.finish()
    progress = sitting.close()
    check_complete(progress, sitting)
    assert [(a.trial, a.attempt, a.void) for a in progress.attempts][1:3] == [(2, 1, "redo"), (2, 2, None)]
    assert "void/2/redo" in sitting.markers.texts


@pytest.mark.parametrize("phase", PHASES[:3])
def test_a_skipped_trial_is_left_out(sit: Sit, phase: str) -> None:
    sitting = sit(report=REPORT)
    sitting.until_phase(phase, 3)
    sitting.screen.tell(Key("skip"))
    sitting.finish()
    progress = sitting.close()
    assert progress.done.keys() == {1, 2, 4, 5}
    assert progress.skipped == {3}
    assert progress.next_trial(sitting.plan) is None
    assert sitting.conductor.status.done == 5


def test_a_skipped_trial_can_be_redone_in_the_rest_after_it(sitting: Sitting) -> None:
    sitting.until_phase("stimulus", 2)
    sitting.conductor.skip()
    sitting.until_phase("rest", 2)
    sitting.conductor.redo()
    sitting.finish()
    check_complete(sitting.close(), sitting)


def test_a_rest_can_be_cut_short(sitting: Sitting) -> None:
    sitting.until_phase("rest", 1)
    before_s = sitting.clock.now_s()
    sitting.conductor.skip()
    sitting.until_phase("fixation", 2)
    assert sitting.clock.now_s() - before_s < 0.2
    sitting.finish()
    check_complete(sitting.close(), sitting)


def test_a_baseline_can_be_cut_short_or_begun_anew(sitting: Sitting) -> None:
    sitting.until_phase("baseline")
    sitting.tick(20)
    sitting.conductor.redo()
    sitting.until_phase("baseline")
    sitting.tick(10)
    sitting.conductor.skip()
    sitting.finish()
    progress = sitting.close()
    assert progress.baseline is not None
    _, start_s, stop_s = progress.baseline
    assert stop_s - start_s == pytest.approx(0.5, abs=2 * TICK_S)
    assert sitting.markers.texts.count("baseline/start") == 2
    check_complete(progress, sitting)


def test_a_pause_in_a_stimulus_voids_the_attempt_and_the_trial_is_done_again(sitting: Sitting) -> None:
    sitting.until_phase("stimulus", 2)
    sitting.tick(10)
    assert sitting.conductor.pause()
    sitting.tick(400)
    assert sitting.conductor.status.paused
    assert sitting.screen.scene == Message(sitting.screen.scene.scene_id, sitting.protocol.texts.pause, False)
    assert sitting.conductor.resume()
    sitting.finish()
    progress = sitting.close()
    check_complete(progress, sitting)
    first, second = (a for a in progress.attempts if a.trial == 2)
    assert (first.void, second.attempt) == ("paused", 2)
    assert first.off_s is not None
    assert not first.flip
    texts = sitting.markers.texts
    assert texts[texts.index("stimulus-off/2") :][:3] == ["stimulus-off/2", "void/2/paused", "pause"]


@pytest.mark.parametrize("phase", ["baseline", "fixation"])
def test_a_pause_begins_a_cross_anew(sitting: Sitting, phase: str) -> None:
    sitting.until_phase(phase)
    sitting.conductor.pause()
    sitting.tick(100)
    sitting.conductor.resume()
    resumed_s = sitting.clock.now_s()
    sitting.until(lambda: sitting.conductor.status.phase not in (phase, "idle"))
    assert sitting.clock.now_s() - resumed_s >= {"baseline": 2.0, "fixation": 0.5}[phase]
    sitting.finish()
    progress = sitting.close()
    check_complete(progress, sitting)
    assert len(progress.attempts) == 5


def test_a_pause_holds_a_rest_where_it_stood(sitting: Sitting) -> None:
    sitting.until_phase("rest", 2)
    sitting.tick(12)
    sitting.conductor.pause()
    left_s = sitting.conductor.status.left_s
    sitting.tick(100)
    assert sitting.conductor.status.left_s == left_s
    sitting.conductor.resume()
    resumed_s = sitting.clock.now_s()
    sitting.until_phase("fixation", 3)
    assert left_s is not None
    assert sitting.clock.now_s() - resumed_s == pytest.approx(left_s, abs=4 * TICK_S)
    sitting.finish()
    check_complete(sitting.close(), sitting)


def test_a_pause_right_behind_a_stimulus_does_not_cost_the_trial(sitting: Sitting) -> None:
    """The rest was asked for and is not on the screen yet."""
    sitting.until_phase("stimulus", 2)
    sitting.until(lambda: isinstance(sitting.screen.scene, Rest))
    sitting.conductor.pause()
    sitting.tick(20)
    sitting.conductor.resume()
    sitting.finish()
    progress = sitting.close()
    check_complete(progress, sitting)
    assert len(progress.attempts) == 5


def test_a_form_stays_in_a_pause_and_its_time_stands(sit: Sit) -> None:
    sitting = sit(report=REPORT)
    sitting.screen.answers = None
    sitting.until_phase("report", 2)
    form = sitting.screen.scene
    sitting.conductor.pause()
    sitting.tick(200)
    assert sitting.screen.scene is form
    sitting.conductor.resume()
    sitting.tick(20)
    assert sitting.conductor.status.phase == "report"
    sitting.finish()
    check_complete(sitting.close(), sitting)


def test_an_answer_in_a_pause_is_taken_and_the_session_waits(sit: Sit) -> None:
    sitting = sit(report=REPORT)
    sitting.until_phase("report", 2)
    sitting.conductor.pause()
    sitting.tick(100)
    assert sitting.logbook.progress.done.keys() == {1, 2}
    assert isinstance(sitting.screen.scene, Message)
    sitting.conductor.resume()
    sitting.finish()
    check_complete(sitting.close(), sitting)


def test_a_pause_while_the_form_comes_up_still_ends_the_stimulus_at_its_flip(sit: Sit) -> None:
    sitting = sit(report=REPORT)
    sitting.until(lambda: isinstance(sitting.screen.scene, ReportForm))
    sitting.conductor.pause()
    sitting.tick(100)
    sitting.conductor.resume()
    sitting.finish()
    check_complete(sitting.close(), sitting)


def test_the_pause_key_ends_a_pause_too(sitting: Sitting) -> None:
    sitting.until_phase("rest")
    for paused in (True, False, True):
        sitting.screen.tell(Key("pause"))
        sitting.tick()
        assert sitting.conductor.status.paused is paused
    sitting.screen.tell(Key("resume"))
    sitting.finish()
    assert sitting.kinds().count("paused") == sitting.kinds().count("resumed") == 2


def test_in_a_pause_only_going_on_and_aborting_mean_anything(sitting: Sitting) -> None:
    sitting.until_phase("stimulus", 2)
    sitting.conductor.pause()
    before = sitting.kinds()
    assert not any((sitting.conductor.pause(), sitting.conductor.skip(), sitting.conductor.redo()))
    assert not sitting.conductor.command("continue")
    assert sitting.kinds() == before
    assert sitting.conductor.command("abort")


def test_commands_that_mean_nothing_do_nothing(sitting: Sitting) -> None:
    conductor = sitting.conductor
    sitting.until_phase("instructions")
    assert not any(map(conductor.command, ("pause", "resume", "skip", "redo")))
    sitting.finish()
    assert not any(map(conductor.command, ("continue", "pause", "resume", "skip", "redo", "abort")))
    with pytest.raises(ValueError, match="cannot begin"):
        conductor.begin()


@pytest.mark.parametrize("phase", ["instructions", "baseline", *PHASES])
@pytest.mark.parametrize("how", ["abort", "close"])
def test_an_end_at_any_moment_saves_everything_and_can_be_gone_on_from(sit: Sit, phase: str, how: str) -> None:
    sitting = sit(report=REPORT)
    sitting.until_phase(phase, 3 if phase in PHASES else None)
    sitting.screen.tell(Key("abort") if how == "abort" else Closed())
    sitting.tick()
    assert sitting.conductor.finished
    assert sitting.screen.closed
    assert sitting.markers.texts[-1] == "end"
    progress = sitting.close()
    assert progress.stopped == {"abort": "aborted", "close": "closed"}[how]
    assert progress.interrupted is None
    again = sit(report=REPORT)
    again.finish()
    check_complete(again.close(), again)


@pytest.mark.parametrize("phase", ["baseline", *PHASES])
def test_a_window_that_is_closed_in_a_pause_saves_everything_too(sit: Sit, phase: str) -> None:
    sitting = sit(report=REPORT)
    sitting.until_phase(phase, 3 if phase in PHASES else None)
    sitting.conductor.pause()
    sitting.tick(50)
    sitting.screen.tell(Closed())
    sitting.tick()
    progress = sitting.close()
    assert (progress.stopped, progress.paused, progress.interrupted) == ("closed", False, None)
    again = sit(report=REPORT)
    again.finish()
    check_complete(again.close(), again)


def test_nothing_is_shown_after_an_end(sitting: Sitting) -> None:
    sitting.until_phase("stimulus", 2)
    sitting.conductor.abort("stream lost", "eeg")
    shown, told = len(sitting.screen.scenes), sitting.kinds()
    sitting.tick(100)
    assert (len(sitting.screen.scenes), sitting.kinds()) == (shown, told)
    assert read_journal(sitting.path)[-1].details == {"reason": "stream lost", "text": "eeg"}


def test_a_second_run_shows_what_is_left_and_no_second_baseline(sit: Sit) -> None:
    first = sit()
    first.until_phase("stimulus", 3)
    first.conductor.abort()
    first.close()
    second = sit(start_s=5.0)
    second.finish()
    progress = second.close()
    check_complete(progress, second)
    assert numbered(second, "stimulus") == [3, 4, 5]
    assert "baseline/start" not in second.markers.texts
    assert progress.runs == {1: "run-1.xdf", 2: "run-2.xdf"}
    assert [segment.trial for segment in progress.segments(2)] == [3, 4, 5]
    assert isinstance(second.screen.scenes[0], Message)
    assert second.screen.scenes[0].text == second.protocol.texts.resumed


# -- poor signals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", ["accept", "repeat"])
def test_the_experimenter_decides_on_a_trial_with_a_poor_signal(sit: Sit, choice: str) -> None:
    sitting = sit(report=REPORT)
    sitting.until_phase("stimulus", 3)
    sitting.quality = lambda start_s, stop_s: POOR
    sitting.until(lambda: bool(sitting.screen.questions))
    question = sitting.screen.questions[0]
    assert question is not None
    assert "trial 3: eeg is flat" in question.text
    assert sitting.conductor.status.question is question
    sitting.tick(200)
    assert sitting.conductor.status.phase == "rest"
    sitting.quality = lambda start_s, stop_s: GOOD
    sitting.screen.choose = lambda question: choice
    sitting.screen.ask(question)
    sitting.finish()
    progress = sitting.close()
    check_complete(progress, sitting)
    attempts = [a for a in progress.attempts if a.trial == 3]
    assert [a.void for a in attempts] == {"accept": [None], "repeat": ["poor signal", None]}[choice]
    assert attempts[0].quality == {"eeg": 0.4, "poor": True, "reason": "eeg is flat"}
    assert ("void/3/poor-signal" in sitting.markers.texts) == (choice == "repeat")


def test_poor_signals_in_practice_are_noted_and_cost_nothing(sitting: Sitting) -> None:
    sitting.quality = lambda start_s, stop_s: POOR
    sitting.until_phase("fixation", 2)
    assert not sitting.screen.questions
    assert sitting.logbook.progress.attempts[0].quality["poor"] is True


def test_quality_that_is_not_known_yet_is_waited_for(sitting: Sitting) -> None:
    sitting.until_phase("stimulus", 2)
    asked: list[tuple[float, float]] = []

    def later(start_s: float, stop_s: float) -> TrialQuality | None:
        asked.append((start_s, stop_s))
        return None if sitting.clock.now_s() < stop_s + 3.0 else GOOD

    sitting.quality = later
    sitting.until_phase("fixation", 3)
    segment = sitting.logbook.progress.segments(1)[-1]
    assert set(asked) == {(segment.start_s, segment.stop_s)}
    assert sitting.clock.now_s() - segment.stop_s >= 3.0
    sitting.finish()
    check_complete(sitting.close(), sitting)


def test_quality_that_is_never_known_is_asked_of_the_experimenter(sitting: Sitting) -> None:
    sitting.until_phase("stimulus", 2)
    sitting.quality = lambda start_s, stop_s: None
    sitting.until(lambda: bool(sitting.screen.questions))
    off_s = sitting.logbook.progress.attempts[-1].off_s
    assert off_s is not None
    assert sitting.clock.now_s() - off_s == pytest.approx(QUALITY_WITHIN_S, abs=2 * TICK_S)
    question = sitting.screen.questions[0]
    assert question is not None
    assert "not known" in question.text


@pytest.mark.parametrize("command", ["skip", "redo", "abort"])
def test_a_question_is_withdrawn_by_what_makes_it_idle(sitting: Sitting, command: str) -> None:
    sitting.until_phase("stimulus", 3)
    sitting.quality = lambda start_s, stop_s: POOR
    sitting.until(lambda: bool(sitting.screen.questions))
    question = sitting.screen.questions[0]
    sitting.quality = lambda start_s, stop_s: GOOD
    assert getattr(sitting.conductor, command)()
    assert sitting.screen.questions[-1] is None
    assert sitting.conductor.status.question is None
    # An answer that was on its way is an answer to nothing.
    sitting.screen.choose = lambda question: "accept"
    sitting.screen.ask(question)
    sitting.finish()
    progress = sitting.close()
    reason = {"skip": "skipped", "redo": "redo", "abort": "aborted"}[command]
    assert next(a.void for a in progress.attempts if a.trial == 3) == reason


def test_a_question_stays_through_a_pause(sitting: Sitting) -> None:
    sitting.until_phase("stimulus", 3)
    sitting.quality = lambda start_s, stop_s: POOR
    sitting.until(lambda: bool(sitting.screen.questions))
    question = sitting.screen.questions[0]
    sitting.quality = lambda start_s, stop_s: GOOD
    sitting.conductor.pause()
    sitting.screen.choose = lambda question: "repeat"
    sitting.screen.ask(question)
    sitting.tick(50)
    assert sitting.logbook.progress.attempts[-1].void == "poor signal"
    assert sitting.conductor.status.paused
    sitting.conductor.resume()
    sitting.finish()
    check_complete(sitting.close(), sitting)


# -- what a screen or a disk may do -----------------------------------------------------------------------------------


def test_flips_that_are_told_late_or_twice_change_nothing(sitting: Sitting) -> None:
    sitting.until_phase("rest", 1)
    for scene in sitting.screen.scenes:
        sitting.screen.tell(Shown(scene.scene_id, sitting.clock.now_s(), flip=True))
    before = sitting.markers.texts
    sitting.tick()
    assert sitting.markers.texts == before
    sitting.finish()
    check_complete(sitting.close(), sitting)


def test_a_screen_whose_clock_stumbles_makes_no_journal_that_cannot_be_read(sitting: Sitting) -> None:
    sitting.until_phase("stimulus", 2)
    sitting.until(lambda: isinstance(sitting.screen.scene, Rest))
    sitting.screen._waiting.clear()
    sitting.screen.tell(Shown(sitting.screen.scene.scene_id, 3.0, flip=True))
    sitting.tick()
    attempt = sitting.close().attempts[-1]
    assert attempt.on_s == attempt.off_s


def test_a_disk_that_refuses_the_journal_ends_the_session_before_anything_more_is_shown(
    sit: Sit, monkeypatch: pytest.MonkeyPatch
) -> None:
    sitting = sit()
    sitting.until_phase("stimulus", 2)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    before = sitting.kinds()
    monkeypatch.setattr("rtemo.locked_lines.os.fsync", full)
    shown = len(sitting.screen.scenes)
    with pytest.raises(JournalError, match="No space left"):
        sitting.finish()
    # The rest was asked for before its flip could be told.
    assert len(sitting.screen.scenes) == shown + 1
    assert sitting.screen.closed
    assert sitting.conductor.status.outcome == "journal"
    monkeypatch.undo()
    assert sitting.kinds() == before
    sitting.logbook.close()
    again = sit()
    again.finish()
    check_complete(again.close(), again)


def test_a_session_that_is_not_at_its_check_cannot_begin(sit: Sit) -> None:
    sitting = sit()
    sitting.finish()
    with pytest.raises(ValueError, match="cannot begin"):
        sitting.conductor.begin()
