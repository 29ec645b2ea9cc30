"""`rtemo play` with adaptation: by the configuration, by a log, or not at all, and what it says of it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from lab import Lab, Run

LABELS = ("negative", "neutral", "positive")


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "predictions.csv").read_text().splitlines()))


def said(folder: Path, what: str) -> np.ndarray:
    return np.array([[float(row[f"{what}_{label}"]) for label in LABELS] for row in rows_of(folder)])


@pytest.fixture(scope="module")
def played(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a replay that adapts by the configuration wrote."""
    from rtemo import cli

    out = tmp_path_factory.mktemp("played")
    with pytest.MonkeyPatch.context() as patch:
        command = ["rtemo", "play", lab.session, "-c", lab.config, "-m", lab.bundle, "-o", out]
        patch.setattr("sys.argv", [*map(str, command)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
    assert stop.value.code in (0, None)
    return out


def test_a_replay_adapts_and_its_events_reproduce_it_whatever_the_configuration_says(
    lab: Lab, rtemo: Run, played: Path, tmp_path: Path
) -> None:
    config = tmp_path / "lab.toml"
    config.write_text(lab.config.read_text() + '\n[adaptation]\nmode = "recentre"\nevery = 50\n')
    command = ["play", lab.session, "-c", config, "-m", lab.bundle, "--adaptation-log", played / "events.jsonl"]
    done = rtemo(*command, "-o", tmp_path / "again")
    assert (done.code, done.err) == (0, "")
    assert (tmp_path / "again" / "predictions.csv").read_bytes() == (played / "predictions.csv").read_bytes()
    events = [json.loads(line) for line in (played / "events.jsonl").read_text().splitlines()]
    updates = [event for event in events if event["event"] == "adaptation-update"]
    assert events[0]["event"] == "adaptation-start"
    assert events[0]["stamp"] == 5001.0
    assert f"{updates[-1]['accepted']} windows learnt from, {len(updates)} updates, 0 rollbacks" in done.out
    differ = (said(played, "p").argmax(axis=1) != said(played, "shadow").argmax(axis=1)).sum()
    compared = sum(row["label"] != "none" for row in rows_of(played))
    assert f"{differ} of {compared} labels other than the frozen model's" in done.out


def test_without_adaptation_the_prediction_is_the_shadow_of_one_that_adapts(
    lab: Lab, rtemo: Run, played: Path, tmp_path: Path
) -> None:
    done = rtemo("play", lab.session, "-c", lab.config, "-m", lab.bundle, "-o", tmp_path, "--adaptation", "off")
    assert done.code == 0
    assert done.out.rstrip().endswith("adaptation off")
    assert (tmp_path / "events.jsonl").read_text() == ""
    np.testing.assert_array_equal(said(tmp_path, "p"), said(tmp_path, "shadow"))
    np.testing.assert_array_equal(said(tmp_path, "p"), said(played, "shadow"))
    assert not np.array_equal(said(tmp_path, "p"), said(played, "p"))
    # The log of a session that did not adapt says so.
    log = tmp_path / "events.jsonl"
    done = rtemo("play", lab.session, "-c", lab.config, "-m", lab.bundle, "--adaptation-log", log)
    assert done.code == 0
    assert f"{log}: nothing adapted in the session" in done.err
    assert done.out.rstrip().endswith("adaptation off")


def test_what_does_not_fit_together_is_refused(lab: Lab, rtemo: Run, played: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    lines = (played / "events.jsonl").read_text().splitlines(keepends=True)
    base = ["play", lab.session, "-c", lab.config, "-m", lab.bundle]
    start = json.loads(lines[0])

    def refused(*options: object, code: int = 2) -> str:
        done = rtemo(*base, *options)
        assert done.code == code, done.err
        return done.err

    log.write_text(json.dumps(start | {"digest": "0" * 16}) + "\n")
    assert "the log is of another model" in refused("--adaptation-log", log)
    log.write_text(json.dumps({"event": "session-start", "first_window": 1, "length_s": 2.0, "hop_s": 2.0}) + "\n")
    assert "the log is of windows of (2.0, 2.0) s" in refused("--adaptation-log", log)
    log.write_text("".join(lines[:1]) + "nonsense\n")
    assert "line 2: expected a JSON object" in refused("--adaptation-log", log, code=1)
    assert "Leave one of them out" in refused("--adaptation-log", log, "--adaptation", "off")
    assert "One of off, recentre, guarded" in refused("--adaptation", "tent")
    session = tmp_path / "ses-1"
    session.mkdir()
    (session / "recording.xdf").write_bytes(b"")
    assert "the folder of a session" in refused("-o", session)
    assert [path.name for path in session.iterdir()] == ["recording.xdf"]
    done = rtemo("play", lab.session, "--stream", "--adaptation-log", log)
    assert (done.code, "--adaptation-log: --stream predicts nothing" in done.err) == (2, True)


def test_a_bundle_that_cannot_adapt_is_played_with_one_line_that_says_why(
    lab: Lab, rtemo: Run, played: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    from rtemo.model.bundle import load_bundle, save_bundle

    old = tmp_path / "old"
    save_bundle(old, replace(load_bundle(lab.bundle), calibration=None))
    done = rtemo("play", lab.session, "-c", lab.config, "-m", old)
    assert done.code == 0
    assert done.err.count("adaptation is off, as the bundle cannot adapt: it holds no calibration windows") == 1
    assert "adaptation off: it holds no calibration windows" in done.out
    done = rtemo("play", lab.session, "-c", lab.config, "-m", old, "--adaptation-log", played / "events.jsonl")
    assert done.code == 2
    assert "this bundle cannot adapt" in done.err
