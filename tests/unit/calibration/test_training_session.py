"""From recordings to bundle, report and verdict; names from outside do no harm."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from calibration.journal import Journal
from calibration.training import session as session_module
from calibration.training.first import disagreement
from calibration.training.report import report_html, write_report, write_result
from calibration.training.session import recordings_of, train_session
from calibration.training.shown import shown
from calibration.training.trained import TrainedSession
from rtemo.config import Configuration, parse_configuration
from rtemo.errors import RecordingError, RtemoError
from rtemo.extraction import extract
from rtemo.labels import events_path
from rtemo.model.bundle import load_bundle, save_bundle
from rtemo.outputs.recording import write_recording
from rtemo.sources.simulate import MARKER_PREFIX, Dropout, SimulatedSource, SimulationSettings

LABELS = ("<b>calm</b>", r"$\frac$ & joy", "悲 \u202edas")
"""Markup, what looks like mathematics, letters that the font lacks, and a mark that turns the writing round."""


def configuration(labels: tuple[str, ...] = LABELS, **settings: object) -> Configuration:
    small = {
        "steps": 10,
        "pca_size": 6,
        "weight_decay": 0.02,
        "hidden": [8, 6],
        "latent": 3,
        "imputations": 2,
        "validation_windows": 6,
        "batch_size": 32,
    }
    return parse_configuration(
        {
            "labels": list(labels),
            "views": {
                "eeg": {"stream": {"type": "EEG"}, "features": "differential-entropy"},
                "eye": {"stream": {"type": "EyeFeatures"}, "features": "identity"},
            },
            "markers": {"stream": {"type": "Markers"}, "labels": {MARKER_PREFIX + label: label for label in labels}},
            "model": {"settings": small | settings},
        },
        "test",
    )


def record(path: Path, *, trials: int, seed: int, start_s: float = 1000.0, dropouts: tuple[Dropout, ...] = ()) -> Path:
    settings = SimulationSettings(
        labels=LABELS, trials=trials, trial_s=5.0, rest_s=1.0, eeg_rate_hz=128.0, effect=1.5, participant=1, seed=seed,
        start_s=start_s, dropouts=dropouts,
    )  # fmt: skip
    source = SimulatedSource(settings)
    write_recording(path, source.streams, source)
    return path


def write_journal(path: Path) -> None:
    """Four trials that count, the first label's two with one stimulus; and one lost in each of six ways."""
    journal = Journal(path)
    journal.append("session", participant="p", seed=1)
    journal.append("run", number=1, recording="run-1.xdf")
    journal.append("stage", stage="trials")
    trials: list[tuple[str | None, str, str, bool]] = [
        (LABELS[0], "sea", "", False), (LABELS[0], "sea", "", False), (LABELS[1], "sun", "", False),
        (LABELS[1], "moon", "", False), (LABELS[1], "sun", "poor signal", False), (None, "fog", "", False),
        ("other", "fog", "", False), (LABELS[1], "fog", "void", False), (LABELS[1], "fog", "skipped", False),
        (LABELS[0], "fog", "", True), (LABELS[1], "fog", "open", False),
    ]  # fmt: skip
    for number, (label, text, end, practice) in enumerate(trials, start=1):
        named = {"trial": number, "attempt": 1}
        journal.append("trial-start", **named, run=1, block="b", practice=practice, intended=label,
                       stimulus={"kind": "text", "text": text})  # fmt: skip
        if end == "skipped":
            journal.append("trial-void", **named, reason="skipped")
        if end in ("skipped", "open"):
            continue
        journal.append("stimulus-on", stamp_s=10.0 * number, flip=True, **named)
        journal.append("stimulus-off", stamp_s=10.0 * number + 5, flip=True, **named)
        journal.append("trial-end", **named, label=label, quality={}, accepted=end != "poor signal", reason=end)
        if end == "void":
            journal.append("trial-void", **named, reason="<b>a phone rang</b>")
    journal.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of two recordings with events, and a third without."""
    folder = tmp_path_factory.mktemp("calibration")
    record(folder / "run-1.xdf", trials=9, seed=1, dropouts=(Dropout("eye", 8.0, 14.0),))
    record(folder / "run-2.xdf", trials=6, seed=2, start_s=5000.0)
    record(folder / "run-10.xdf", trials=3, seed=3, start_s=9000.0)
    (folder / "protocol.toml").write_text('name = "test"\n')
    write_journal(folder / "journal.jsonl")
    for number in (1, 2):
        path = folder / f"run-{number}.xdf"
        table = extract(path, configuration()).table
        lines = ["onset\tduration\ttrial_type\ttrial"]
        for trial in range(int(table.trial.max()) + 1):
            rows = table.trial == trial
            onset = table.start_s[rows].min() - (1000.0 if number == 1 else 5000.0)
            duration, label = rows.sum() * 1.0, table.label[rows][0]
            # An artefact was cut out of the first trial: its parts are one trial all the same.
            parts = [(0.0, 2.0), (3.0, duration - 3.0)] if trial == 0 else [(0.0, duration)]
            lines += [f"{onset + after:.3f}\t{lasts:.3f}\t{label}\t{trial}" for after, lasts in parts]
        events_path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def session(folder: Path) -> TrainedSession:
    return train_session(folder, configuration())


class Page(HTMLParser):
    """Tags, links and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def test_the_recordings_of_a_session_are_those_with_events_in_the_order_of_their_numbers(
    folder: Path, tmp_path: Path
) -> None:
    assert [path.name for path in recordings_of(folder)] == ["run-1.xdf", "run-2.xdf"]
    with pytest.raises(RecordingError, match="no events"):
        recordings_of(tmp_path)


def test_a_session_gives_a_bundle_with_a_probe_that_loads_and_knows_its_verdict(
    session: TrainedSession, tmp_path: Path
) -> None:
    save_bundle(tmp_path / "bundle", session.bundle)
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.labels == LABELS
    assert bundle.probe is not None
    assert bundle.calibration is not None
    assert not set(bundle.probe.trials) & set(bundle.calibration.trials)
    assert bundle.metrics["verdict"]["verdict"] == session.verdict.word
    assert set(bundle.metrics["cross_validation"]) == {"complete", "without:eeg", "without:eye"}
    assert bundle.model.settings.steps == session.crossval.steps


def test_figures_are_of_all_trials_and_losses_have_their_reasons(session: TrainedSession) -> None:
    assert dict(session.judged.figures.trials) == dict.fromkeys(LABELS, 5)
    assert [source.name for source in session.sources] == ["run-1.xdf", "run-2.xdf"]
    assert [source.trials for source in session.sources] == [9, 6]
    assert list(session.files) == ["protocol.toml", "journal.jsonl"]
    lost = session.losses["eye"]
    assert 0 < lost.missing < lost.windows
    assert sum(lost.reasons.values()) == lost.missing
    assert session.losses["eeg"].missing == 0
    assert session.effects["eeg"].by_band(session.channels["eeg"]).keys() == {
        "delta", "theta", "alpha", "beta", "gamma"}  # fmt: skip
    assert session.effects["eye"].by_band(session.channels["eye"]) == {}


def test_windows_of_all_parts_of_a_trial_are_held_out_together(session: TrainedSession) -> None:
    # The windows across the artefact are gone, and the trial is still one.
    first = session.crossval.trial == session.crossval.trial[0]
    assert 0 < first.sum() < (session.crossval.trial == session.crossval.trial[-1]).sum()
    assert len(np.unique(session.crossval.fold[first])) == 1
    assert np.diff(session.crossval.start_s[first]).max() > 1.5


def test_lost_trials_are_told_with_their_reasons(session: TrainedSession, tmp_path: Path) -> None:
    told = session.shown
    assert told is not None
    assert told.accepted == 4
    assert [(lost.trial, lost.why) for lost in told.lost] == [
        (5, "poor signal"),
        (6, "no label from its answers"),
        (7, "its label 'other' is none of the configuration's"),
        (8, "<b>a phone rang</b>"),
        (9, "skipped"),
        (11, "interrupted"),
    ]
    page = Page(report_html(session))
    assert "Trials that are lost, and why" in page.text
    assert "4 trials count; 6 were shown and do not." in page.text
    assert "<b>a phone rang</b>" in page.text
    assert shown(tmp_path, LABELS) is None


def test_a_label_with_a_single_stimulus_gets_a_note_and_no_other_verdict(session: TrainedSession) -> None:
    told = session.shown
    assert told is not None
    assert told.single == (LABELS[0],)
    assert session.verdict.reasons[-1] == told.note
    assert "cannot tell the label from its only stimulus" in told.note


def test_a_journal_that_cannot_be_read_costs_a_warning(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text("not JSON\n")
    warnings: list[str] = []
    assert session_module._shown(tmp_path, configuration(), warnings) is None
    assert warnings[0].startswith("which trials were lost cannot be told: ")
    assert "not JSON" in warnings[0]


def test_the_report_is_one_file_that_loads_nothing_and_holds_every_part(
    session: TrainedSession, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    write_report(path, session, title="sub-<script>1")
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    for title in (
        "The rule", "How often it is right", "Label by label", "Whether its probabilities can be believed",
        "When a sensor drops out", "Would five more minutes help?", "Trial by trial",
        "What each view has to do with it", "What separates the labels", "Channel quality",
        "Trials that are lost, and why", "Windows that are lost, and why", "Where it comes from",
    ):  # fmt: skip
        assert title in page.text
    assert "What the first bundle brought" not in page.text
    assert session.verdict.word.capitalize() in page.text
    assert text.index('class="verdict') < text.index("The rule") < text.index("<figure")
    assert "<b>calm</b>" in page.text
    assert "\u202e" not in text
    assert session.sources[0].sha256 in page.text
    assert list(tmp_path.iterdir()) == [path]


def test_pictures_are_svg_without_anything_from_outside(session: TrainedSession) -> None:
    pictures = [
        base64.b64decode(data).decode() for data in re.findall(r"svg\+xml;base64,([^\"]+)", report_html(session))
    ]
    assert len(pictures) >= 10
    for picture in pictures:
        assert picture.startswith("<svg")
        links = re.findall(r"(?:href|src)=\"([^\"]*)\"", picture)
        assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
        assert "<script" not in picture


def test_the_result_is_json_for_scripts(session: TrainedSession, tmp_path: Path) -> None:
    write_result(tmp_path / "result.json", session)
    found = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert found["verdict"] == session.verdict.word
    assert found["labels"] == list(LABELS)
    assert set(found["conditions"]) == {"complete", "without:eeg", "without:eye"}
    assert found["learning_curve"]["would_help"] in ("yes", "hardly", "unknown")
    assert found["first_bundle"] is None


def test_a_report_that_cannot_be_written_is_told(session: TrainedSession, tmp_path: Path) -> None:
    with pytest.raises(RtemoError, match="cannot be written"):
        write_report(tmp_path / "nowhere" / "report.html", session)


def test_a_second_session_starts_from_the_first_bundle_and_says_what_that_brought(
    session: TrainedSession, tmp_path: Path
) -> None:
    path = record(tmp_path / "later.xdf", trials=6, seed=7, start_s=20_000.0)
    again = train_session([path], configuration(), first=session.bundle)
    comparison = again.comparison
    assert comparison is not None
    assert comparison.replayed == len(session.bundle.calibration or ())
    assert comparison.together.value == again.judged.figures.balanced_accuracy.value
    assert comparison.gain_of_replay.value == pytest.approx(comparison.together.value - comparison.new_only.value)
    assert sum(again.judged.figures.trials.values()) == 6
    assert "What the first bundle brought" in report_html(again)
    save_bundle(tmp_path / "bundle", again.bundle)
    bundle = load_bundle(tmp_path / "bundle")
    assert [recording.name for recording in bundle.recordings] == ["later.xdf", "run-1.xdf", "run-2.xdf"]
    assert bundle.calibration is not None
    assert set(np.unique(bundle.calibration.recordings)) == {0, 1, 2}
    assert bundle.metrics["held_out"] == bundle.metrics["cross_validation"]


def test_a_first_bundle_of_other_views_is_left_out_with_the_reason(session: TrainedSession, tmp_path: Path) -> None:
    other = configuration().model_copy(update={"labels": list(LABELS[::-1])})
    first = replace(session.bundle, configuration=other)
    path = record(tmp_path / "later.xdf", trials=6, seed=7)
    again = train_session([path], configuration(steps=5, validation_windows=1000), first=first)
    assert again.comparison is None
    assert any(line.startswith("the first bundle was left out: the configuration is not") for line in again.warnings)
    # Nothing could be held out for a probe: that is said, and not that nothing is known.
    assert again.bundle.probe is None
    assert again.verdict.reasons[-1].startswith("No trial could be spared as a probe")
    assert not any("nothing is known of the accuracy" in line for line in again.warnings)


def test_a_first_bundle_that_learnt_from_these_very_recordings_is_left_out(
    session: TrainedSession, folder: Path, tmp_path: Path
) -> None:
    digests = [source.sha256 for source in session.sources]
    why = disagreement(session.bundle, session.bundle.configuration, [], digests[1:])
    assert why == "it has learnt from run-2.xdf already, and would know the trials that are held out"
    assert disagreement(session.bundle, session.bundle.configuration, [], ["0" * 64]) == ""
    # A copy under another name is the same recording.
    copy = tmp_path / "copy.xdf"
    copy.write_bytes((folder / "run-2.xdf").read_bytes())
    again = train_session([copy], configuration(steps=5), first=session.bundle)
    assert again.comparison is None
    assert any("run-2.xdf already" in line for line in again.warnings)
    assert again.shown is None


def test_two_labels_are_told_apart_with_a_sign(tmp_path: Path) -> None:
    path = record(tmp_path / "a.xdf", trials=6, seed=4)
    session = train_session([path], configuration(LABELS[:2], steps=10))
    found, table = session.effects["eeg"], extract(path, configuration(LABELS[:2])).table
    assert found.signed
    means = [np.nanmean(table.features["eeg"][table.label == label], axis=0) for label in LABELS[:2]]
    # Second less first, whatever features are told apart best.
    strongest = np.argsort(-np.abs(found.sizes))[:10]
    assert (np.sign(found.sizes) == np.sign(means[1] - means[0]))[strongest].all()
