"""A label's own rule: a small language, of which nothing is executed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.expression import DEEPEST, MOST_CHARACTERS, Kind, parse

KINDS: dict[str, Kind] = {"valence": "number", "arousal": "number", "emotion": "text", "intended": "text"}
VALUES: dict[str, float | str] = {"valence": 7.0, "arousal": 3.0, "emotion": "joy", "intended": "calm"}


@pytest.mark.parametrize(
    "text",
    [
        "valence > 6",
        "valence >= 7 and arousal <= 3",
        "4 < valence < 8",
        "not valence < 6",
        "emotion == 'joy'",
        "emotion != intended",
        "emotion in ('joy', 'awe')",
        "emotion not in ['fear']",
        "abs(valence - 5) > abs(arousal - 5) - 1",
        "-valence + 2 * arousal / 3 == -5",
        "valence < 1 or arousal in (3, 4)",
        " valence == 7 ",
    ],
)
def test_conditions_that_hold(text: str) -> None:
    expression = parse(text)
    expression.check(KINDS)
    assert expression.holds(VALUES)


@pytest.mark.parametrize("text", ["valence > 7", "4 < valence < 7", "emotion in ('awe',)", "7 != valence"])
def test_conditions_that_do_not_hold(text: str) -> None:
    expression = parse(text)
    expression.check(KINDS)
    assert not expression.holds(VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "valence.__class__",
        "(lambda: 1)()",
        "[x for x in (1, 2)]",
        "valence ** 9",
        "valence if arousal else 1",
        "open('x')",
        "abs(valence, 2)",
        "abs(x=valence)",
        "valence[0] > 1",
        "f'{valence}'",
        "valence := 3",
        "True",
        "None",
        "1j > 2",
        "valence in 'text'",
        "valence == (1, 2)",
        "emotion in ()",
        "valence is 7",
        "valence < 1e300",
        "b'x' == emotion",
        "*valence",
        "await valence",
        "valence; arousal",
        "",
        "(" * 300,
        "valence > 1\0",
        "x" * (MOST_CHARACTERS + 1),
        "not " * (DEEPEST + 1) + "valence > 1",
        "-" * 400 + "1 > 0",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expression|allowed|nested"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("valence", "no condition"),
        ("valence + 1", "no condition"),
        ("dominance > 1", "not reported"),
        ("valence > 'six'", "expected"),
        ("emotion > 'joy'", "expected"),
        ("emotion == 5", "expected"),
        ("valence and arousal", "expected"),
        ("not emotion", "expected"),
        ("abs > 1", "not reported"),
        ("(valence > 1) + 1 > 1", "expected"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(text).check(KINDS)


def test_where_an_answer_is_missing_no_condition_on_it_holds() -> None:
    assert not parse("valence > 6").holds({})
    assert not parse("not valence > 6").holds({})


@pytest.mark.parametrize("comparison", ["==", "!=", "<", ">=", "in"])
def test_what_is_divided_by_zero_compares_with_nothing(comparison: str) -> None:
    right = "(1, 2)" if comparison == "in" else "1"
    assert not parse(f"valence / (arousal - arousal) {comparison} {right}").holds(VALUES)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        expression = parse(text)
        expression.check(KINDS)
    except ValueError:
        return
    assert expression.holds(VALUES) in (True, False)


NUMBERS = st.recursive(
    st.sampled_from(["valence", "arousal", "2", "0.5"]),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
    max_leaves=6,
)


@given(NUMBERS, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), NUMBERS)
def test_arithmetic_is_pythons_own(left: str, comparison: str, right: str) -> None:
    text = f"{left} {comparison} {right}"
    if len(text) > MOST_CHARACTERS:
        return
    try:
        expected = eval(text, {"valence": 7.0, "arousal": 3.0})
    except ZeroDivisionError:
        return
    assert parse(text).holds(VALUES) == expected
