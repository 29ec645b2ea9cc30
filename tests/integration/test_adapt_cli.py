"""`rtemo adapt` writes a bundle that works, tells what was gained, and refuses first what cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from lab import Lab, Outcome, Run, run

from rtemo.model.bundle import load_bundle, save_bundle

CONDITIONS = {"complete", "without:eeg", "without:eye"}


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def trained(lab: Lab, rtemo: Run, folder: Path, *, above: str = "", below: str = "") -> Path:
    """A bundle that learnt next to nothing, by the configuration with something above or below it."""
    config, bundle = folder / "other.toml", folder / "other"
    config.write_text(above + lab.config.read_text().replace("steps = 80", "epochs = 1") + below)
    assert rtemo("train", config, lab.calibration, "-o", bundle).code == 0
    return bundle


@pytest.fixture(scope="module")
def adapted(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The folder with a new bundle and its events, and what was said."""
    folder, before = tmp_path_factory.mktemp("adapted"), files(lab.bundle)
    options = ("--seed", 5, "--events", folder / "events.jsonl")
    done = run("adapt", lab.bundle, lab.session, "-o", folder / "new", *options)
    assert done.code == 0, done.err
    assert files(lab.bundle) == before
    return folder, done


def test_an_adapted_bundle_is_told_of_evaluated_played_and_adapted_again(
    lab: Lab, rtemo: Run, adapted: tuple[Path, Outcome], tmp_path: Path
) -> None:
    folder, done = adapted
    new = folder / "new"
    for said in (*CONDITIONS, "session.xdf", "only used to score", "Learnt from", "Updates let pass", f"-> {new}"):
        assert said in done.out
    manifest = json.loads((new / "bundle.json").read_text())
    assert [(of["name"], of["labelled"]) for of in manifest["recordings"]] == [
        ("calibration.xdf", True),
        ("session.xdf", False),
    ]
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "adaptation-start"
    [entry] = manifest["metrics"]["adapted"]
    assert entry["seed"] == 5
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


def test_the_same_seed_adapts_to_the_same_bundle(
    lab: Lab, rtemo: Run, adapted: tuple[Path, Outcome], tmp_path: Path
) -> None:
    assert rtemo("adapt", lab.bundle, lab.session, "--seed", 5, "-o", tmp_path / "new").code == 0
    assert files(tmp_path / "new") == files(adapted[0] / "new")


def test_where_nothing_can_be_learnt_no_bundle_is_written(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    strict = trained(lab, rtemo, tmp_path, below="[adaptation]\nmin_confidence = 1.0\n")
    done = rtemo("adapt", strict, lab.session, "-o", tmp_path / "new", "--json")
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


def test_a_bundle_that_does_not_adapt_says_why(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    recording = trained(lab, rtemo, tmp_path, above='standardise = "recording"\n')
    off, loaded = tmp_path / "off", load_bundle(lab.bundle)
    adaptation = loaded.configuration.adaptation.model_copy(update={"mode": "off"})
    save_bundle(off, replace(loaded, configuration=loaded.configuration.model_copy(update={"adaptation": adaptation})))
    for bundle, code, said in (
        (recording, 1, 'cannot adapt: it was trained with standardise = "recording"'),
        (off, 2, '[adaptation] mode = "off"'),
    ):
        done = rtemo("adapt", bundle, tmp_path / "none.xdf", "-o", tmp_path / "new")
        assert done.code == code
        assert said in done.err
