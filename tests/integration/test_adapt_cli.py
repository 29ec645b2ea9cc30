"""`rtemo adapt` writes a bundle that works, tells what was gained, and refuses first what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lab import Lab, Run

CONDITIONS = {"complete", "without:eeg", "without:eye"}


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_adapted_bundle_is_told_of_evaluated_played_and_adapted_again(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    before, new = files(lab.bundle), tmp_path / "new"
    done = rtemo("adapt", lab.bundle, lab.session, "-o", new, "--events", tmp_path / "events.jsonl")
    assert done.code == 0, done.err
    assert files(lab.bundle) == before
    for said in (*CONDITIONS, "session.xdf", "only used to score", "Learnt from", "Updates let pass", f"-> {new}"):
        assert said in done.out
    manifest = json.loads((new / "bundle.json").read_text())
    assert [(of["name"], of["labelled"]) for of in manifest["recordings"]] == [
        ("calibration.xdf", True),
        ("session.xdf", False),
    ]
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "adaptation-start"
    [entry] = manifest["metrics"]["adapted"]
    assert kinds.count("adaptation-update") == entry["updates"] > 0
    assert kinds.count("adaptation-skip") == sum(entry["refused"].values())
    told = rtemo("evaluate", new, lab.session, "--json")
    assert json.loads(told.out)["conditions"]["complete"]["accuracy"] > 0.6
    assert rtemo("play", lab.session, "-c", lab.config, "-m", new).code == 0
    # The recording lies where calibration does: no shift to believe in, and recentring does nothing else.
    nothing = rtemo("adapt", new, lab.session, "-o", tmp_path / "again", "--mode", "recentre", "--json")
    assert nothing.code == 1
    assert "there is nothing to recentre" in nothing.out
    again = rtemo("adapt", new, lab.session, "-o", tmp_path / "again", "--json")
    assert again.code == 0
    assert "has learnt from this recording before" in again.err
    report = json.loads(again.out)
    assert report["bundle"] == str(tmp_path / "again")
    assert report["accepted"] + sum(report["refused"].values()) == report["windows"]
    assert set(report["probe"]) == CONDITIONS
    assert report["trials"] == 9
    assert {"frozen", "adapted"} == set(report["labelled"]) == set(report["recordings"]["session.xdf"])


def test_the_same_seed_adapts_to_the_same_bundle(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert rtemo("adapt", lab.bundle, lab.session, "--seed", 5, "-o", tmp_path / name).code == 0
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_where_nothing_can_be_learnt_no_bundle_is_written(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    config = tmp_path / "strict.toml"
    text = lab.config.read_text().replace("steps = 300", "steps = 20")
    config.write_text(text + "[adaptation]\nmin_confidence = 1.0\n")
    assert rtemo("train", config, lab.calibration, "-o", tmp_path / "strict").code == 0
    done = rtemo("adapt", tmp_path / "strict", lab.session, "-o", tmp_path / "new", "--json")
    assert done.code == 1
    assert json.loads(done.out)["bundle"] is None
    assert "could be learnt from: no bundle is written. Go on with" in done.err
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_is_refused_before_a_recording_is_read(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    nowhere, new = tmp_path / "none.xdf", tmp_path / "new"
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.docx").write_text("years of work")
    (tmp_path / "old.jsonl").write_text("older")
    for arguments, code, said in (
        ((lab.session, lab.session, "-o", new), 2, "named twice"),
        ((nowhere, "-o", tmp_path / "thesis"), 1, "is not a bundle"),
        ((nowhere, "-o", lab.bundle), 2, "the bundle to start from"),
        ((nowhere, "-o", new, "--mode", "wild"), 2, "'wild' is unknown"),
        ((nowhere, "-o", new, "--mode", "off"), 2, "'off' is unknown"),
        ((nowhere, "-o", new, "--device", "gpu"), 2, "'gpu' is unknown"),
        ((nowhere, "-o", new, "--events", tmp_path / "old.jsonl"), 2, "no log is replaced"),
        ((nowhere, "-o", new, "--events", tmp_path / "log.txt"), 2, ".jsonl"),
        ((nowhere, "-o", new), 1, "none.xdf"),
    ):
        done = rtemo("adapt", lab.bundle, *arguments)
        assert done.code == code, done.err
        assert said in done.err
        assert "Traceback" not in done.err
    assert not new.exists()
    assert (tmp_path / "old.jsonl").read_text() == "older"
    assert (tmp_path / "thesis" / "thesis.docx").read_text() == "years of work"


@pytest.mark.parametrize(
    ("addition", "code", "said"),
    [
        ("", 1, 'cannot adapt: it was trained with standardise = "recording"'),
        ('[adaptation]\nmode = "off"\n', 2, '[adaptation] mode = "off"'),
    ],
)
def test_a_bundle_that_does_not_adapt_says_why(
    lab: Lab, rtemo: Run, tmp_path: Path, addition: str, code: int, said: str
) -> None:
    text = lab.config.read_text().replace("steps = 300", "steps = 20") + addition
    config = tmp_path / "other.toml"
    config.write_text(text if addition else 'standardise = "recording"\n' + text)
    assert rtemo("train", config, lab.calibration, "-o", tmp_path / "other").code == 0
    done = rtemo("adapt", tmp_path / "other", tmp_path / "none.xdf", "-o", tmp_path / "new")
    assert done.code == code
    assert said in done.err
