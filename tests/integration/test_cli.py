"""The commands, end to end, on a simulated participant: what they write, what they say, and how they fail."""

from __future__ import annotations

import csv
import functools
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from lab import Lab, Outcome, Run, run

from rtemo import cli, demonstration

LABELS = ["negative", "neutral", "positive"]
SCORE_KEYS = {"accuracy", "balanced_accuracy", "macro_f1", "ece", "windows", "confusion"}
QUICK = ("steps = 80", "epochs = 2")
"""A change of the configuration to a training of which only counts what it was given."""


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "predictions.csv").read_text().splitlines()))


def test_help_teaches_and_imports_nothing_heavy() -> None:
    probe = (
        "import sys; sys.argv = ['rtemo', '--help']\n"
        "from rtemo.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'mne', 'PySide6', 'scipy', 'numpy', 'pydantic', 'pylsl'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("train", "play", "evaluate", "features", "info", "demo"):
        assert command in done.stdout


@pytest.fixture(scope="module")
def played(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The folder that a replay wrote, and what it said."""
    folder = tmp_path_factory.mktemp("played")
    return folder, run("play", lab.session, "-c", lab.config, "-m", lab.bundle, "-o", folder)


def test_play_writes_a_row_for_every_window_and_names_the_missing_views(played: tuple[Path, Outcome]) -> None:
    folder, done = played
    assert done.code == 0
    rows = rows_of(folder)
    windows = [int(row["window"]) for row in rows]
    assert windows == list(range(windows[0], windows[0] + len(rows)))
    assert float(rows[0]["start"]) == 5000.0
    for row in rows:
        p = np.array([float(row[f"p_{label}"]) for label in LABELS])
        assert p.sum() == pytest.approx(1, abs=1e-5)
        at = float(row["start"]) - 5000.0
        if 90 <= at < 120:
            assert row["available_eeg"] == "0"
            assert float(row["weight_eeg"]) == 0
            assert float(row["contribution_eeg"]) == 0
        if 135 <= at < 145:
            assert (row["available_eeg"], row["available_eye"], row["label"]) == ("0", "0", "none")
            np.testing.assert_allclose(p, 1 / 3, atol=1e-6)
        elif row["label"] != "none":
            assert row["label"] == LABELS[int(p.argmax())]
            weights = float(row["weight_eeg"]) + float(row["weight_eye"])
            assert weights == pytest.approx(1, abs=1e-5)
    assert "eye missing in" in done.out


def test_two_replays_are_the_same_to_the_last_digit(
    lab: Lab, rtemo: Run, played: tuple[Path, Outcome], tmp_path: Path
) -> None:
    assert rtemo("play", lab.session, "-c", lab.config, "-m", lab.bundle, "-o", tmp_path).code == 0
    assert (tmp_path / "predictions.csv").read_bytes() == (played[0] / "predictions.csv").read_bytes()


def test_evaluate_prints_exactly_the_promised_json(lab: Lab, rtemo: Run) -> None:
    done = rtemo("evaluate", lab.bundle, lab.calibration, lab.session, "--json")
    assert done.code == 0
    result = json.loads(done.out)
    assert set(result) == {"windows", "conditions", "recordings"}
    assert set(result["conditions"]) == {"complete", "without:eeg", "without:eye"}
    assert set(result["recordings"]) == {"calibration.xdf", "session.xdf"}
    for scores in (*result["conditions"].values(), *result["recordings"].values()):
        assert set(scores) == SCORE_KEYS
        assert np.shape(scores["confusion"]) == (3, 3)
        assert np.sum(scores["confusion"]) == scores["windows"]
    assert result["windows"] >= result["conditions"]["complete"]["windows"]
    assert result["conditions"]["complete"]["accuracy"] > 0.6
    for missing in ("eeg", "eye"):
        assert result["conditions"][f"without:{missing}"]["accuracy"] > 0.5


def test_play_and_evaluate_agree_window_by_window(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    rtemo("play", lab.session, "-c", lab.config, "-m", lab.bundle, "--adaptation", "off", "-o", tmp_path)
    rtemo("features", lab.session, "-c", lab.config, "-o", tmp_path / "f.npz")
    truth = np.load(tmp_path / "f.npz")
    rows = {round(float(row["start"]), 6): row for row in rows_of(tmp_path)}
    labelled = [
        (round(float(s), 6), str(label)) for s, label in zip(truth["start"], truth["label"], strict=True) if label
    ]
    seen = [(rows[s]["label"], label) for s, label in labelled if rows[s]["label"] != "none"]
    played = np.mean([said == label for said, label in seen])
    scores = json.loads(rtemo("evaluate", lab.bundle, lab.session, "--json").out)["conditions"]["complete"]
    assert scores["windows"] == len(seen)
    assert scores["accuracy"] == pytest.approx(played)


def test_features_writes_the_promised_arrays(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    assert rtemo("features", lab.session, "-c", lab.config, "-o", tmp_path / "f.npz").code == 0
    arrays = np.load(tmp_path / "f.npz", allow_pickle=False)
    expected = {"start", "stop", "label"}
    for view in ("eeg", "eye"):
        expected |= {view, f"available_{view}", f"coverage_{view}", f"names_{view}"}
    # Of the two views, only that of the EEG is watched.
    assert set(arrays.files) == expected | {"quality_eeg", "quality_names_eeg"}
    windows = len(arrays["start"])
    assert arrays["quality_eeg"].shape == (windows, len(arrays["quality_names_eeg"])) == (windows, 8)
    assert arrays["eeg"].shape == (windows, 40)
    assert arrays["names_eeg"][:2].tolist() == ["Fp1:delta", "Fp1:theta"]
    np.testing.assert_array_equal(np.isfinite(arrays["eeg"]).all(axis=1), arrays["available_eeg"])
    np.testing.assert_array_equal(np.isnan(arrays["eye"]).all(axis=1), ~arrays["available_eye"])
    np.testing.assert_allclose(arrays["stop"] - arrays["start"], 1.0)
    assert set(arrays["label"].tolist()) == {"", *LABELS}


def edited(lab: Lab, tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = lab.config.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "edited.toml"
    path.write_text(text)
    return path


def quick(lab: Lab, tmp_path: Path) -> Path:
    return edited(lab, tmp_path, QUICK)


def test_the_same_seed_trains_the_same_model(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    config = quick(lab, tmp_path)
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        assert rtemo("train", config, lab.calibration, "--seed", seed, "-o", tmp_path / name).code == 0
    one, two, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two", "other"))
    assert one == two
    assert one != other


def test_labels_of_unlabelled_recordings_are_never_read(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy.xdf"
    copy.write_bytes(lab.session.read_bytes())
    events = tmp_path / "copy_events.tsv"
    models = []
    for text in ("onset\tduration\ttrial_type\n0\t100\tpositive\n", "this is no events file"):
        events.write_text(text)
        out = tmp_path / f"bundle{len(models)}"
        done = rtemo("train", quick(lab, tmp_path), lab.calibration, "--unlabelled", copy, "-o", out)
        assert done.code == 0
        models.append((out / "model.safetensors").read_bytes())
    assert models[0] == models[1]
    manifest = json.loads((tmp_path / "bundle0" / "bundle.json").read_text())
    assert [r["labelled"] for r in manifest["recordings"]] == [True, False]


def test_every_recording_after_unlabelled_is_unlabelled() -> None:
    given = ["train", "c.toml", "a.xdf", "b.xdf", "--unlabelled", "u.xdf", "v.xdf", "--seed", "1", "-o", "out"]
    spread = [*given[:6], "--unlabelled", *given[6:]]
    assert cli.spread_greedy(given) == spread
    assert cli.spread_greedy(spread) == spread
    without_value = ["train", "c.toml", "a.xdf", "--unlabelled", "-o", "out"]
    assert cli.spread_greedy(without_value) == without_value


def test_two_unlabelled_recordings_are_both_kept_from_the_labels(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    copies = [tmp_path / "u.xdf", tmp_path / "v.xdf"]
    for copy in copies:
        copy.write_bytes(lab.session.read_bytes())
    given = ["--unlabelled", *copies, "-o", tmp_path / "bundle"]
    done = rtemo("train", quick(lab, tmp_path), lab.calibration, *given)
    assert done.code == 0
    manifest = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    read = {recording["name"]: recording["labelled"] for recording in manifest["recordings"]}
    assert read == {"calibration.xdf": True, "u.xdf": False, "v.xdf": False}


def test_a_finished_checkpoint_gives_the_same_model(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    command = ["train", quick(lab, tmp_path), lab.calibration]
    state = ["--checkpoint", tmp_path / "state", "--resume"]
    for name, options in (("begun", state), ("resumed", state), ("plain", [])):
        assert rtemo(*command, *options, "-o", tmp_path / name).code == 0
    begun, resumed, plain = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("begun", "resumed", "plain")
    )
    assert begun == resumed == plain
    assert rtemo(*command, "--resume", "-o", tmp_path / "d").code == 2


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (("length_s", "length_s"), 0, ""),
        (('labels = ["neg', 'lables = ["neg'), 2, "did you mean 'labels'"),
        (('type = "EEG"', 'type = "EGG"'), 3, "eeg"),
        (("differential-entropy", "differential-entropie"), 2, "differential-entropy"),
        (("steps = 80", "stepps = 80"), 2, "did you mean 'steps'"),
        (('features = "identity"', 'features = "identity"\nrequired = true\nchannels = ["pupil"]'), 3, "pupil_mean"),
        (('"positive"]', '"positive", "bored"]'), 1, "bored"),
        (('"clip/positive" = "positive"', '"clip/joy" = "positive"'), 1, "positive"),
    ],
)
def test_a_wrong_configuration_is_one_line_with_its_exit_code(
    lab: Lab, rtemo: Run, tmp_path: Path, change: tuple[str, str], code: int, said: str
) -> None:
    if code == 0:
        path = edited(lab, tmp_path, QUICK, ("[views.eeg]", "[window]\nlength_s = 2.0\n[views.eeg]"))
    elif code == 3 and "EGG" in change[1]:
        path = edited(
            lab,
            tmp_path,
            change,
            ('features = "differential-entropy"', 'features = "differential-entropy"\nrequired = true'),
        )
    else:
        path = edited(lab, tmp_path, change)
    done = rtemo("train", path, lab.calibration, "-o", tmp_path / "b")
    assert done.code == code, done.err
    if code:
        errors = [line for line in done.err.splitlines() if line.startswith("rtemo: ")]
        assert len(errors) == 1
        assert said in errors[0]
        assert "Traceback" not in done.err
        assert not (tmp_path / "b").exists()


def test_a_bundle_for_other_windows_or_views_is_refused_with_the_differences(
    lab: Lab, rtemo: Run, tmp_path: Path
) -> None:
    longer = edited(lab, tmp_path, ("[views.eeg]", "[window]\nlength_s = 2.0\n[views.eeg]"))
    done = rtemo("play", lab.session, "-c", longer, "-m", lab.bundle)
    assert done.code == 2
    assert "window.length_s: trained with 1.0, configured 2.0" in done.err
    fewer = edited(lab, tmp_path, ('stream = { type = "EEG" }', 'stream = { type = "EEG" }\nchannels = ["Fp1", "Fp2"]'))
    done = rtemo("play", lab.session, "-c", fewer, "-m", lab.bundle)
    assert done.code == 2
    assert "views.eeg.channels" in done.err
    alpha = 'features = "differential-entropy"\nsubset = ["*:alpha"]\nmax_bad_channels = 0.5\nrequired = true'
    done = rtemo(
        "play", lab.session, "-m", lab.bundle, "-c", edited(lab, tmp_path, ('features = "differential-entropy"', alpha))
    )
    assert done.code == 2
    assert "views.eeg.subset: trained with None, configured ['*:alpha']" in done.err
    assert "max_bad_channels" not in done.err
    assert "required" not in done.err


def test_a_bundle_that_is_none_is_refused(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    done = rtemo("evaluate", tmp_path, lab.session)
    assert done.code == 1
    assert "not a bundle" in done.err
    done = rtemo("play", lab.folder / "none.xdf", "-c", lab.config, "-m", lab.bundle)
    assert done.code == 1
    assert "none.xdf" in done.err


def test_train_does_not_write_over_what_is_no_bundle(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    done = rtemo("train", lab.config, lab.calibration, "-o", tmp_path)
    assert done.code == 1
    assert (tmp_path / "thesis.docx").read_text() == "years of work"


def test_wrong_usage_is_exit_code_2(lab: Lab, rtemo: Run) -> None:
    assert rtemo("play").code == 2
    assert rtemo("fly").code == 2
    assert rtemo("train", lab.config, "-o", "x").code == 2


def test_nothing_is_written_over_a_recording(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy.xdf"
    copy.write_bytes(lab.session.read_bytes())
    done = rtemo("features", copy, "-c", lab.config, "-o", copy)
    assert done.code == 2
    assert ".npz" in done.err
    assert copy.read_bytes() == lab.session.read_bytes()


def test_a_replay_that_is_refused_leaves_older_predictions(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    (tmp_path / "predictions.csv").write_text("older")
    text = tmp_path / "text.xdf"
    text.write_text("this is no recording")
    assert rtemo("play", text, "-c", lab.config, "-m", lab.bundle, "-o", tmp_path).code == 1
    assert (tmp_path / "predictions.csv").read_text() == "older"


def test_labels_that_look_like_markup_are_shown_as_they_are(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    config = edited(lab, tmp_path, ('"positive"]', '"a [/x]"]'), ('= "positive" }', '= "a [/x]" }'), QUICK)
    bundle = tmp_path / "bundle"
    assert rtemo("train", config, lab.calibration, "-o", bundle).code == 0
    for command in (("play", lab.session, "-c", config, "-m", bundle), ("evaluate", bundle, lab.session)):
        done = rtemo(*command)
        assert done.code == 0, done.err
        assert "a [/x]" in done.out


def test_a_recording_named_twice_is_refused(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    done = rtemo("train", lab.config, lab.calibration, "--unlabelled", lab.calibration, "-o", tmp_path / "b")
    assert done.code == 2
    assert "named twice" in done.err
    assert rtemo("evaluate", lab.bundle, lab.session, lab.session).code == 2


def test_evaluating_on_what_was_trained_on_is_said(lab: Lab, rtemo: Run) -> None:
    assert "was trained on this recording" in rtemo("evaluate", lab.bundle, lab.calibration).err
    assert "was trained on this recording" not in rtemo("evaluate", lab.bundle, lab.session).err


def test_a_recording_whose_markers_name_no_label_is_said(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    config = edited(
        lab,
        tmp_path,
        ('"clip/negative" = "negative"', '"x" = "negative"'),
        ('"clip/neutral" = "neutral"', '"y" = "neutral"'),
        ('"clip/positive" = "positive"', '"z" = "positive"'),
    )
    done = rtemo("features", lab.session, "-c", config, "-o", tmp_path / "f.npz")
    assert done.code == 0
    assert "no window has a label" in done.err
    assert "'clip/negative'" in done.err


def test_a_seed_that_no_generator_takes_is_wrong_usage(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    assert rtemo("train", lab.config, lab.calibration, "--seed", 10**20, "-o", tmp_path / "b").code == 2


def test_an_unknown_device_is_refused_before_anything_is_read(lab: Lab, rtemo: Run, tmp_path: Path) -> None:
    done = rtemo("train", lab.config, tmp_path / "none.xdf", "--device", "gpu", "-o", tmp_path / "b")
    assert done.code == 2
    assert "'gpu' is unknown" in done.err


def test_info_says_what_is_in_a_recording(lab: Lab, rtemo: Run) -> None:
    report = json.loads(rtemo("info", lab.session, "--json").out)
    eeg = next(stream for stream in report["streams"] if stream["type"] == "EEG")
    assert len(eeg["gaps"]) == 2
    assert eeg["gaps"][0]["length_s"] == pytest.approx(30.0, abs=0.1)
    assert "gap of 30.0" in rtemo("info", lab.session).out


def test_ctrl_c_keeps_the_rows_and_says_so(lab: Lab, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rtemo", "play", lab.session, "-c", lab.config, "-m", lab.bundle]
    with subprocess.Popen(
        [*map(str, command), "-o", str(tmp_path), "--speed", "4"],
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore Ctrl-C, and so would what they start.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as playing:
        table = tmp_path / "predictions.csv"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (table.exists() and len(table.read_text().splitlines()) > 3):
            assert playing.poll() is None
            threading.Event().wait(0.05)
        playing.send_signal(signal.SIGINT)
        try:
            _, said = playing.communicate(timeout=30)
        finally:
            playing.kill()
    assert playing.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    lines = table.read_text().splitlines()
    assert len(lines) > 3
    assert all(line.count(",") == lines[0].count(",") for line in lines)


def test_the_demonstration_shows_views_dropping_out(
    rtemo: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = demonstration.configuration()
    # All but how long it learns.
    brief = config.model.model_copy(update={"settings": config.model.settings | {"epochs": 2}})
    monkeypatch.setattr(demonstration, "configuration", lambda: config.model_copy(update={"model": brief}))
    done = rtemo("demo", "-o", tmp_path)
    assert done.code == 0
    assert "eye missing in" in done.out
    assert "without:eeg: accuracy" in done.out
    assert {"calibration.xdf", "session.xdf", "bundle", "predictions.csv"} <= {path.name for path in tmp_path.iterdir()}
