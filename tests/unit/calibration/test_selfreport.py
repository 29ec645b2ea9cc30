"""Labels from reports."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from calibration.selfreport import FreeScale, LabelSettings, ReportSettings, Scale, label_of

SAM = ReportSettings(scales=["valence", "arousal"])
QUADRANTS = {"HVHA": "excited", "LVHA": "angry", "LVLA": "sad", "HVLA": "calm"}


def settings(**values: object) -> LabelSettings:
    return LabelSettings.model_validate(values)


def test_the_intended_label_is_the_protocols() -> None:
    assert label_of(settings(), {"valence": 1.0}, "positive") == "positive"
    assert label_of(settings(), {}, None) is None


@pytest.mark.parametrize(
    ("valence", "arousal", "label"),
    [
        (8.0, 8.0, "excited"),
        (2.0, 8.0, "angry"),
        (2.0, 2.0, "sad"),
        (8.0, 2.0, "calm"),
        (6.0, 4.0, "calm"),
        (5.9, 2.0, None),
        (8.0, 4.1, None),
        (5.0, 5.0, None),
    ],
)
def test_quadrants_have_a_dead_zone_around_the_midpoint(valence: float, arousal: float, label: str | None) -> None:
    rule = settings(rule="quadrants", quadrants=QUADRANTS, dead_zone=1.0)
    rule.check(SAM)
    assert label_of(rule, {"valence": valence, "arousal": arousal}, None) == label


def test_without_a_dead_zone_only_the_midpoint_itself_has_no_label() -> None:
    rule = settings(rule="threshold", scale="valence", low="bad", high="good", dead_zone=0.0)
    assert [label_of(rule, {"valence": v}, None) for v in (4.9, 5.0, 5.1)] == ["bad", None, "good"]


def test_a_quadrant_without_a_name_and_an_answer_that_is_missing_give_no_label() -> None:
    rule = settings(rule="quadrants", quadrants={"HVHA": "excited"})
    assert label_of(rule, {"valence": 2.0, "arousal": 8.0}, None) is None
    assert label_of(rule, {"valence": 8.0}, None) is None


def test_a_threshold_on_a_scale_of_ones_own_has_its_midpoint() -> None:
    report = ReportSettings(free=[FreeScale(name="tension", text="How tense?", low=0.0, high=100.0, steps=11)])
    rule = settings(rule="threshold", scale="tension", low="calm", high="tense", midpoint=50.0, dead_zone=10.0)
    rule.check(report)
    assert [label_of(rule, {"tension": t}, None) for t in (40.0, 41.0, 60.0)] == ["calm", None, "tense"]
    with pytest.raises(ValueError, match="leaves the scale"):
        settings(rule="threshold", scale="tension", low="calm", high="tense", midpoint=5.0, dead_zone=10.0).check(
            report
        )


def test_a_reported_emotion_goes_through_the_map() -> None:
    report = ReportSettings(scales=["emotion"], emotions=["joy", "awe", "fear"])
    rule = settings(rule="reported", reported={"joy": "positive", "awe": "positive"})
    rule.check(report)
    assert [label_of(rule, {"emotion": e}, None) for e in ("joy", "awe", "fear")] == ["positive", "positive", None]


def test_of_expressions_the_first_that_holds_counts() -> None:
    rule = settings(
        rule="expression", expression={"good": "valence > 6", "fine": "valence > 4", "odd": "intended == 'x'"}
    )
    rule.check(SAM)
    labels = [label_of(rule, {"valence": v}, "x") for v in (7.0, 5.0, 3.0)]
    assert labels == ["good", "fine", "odd"]
    assert label_of(rule, {}, None) is None


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"rule": "quadrants"}, "needs quadrants"),
        ({"rule": "threshold", "scale": "valence", "low": "x"}, "needs high"),
        ({"rule": "reported"}, "needs reported"),
        ({"rule": "expression"}, "needs expression"),
        ({"rule": "expression", "expression": {"x": "import os"}}, "cannot be read"),
        ({"rule": "intended", "quadrants": QUADRANTS}, "does not use"),
        ({"rule": "quadrants", "quadrants": {"HV": "x"}}, "HVHA"),
        ({"rule": "guess"}, "intended"),
        ({"dead_zone": -1.0}, "greater"),
        ({"dead_zone": float("nan")}, "finite"),
    ],
)
def test_rules_without_what_they_need_are_refused(values: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        settings(**values)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"rule": "quadrants", "quadrants": QUADRANTS}, "arousal"),
        ({"rule": "threshold", "scale": "tension", "low": "x", "high": "y"}, "tension"),
        ({"rule": "reported", "reported": {"joy": "x"}}, "not among the emotions"),
        ({"rule": "expression", "expression": {"x": "arousal > 5"}}, "not reported"),
        ({"rule": "threshold", "scale": "valence", "low": "x", "high": "y", "dead_zone": 5.0}, "leaves the scale"),
    ],
)
def test_rules_that_the_report_does_not_serve_are_refused(values: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        settings(**values).check(ReportSettings(scales=["valence"]))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "asks nothing"),
        ({"scales": ["valence", "valence"]}, "named twice"),
        ({"scales": ["emotion"]}, "go together"),
        ({"scales": ["valence"], "emotions": ["joy"]}, "go together"),
        ({"scales": ["emotion"], "emotions": ["joy", "joy"]}, "named twice"),
        ({"free": [{"name": "valence", "text": "?"}]}, "cannot be called"),
        *(
            ({"free": [{"name": name, "text": "?"}]}, f"'{name}': the events file has a column of this name")
            for name in ("onset", "duration", "trial_type", "trial", "attempt", "intended", "practice")
        ),
        ({"free": [{"name": "x", "text": "?", "low": 3.0, "high": 3.0}]}, "not below"),
        ({"free": [{"name": "x", "text": "?", "steps": 1}]}, "greater"),
        ({"scales": ["valence"], "timeout_s": 0.0}, "greater"),
    ],
)
def test_reports_that_cannot_be_asked_are_refused(values: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ReportSettings.model_validate(values)


def test_a_scale_knows_its_answers() -> None:
    tension = FreeScale(name="tension", text="?", low=0.0, high=1.0, steps=3).scale()
    assert tension.values == (0.0, 0.5, 1.0)
    assert [tension.takes(x) for x in (0, 0.3, 1.0, 1.1, True, "0", None, float("nan"))] == [True, True, True] + [
        False
    ] * 5
    words = Scale("emotion", "choice", "?", choices=("joy",))
    assert [words.takes(x) for x in ("joy", "fear", 1.0)] == [True, False, False]
