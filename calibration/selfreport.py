"""Self-report: its scales, and the label that follows from a participant's answers.

Sources: the Self-Assessment Manikin (Bradley and Lang 1994) with nine steps; quadrants of valence and arousal as in
DEAP (Koelstra et al. 2012), with a dead zone around the midpoint; the intended label as in SEED (Zheng and Lu 2015).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from calibration.expression import Kind, parse
from rtemo.labels import REQUIRED_COLUMNS

Answers: TypeAlias = Mapping[str, float | str]
Rule: TypeAlias = Literal["intended", "quadrants", "threshold", "reported", "expression"]
Quadrant: TypeAlias = Literal["HVHA", "LVHA", "LVLA", "HVLA"]

SAM_SCALES = ("valence", "arousal", "dominance")
SAM_STEPS = 9
EMOTION, INTENDED = "emotion", "intended"
TRIAL_COLUMNS = ("trial", "attempt", INTENDED, "practice")
"""What an events file says of a trial beside its answers, which stand in columns named like their scales."""
_NEEDED: dict[str, tuple[str, ...]] = {
    "intended": (),
    "quadrants": ("quadrants",),
    "threshold": ("scale", "low", "high"),
    "reported": ("reported",),
    "expression": ("expression",),
}

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Short = Annotated[str, Field(min_length=1, max_length=300)]


@dataclass(frozen=True, slots=True)
class Scale:
    """One question of a report.

    Attributes
    ----------
    name : str
        Under which the answer is kept.
    kind : {"sam", "choice", "free"}
        Manikins (valence, arousal, dominance from 1 to 9), one word of several, or numbers between two anchors.
    text : str
        The question.
    values : tuple of float
        The steps, ascending; none for a choice.
    anchors : tuple of str
        What the lowest and the highest step mean; empty strings where nothing is said.
    choices : tuple of str
        The words; none for numbers.
    """

    name: str
    kind: Literal["sam", "choice", "free"]
    text: str
    values: tuple[float, ...] = ()
    anchors: tuple[str, str] = ("", "")
    choices: tuple[str, ...] = ()

    def takes(self, answer: object) -> bool:
        """Whether this is an answer to it: one of its words, or a number from its lowest to its highest step."""
        if self.choices:
            return isinstance(answer, str) and answer in self.choices
        if isinstance(answer, bool) or not isinstance(answer, int | float):
            return False
        return self.values[0] <= answer <= self.values[-1]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FreeScale(_Strict):
    """A scale of the protocol's own: so many steps from low to high."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    text: Short
    low: Number = 1.0
    high: Number = 9.0
    steps: Annotated[int, Field(strict=True, ge=2, le=101)] = SAM_STEPS
    anchors: tuple[str, str] = ("", "")

    @model_validator(mode="after")
    def _has_extent(self) -> FreeScale:
        if self.name in (*SAM_SCALES, EMOTION):
            raise ValueError(f"a scale of one's own cannot be called {self.name!r}")
        if self.name in (*REQUIRED_COLUMNS, *TRIAL_COLUMNS):
            raise ValueError(
                f"a scale of one's own cannot be called {self.name!r}: the events file has a column of this name"
            )
        if not self.low < self.high:
            raise ValueError(f"low = {self.low:g} is not below high = {self.high:g}")
        return self

    def scale(self) -> Scale:
        """The question that is asked."""
        values = tuple(float(value) for value in np.linspace(self.low, self.high, self.steps))
        return Scale(self.name, "free", self.text, values, self.anchors)


class ReportSettings(_Strict):
    """What the participant is asked after each trial; at ``timeout_s`` the session goes on without an answer."""

    scales: list[Literal["valence", "arousal", "dominance", "emotion"]] = Field(default_factory=list)
    emotions: list[Short] = Field(default_factory=list, max_length=40)
    free: list[FreeScale] = Field(default_factory=list, max_length=20)
    timeout_s: Annotated[float, Field(strict=True, gt=0, le=3600, allow_inf_nan=False)] = 60.0

    @model_validator(mode="after")
    def _asks_something(self) -> ReportSettings:
        names = [*self.scales, *(scale.name for scale in self.free)]
        if not names:
            raise ValueError("asks nothing: name scales, or leave [report] out")
        if len(set(names)) != len(names):
            raise ValueError("a scale is named twice")
        if (EMOTION in self.scales) != bool(self.emotions):
            raise ValueError('the scale "emotion" and the list emotions go together')
        if len(set(self.emotions)) != len(self.emotions):
            raise ValueError("an emotion is named twice")
        return self

    def kinds(self) -> dict[str, Kind]:
        """By scale whether its answers are numbers or texts."""
        names = [*self.scales, *(scale.name for scale in self.free)]
        return {name: "text" if name == EMOTION else "number" for name in names}


class LabelSettings(_Strict):
    """How a trial gets its label.

    ``intended``: the one that the protocol says. ``quadrants``: valence and arousal, each low or high of ``midpoint``.
    ``threshold``: one scale, low or high of it. ``reported``: the chosen emotion, through a map. ``expression``: the
    first condition that holds, in the order in which they are written. Answers closer to the midpoint than
    ``dead_zone``, and the midpoint itself, are neither low nor high.
    """

    rule: Rule = "intended"
    dead_zone: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 1.0
    midpoint: Number = 5.0
    quadrants: dict[Quadrant, Short] = Field(default_factory=dict)
    scale: str | None = None
    low: Short | None = None
    high: Short | None = None
    reported: dict[str, Short] = Field(default_factory=dict)
    expression: dict[Short, Short] = Field(default_factory=dict)

    @field_validator("expression")
    @classmethod
    def _expressions_are_read(cls, value: dict[str, str]) -> dict[str, str]:
        for text in value.values():
            parse(text)
        return value

    @model_validator(mode="after")
    def _rule_has_what_it_needs(self) -> LabelSettings:
        needed = _NEEDED[self.rule]
        missing = [name for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(f'rule = "{self.rule}" needs {", ".join(missing)}')
        others = {name for names in _NEEDED.values() for name in names} - set(needed)
        idle = sorted(name for name in others if getattr(self, name))
        if idle:
            raise ValueError(f'rule = "{self.rule}" does not use {", ".join(idle)}: leave it out, or change rule')
        return self

    def given(self) -> list[str]:
        """The labels that it can give, in the order of writing; those of ``intended`` are the trials' own."""
        by_rule: dict[str, Sequence[str]] = {
            "quadrants": tuple(self.quadrants.values()),
            "threshold": tuple(label for label in (self.low, self.high) if label),
            "reported": tuple(self.reported.values()),
            "expression": tuple(self.expression),
        }
        return list(dict.fromkeys(by_rule.get(self.rule, ())))

    def check(self, report: ReportSettings | None) -> None:
        """Check that the report asks what the rule needs.

        Raises
        ------
        ValueError
            It does not.
        """
        kinds = {} if report is None else report.kinds()
        asked = ", ".join(kinds) or "nothing"
        numbers: tuple[str, ...] = ()
        if self.rule == "quadrants":
            numbers = ("valence", "arousal")
        elif self.rule == "threshold" and self.scale is not None:
            numbers = (self.scale,)
        for name in numbers:
            if kinds.get(name) != "number":
                raise ValueError(f'rule = "{self.rule}" needs the scale {name!r} as a number; [report] asks {asked}')
            self._check_midpoint(name, report)
        if self.rule == "reported":
            unknown = sorted(set(self.reported) - set(report.emotions if report is not None else ()))
            if unknown:
                raise ValueError(f"reported names {unknown}, which are not among the emotions of [report]")
        if self.rule == "expression":
            for label, text in self.expression.items():
                try:
                    parse(text).check({**kinds, INTENDED: "text"})
                except ValueError as error:
                    raise ValueError(f"expression of {label!r}: {error}") from error

    def _check_midpoint(self, name: str, report: ReportSettings | None) -> None:
        free = [scale for scale in (report.free if report is not None else ()) if scale.name == name]
        low, high = (free[0].low, free[0].high) if free else (1.0, float(SAM_STEPS))
        if not (low <= self.midpoint - self.dead_zone and self.midpoint + self.dead_zone <= high):
            raise ValueError(
                f"midpoint = {self.midpoint:g} with dead_zone = {self.dead_zone:g} leaves the scale {name!r}, "
                f"which goes from {low:g} to {high:g}"
            )


def label_of(settings: LabelSettings, answers: Answers, intended: str | None) -> str | None:
    """The label of a trial, or None where the rule gives none.

    Parameters
    ----------
    settings : LabelSettings
        As a protocol holds them, so they fit its report.
    answers : mapping of str to float or str
        By scale; what was not answered is absent.
    intended : str or None
        What the protocol says of the trial.
    """
    match settings.rule:
        case "intended":
            return intended
        case "quadrants":
            valence, arousal = (_side(settings, answers.get(name)) for name in ("valence", "arousal"))
            sides = {str(quadrant): label for quadrant, label in settings.quadrants.items()}
            return None if valence is None or arousal is None else sides.get(f"{valence}V{arousal}A")
        case "threshold":
            side = _side(settings, answers.get(settings.scale or ""))
            return None if side is None else {"L": settings.low, "H": settings.high}[side]
        case "reported":
            emotion = answers.get(EMOTION)
            return settings.reported.get(emotion) if isinstance(emotion, str) else None
        case "expression":
            values = {name: answer if isinstance(answer, str) else float(answer) for name, answer in answers.items()}
            if intended is not None:
                values[INTENDED] = intended
            return next((label for label, text in settings.expression.items() if parse(text).holds(values)), None)


def _side(settings: LabelSettings, answer: float | str | None) -> Literal["L", "H"] | None:
    """Low or high of the midpoint, or neither."""
    if answer is None or isinstance(answer, str):
        return None
    off = answer - settings.midpoint
    if off == 0 or abs(off) < settings.dead_zone:
        return None
    return "H" if off > 0 else "L"
