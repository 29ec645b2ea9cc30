"""Protocols: what is read, what is refused and how it is said."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from calibration.protocol import (
    SHIPPED,
    Protocol,
    check_labels,
    check_media,
    load_protocol,
    protocol_bytes,
    resolve_protocol,
)
from calibration.schedule import least_s, planned
from rtemo.errors import ConfigurationError
from rtemo.outputs.toml import toml_text

WORDS: dict[str, Any] = {
    "name": "clips",
    "instructions": "Watch.",
    "timing": {"stimulus_s": 5.0},
    "blocks": [
        {
            "name": "main",
            "trials": [
                {"label": "good", "stimulus": {"kind": "video", "file": "a.mp4"}},
                {"label": "bad", "stimulus": {"kind": "text", "text": "b"}, "stimulus_s": 2.0},
            ],
        }
    ],
}


def written(folder: Path, change: Callable[[dict[str, Any]], object] = lambda words: None) -> Path:
    words = copy.deepcopy(WORDS)
    change(words)
    path = folder / "p.toml"
    path.write_text(toml_text(words), "utf-8")
    return path


def first_trial(words: dict[str, Any]) -> dict[str, Any]:
    trial: dict[str, Any] = words["blocks"][0]["trials"][0]
    return trial


@pytest.mark.parametrize("name", ["quick", "film_clips", "images"])
def test_protocols_that_are_shipped_can_be_planned(name: str) -> None:
    protocol = load_protocol(resolve_protocol(name))
    plan = planned(protocol, 1)
    assert len({trial.label for trial in plan}) == 3
    assert all(protocol.scales() or protocol.report is None for _ in plan)


def test_the_quick_protocol_takes_about_three_minutes_and_no_files() -> None:
    protocol = load_protocol(resolve_protocol("quick"))
    assert protocol.media(SHIPPED) == []
    assert 150 < least_s(protocol, planned(protocol, 1)) < 240
    check_labels(protocol, ["negative", "neutral", "positive"])


def test_a_protocol_is_found_by_name_or_path(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert resolve_protocol(path) == path
    assert resolve_protocol("quick") == SHIPPED / "quick.toml"
    with pytest.raises(ConfigurationError, match="film_clips, images, quick"):
        resolve_protocol("quik")


def test_durations_come_from_the_trial_then_its_block_then_the_protocol(tmp_path: Path) -> None:
    def change(words: dict[str, Any]) -> None:
        words["blocks"][0]["rest_s"] = 3.0
        first_trial(words)["fixation_s"] = 0.0
        words["order"] = {"shuffle": "none"}

    first, second = planned(
        load_protocol(written(tmp_path, lambda w: (change(w), w.update(order={"shuffle": "none"})))), 1
    )
    assert (first.fixation_s, first.stimulus_s, first.rest_s) == (0.0, 5.0, 3.0)
    assert (second.fixation_s, second.stimulus_s, second.rest_s) == (2.0, 2.0, 3.0)


def test_a_video_may_have_its_own_length(tmp_path: Path) -> None:
    path = written(tmp_path, lambda words: first_trial(words).update(stimulus_s="own"))
    assert {trial.stimulus_s for trial in planned(load_protocol(path), 1)} == {None, 2.0}


REFUSED: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda w: w.update(titel="x"), "unknown key 'titel'"),
    (lambda w: w.update(baselines_s=1.0), "did you mean 'baseline_s'"),
    (lambda w: w["blocks"][0]["trials"][0].update(lable="x"), r"'blocks\[1\].trials\[1\].lable', did you mean 'label'"),
    (lambda w: w.pop("instructions"), "'instructions' is missing"),
    (lambda w: w.update(blocks=[]), "at least 1 item"),
    (lambda w: w["blocks"][0].update(trials=[]), "at least 1 item"),
    (lambda w: w["blocks"].append(w["blocks"][0]), "given twice"),
    (lambda w: w["blocks"][0].update(practice=True), "nothing would be learnt"),
    (lambda w: first_trial(w).pop("label"), "needs a label"),
    (lambda w: first_trial(w).update(label="none"), "cannot be a label"),
    (lambda w: first_trial(w).update(label="a,b"), "cannot be a label"),
    (lambda w: first_trial(w).update(label="a\tb"), "cannot be a label"),
    (lambda w: first_trial(w).update(repeat=0), "greater than or equal to 1"),
    (lambda w: first_trial(w).update(repeat=10**6), "less than or equal"),
    (lambda w: w["blocks"][0].update(trials=[{**first_trial(w), "repeat": 1000}] * 6), "more than 5000"),
    (lambda w: first_trial(w).update(fixation_s=-1.0), "greater than or equal to 0"),
    (lambda w: first_trial(w).update(fixation_s=float("inf")), "finite"),
    (lambda w: first_trial(w).update(fixation_s=True), "valid number"),
    (lambda w: first_trial(w).update(fixation_s="2"), "valid number"),
    (lambda w: first_trial(w).update(stimulus={"kind": "video"}), "needs file"),
    (lambda w: first_trial(w).update(stimulus={"kind": "text", "text": "x", "file": "y"}), "has no file"),
    (lambda w: first_trial(w).update(stimulus={"kind": "none", "text": "x"}), "has no text"),
    (lambda w: first_trial(w).update(stimulus={"kind": "smell"}), "video"),
    (lambda w: first_trial(w).update(stimulus={"kind": "video", "file": "a\0b"}), "no file's name"),
    (lambda w: w["blocks"][0]["trials"][1].update(stimulus_s="own"), "no length of its own"),
    (lambda w: w.update(timing={}) or w["blocks"][0]["trials"][1].pop("stimulus_s"), "give stimulus_s"),
    (lambda w: w.update(seed=-1), "greater"),
    (lambda w: w.update(labels={"rule": "quadrants", "quadrants": {"HVHA": "x"}}), "asks nothing"),
    (lambda w: w.update(order={"shuffle": "all"}) or w["blocks"][0].update(instructions="x"), "no instructions"),
    (
        lambda w: (
            w.update(order={"shuffle": "all"})
            or w["blocks"].append({**w["blocks"][0], "name": "late", "practice": True})
        ),
        "practice blocks before",
    ),
]


@pytest.mark.parametrize(("change", "reason"), REFUSED)
def test_what_is_wrong_is_said_with_file_and_key(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        load_protocol(written(tmp_path, change))
    assert str(tmp_path / "p.toml") in str(caught.value)


def test_an_error_shows_no_characters_that_move_a_terminals_cursor(tmp_path: Path) -> None:
    path = written(tmp_path, lambda words: words.update({"\x1b[2Jx": "\x1b[31m", "name": 3}))
    with pytest.raises(ConfigurationError) as caught:
        load_protocol(path)
    assert str(caught.value).isprintable()


def test_files_that_cannot_be_shown_are_named_all_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "there.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    names = ("empty.jpg", "folder.jpg", "there.jpg", "gone.jpg", "gone.jpg")
    trials = [{"label": "good", "stimulus": {"kind": "image", "file": name}} for name in names]
    protocol = load_protocol(written(tmp_path, lambda words: words["blocks"][0].update(trials=trials)))
    assert len(protocol.media(tmp_path)) == 4
    with pytest.raises(ConfigurationError, match="3 of 4 files") as caught:
        check_media(protocol, tmp_path)
    for told in ("empty.jpg: is empty", "folder.jpg: is a folder", "gone.jpg: No such file"):
        assert told in str(caught.value)
    assert "there.jpg" not in str(caught.value)


PICTURES = {
    "a.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "a.jpg": b"\xff\xd8\xff\xe1",
    "a.gif": b"GIF89a",
    "a.bmp": b"BM6",
    "a.webp": b"RIFF\x24\0\0\0WEBPVP8 ",
    "a.tif": b"II*\0\x08",
    "b.tif": b"MM\0*\0",
    "a.svg": b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- drawn -->\n<svg xmlns='http://www.w3.org/2000/svg'/>",
}
NO_PICTURES = {
    "text.png": b"This is a text.",
    "page.svg": b"<html><body>nothing here</body></html>",
    "sound.webp": b"RIFF\x24\0\0\0WAVEfmt ",
    "cut.png": b"\x89PN",
}


def test_an_image_is_told_by_what_is_in_it_not_by_its_name(tmp_path: Path) -> None:
    for name, content in {**PICTURES, **NO_PICTURES}.items():
        (tmp_path / name).write_bytes(content)

    def showing(names: Iterable[str]) -> Protocol:
        trials = [{"label": "good", "stimulus": {"kind": "image", "file": name}} for name in names]
        return load_protocol(written(tmp_path, lambda words: words["blocks"][0].update(trials=trials)))

    check_media(showing(PICTURES), tmp_path)
    with pytest.raises(ConfigurationError, match="4 of 5 files") as caught:
        check_media(showing([*NO_PICTURES, "a.png"]), tmp_path)
    for name in NO_PICTURES:
        assert f"{name}: is no image that can be shown (PNG, JPEG," in str(caught.value)


def test_files_that_are_there_pass(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    check_media(load_protocol(written(tmp_path)), tmp_path)


def test_labels_must_be_those_of_the_configuration(tmp_path: Path) -> None:
    protocol = load_protocol(written(tmp_path))
    check_labels(protocol, ["bad", "good"])
    with pytest.raises(ConfigurationError, match=r"gives \['good'\]"):
        check_labels(protocol, ["bad"])
    with pytest.raises(ConfigurationError, match=r"never gives \['ugly'\]"):
        check_labels(protocol, ["bad", "good", "ugly"])


def test_labels_of_another_rule_are_checked_too() -> None:
    protocol = load_protocol(resolve_protocol("images"))
    check_labels(protocol, ["negative", "positive"])
    with pytest.raises(ConfigurationError, match="never gives"):
        check_labels(protocol, ["negative", "neutral", "positive"])


def test_a_copy_can_be_read_anywhere(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert protocol_bytes(path) == path.read_bytes()
    other = tmp_path / "other.toml"
    other.write_text('include = "p.toml"\nname = "other"\n', "utf-8")
    away = tmp_path / "away"
    away.mkdir()
    (away / "protocol.toml").write_bytes(protocol_bytes(other))
    assert load_protocol(away / "protocol.toml") == load_protocol(other)
    assert load_protocol(other).name == "other"


def test_texts_can_be_put_into_the_participants_language(tmp_path: Path) -> None:
    def change(words: dict[str, Any]) -> None:
        words["report"] = {"scales": ["valence", "emotion"], "emotions": ["Freude", "Angst"]}
        words["texts"] = {"valence": ["Wie angenehm?", "unangenehm", "angenehm"], "emotion": "Welches Wort?"}

    valence, emotion = load_protocol(written(tmp_path, change)).scales()
    assert (valence.text, valence.anchors) == ("Wie angenehm?", ("unangenehm", "angenehm"))
    assert valence.values == tuple(range(1, 10))
    assert (emotion.text, emotion.choices) == ("Welches Wort?", ("Freude", "Angst"))


def test_the_example_of_the_images_protocols_comment_is_valid() -> None:
    text = (SHIPPED / "images.toml").read_text("utf-8")
    words = tomllib.loads(text)
    commented = [line.removeprefix("#     ") for line in text.splitlines() if line.startswith("#     ")]
    for start in (0, 2):
        rule = tomllib.loads("\n".join(commented[start : start + 2]))
        Protocol.model_validate({**words, "labels": rule})
