"""What comes after the trials: a model, a verdict, a report, and a bundle that was looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from recorded_session import begun, empty_run, recorded_run

from calibration.conclusion import train, verify
from calibration.folder import CalibrationFolder, reopen
from calibration.journal import read_journal
from calibration.machine import Stage
from calibration.training.trained import TrainedSession
from rtemo.errors import ConfigurationError, ModelError
from rtemo.labels import events_path

TRIALS = 4


@dataclass(frozen=True)
class Concluded:
    session: CalibrationFolder
    trained: TrainedSession


@pytest.fixture(scope="module")
def conclusion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Concluded]:
    """A session of two runs, the first of them killed at its start, that is done."""
    session = begun(tmp_path_factory.mktemp("concluded"))
    empty_run(session)
    session.logbook.write("stopped", reason="closed")
    recorded_run(session, TRIALS)
    session.logbook.write("stage", stage="train")
    trained = train(session, device="cpu")
    verify(session, device="cpu")
    yield Concluded(session, trained)
    session.logbook.close()


@pytest.fixture
def concluded(conclusion: Concluded) -> CalibrationFolder:
    return conclusion.session


@pytest.fixture
def session(tmp_path: Path) -> Iterator[CalibrationFolder]:
    session = begun(tmp_path)
    yield session
    session.logbook.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No training: only what is done around it."""

    def stop(*_: object, **__: object) -> TrainedSession:
        raise ModelError("trained")

    monkeypatch.setattr("calibration.conclusion.train_session", stop)


def test_a_session_with_a_run_that_cannot_be_read_comes_to_its_end(concluded: CalibrationFolder) -> None:
    assert concluded.logbook.progress.stage is Stage.DONE
    found = {path.name for path in concluded.path.iterdir()}
    assert {"bundle", "report.html", "result.json", "run-2_events.tsv"} <= found
    assert "run-1_events.tsv" not in found
    result = json.loads((concluded.path / "result.json").read_text(encoding="utf-8"))
    assert [recording["name"] for recording in result["recordings"]] == ["run-2.xdf"]
    entries = {entry.kind: entry for entry in read_journal(concluded.path / "journal.jsonl")}
    assert entries["trained"].integer("trials") == TRIALS
    assert entries["trained"].text("verdict") == result["verdict"]
    assert entries["verified"].integer("seen") > 0


def test_what_the_training_before_gave_is_kept_under_one_number(
    conclusion: Concluded, monkeypatch: pytest.MonkeyPatch
) -> None:
    concluded, folder = conclusion.session, conclusion.session.path
    monkeypatch.setattr("calibration.conclusion.train_session", lambda *_, **__: conclusion.trained)
    (folder / "result-1.json").write_text("somebody's own")
    before = {name: (folder / name).read_bytes() for name in ("report.html", "result.json", "bundle/bundle.json")}
    train(concluded, device="cpu")
    for name, kept in (
        ("report.html", "report-2.html"),
        ("result.json", "result-2.json"),
        ("bundle/bundle.json", "bundle-2/bundle.json"),
    ):
        assert (folder / kept).read_bytes() == before[name]
        assert (folder / name).is_file()
    assert (folder / "result-1.json").read_text() == "somebody's own"
    assert not (folder / "bundle-1").exists()
    assert concluded.logbook.progress.stage is Stage.TRAIN
    verify(concluded, device="cpu")


def test_a_second_session_starts_from_the_bundle_of_the_first(concluded: CalibrationFolder, tmp_path: Path) -> None:
    bundle = concluded.path / "bundle"
    second = begun(tmp_path, first=bundle)
    facts = second.logbook.progress.facts
    second.logbook.close()
    assert facts["first_bundle"] == str(bundle)
    assert reopened(second.path) == bundle
    plain = begun(tmp_path)
    plain.logbook.close()
    assert reopened(plain.path) is None
    assert reopened(plain.path, first=bundle) == bundle
    # Only this time.
    assert reopened(plain.path) is None


def reopened(folder: Path, first: Path | None = None) -> Path | None:
    session = reopen(folder, first=first)
    session.logbook.close()
    return session.first


def test_a_first_bundle_of_other_windows_is_refused_before_anything_is_made(
    concluded: CalibrationFolder, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=r"--first .*bundle: nothing can be learnt.*window\.length_s"):
        begun(tmp_path, config="[window]\nlength_s = 2.0\n", first=concluded.path / "bundle")
    assert not (tmp_path / "out").exists()
    session = begun(tmp_path, config="[window]\nlength_s = 2.0\n")
    session.logbook.close()
    with pytest.raises(ConfigurationError, match=r"window\.length_s"):
        reopen(session.path, first=concluded.path / "bundle")


@pytest.mark.usefixtures("quick")
def test_training_after_a_run_that_was_cut_off_does_not_make_it_complete(session: CalibrationFolder) -> None:
    recording = recorded_run(session, 2)
    with pytest.raises(ModelError, match="trained"):
        train(session, device="cpu")
    progress = session.logbook.progress
    assert (progress.stage, progress.completed) == (Stage.TRAIN, set())
    assert events_path(recording).is_file()


@pytest.mark.usefixtures("quick")
def test_what_gets_no_labels_is_told(session: CalibrationFolder) -> None:
    recorded_run(session, 3, cut_s=16.0)
    session.logbook.write("stage", stage="train")
    warned: list[str] = []
    with pytest.raises(ModelError, match="trained"):
        train(session, device="cpu", warn=warned.append)
    assert warned == ["run-1.xdf: trial 3 gets no label: the recording ends before it does"]


def test_a_bundle_that_predicts_nothing_fails_its_verification(
    concluded: CalibrationFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def run(self) -> list[object]:
            return []

    monkeypatch.setattr("calibration.conclusion.Replay", Silent)
    for stage in (Stage.TRAIN, Stage.VERIFY):
        if concluded.logbook.progress.stage is not stage:
            concluded.logbook.write("stage", stage=stage.value)
    with pytest.raises(ModelError, match="no window of run-2"):
        verify(concluded, device="cpu")
    assert concluded.logbook.progress.stage is Stage.VERIFY
