"""A report's questions, one a page: what is chosen, and what keys do. No Qt is here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from calibration.selfreport import Scale

MOST_BOXES: Final = 11
"""A scale with more steps is a line that is clicked on, not boxes."""


@dataclass
class Form:
    """The state of a report that is being filled in.

    Parameters
    ----------
    scales : tuple of Scale
        At least one.

    Attributes
    ----------
    page : int
        Which question is shown.
    sent : bool
        Whether all are answered and the last was confirmed: nothing changes after that.
    """

    scales: tuple[Scale, ...]
    page: int = 0
    sent: bool = False
    _chosen: dict[int, int] = field(default_factory=dict)

    @property
    def scale(self) -> Scale:
        """The question that is shown."""
        return self.scales[self.page]

    @property
    def options(self) -> int:
        """How many answers it has."""
        return options_of(self.scale)

    @property
    def chosen(self) -> int | None:
        """Which of them is chosen."""
        return self._chosen.get(self.page)

    @property
    def is_last(self) -> bool:
        """Whether confirming sends the report."""
        return self.page == len(self.scales) - 1

    @property
    def is_line(self) -> bool:
        """Whether the steps are too many to be boxes."""
        return self.scale.kind != "choice" and self.options > MOST_BOXES

    def choose(self, option: int) -> bool:
        """Choose an answer; gives whether there is such a one."""
        if self.sent or not 0 <= option < self.options:
            return False
        self._chosen[self.page] = option
        return True

    def move(self, by: int) -> bool:
        """Choose the next answer, or the one before; from the middle of a scale where none is chosen."""
        if self.chosen is None:
            return self.choose(0 if self.scale.kind == "choice" else (self.options - 1) // 2)
        return self.choose(min(max(self.chosen + by, 0), self.options - 1))

    def digit(self, digit: int) -> bool:
        """Choose by a digit: a step that has this number, or the word in this place."""
        if self.scale.kind == "choice":
            return self.choose(digit - 1)
        values = self.scale.values
        return float(digit) in values and self.choose(values.index(float(digit)))

    def confirm(self) -> bool:
        """Go on to the next question, or send the report; gives whether it could."""
        if self.sent or self.chosen is None:
            return False
        if self.is_last:
            self.sent = True
        else:
            self.page += 1
        return True

    def back(self) -> bool:
        """Look at the question before once more; its answer stays chosen."""
        if self.sent or self.page == 0:
            return False
        self.page -= 1
        return True

    def answers(self) -> Mapping[str, float | str]:
        """What has been chosen so far, by the names of scales."""
        return {
            scale.name: scale.choices[option] if scale.kind == "choice" else float(scale.values[option])
            for scale, option in ((self.scales[page], option) for page, option in sorted(self._chosen.items()))
        }


def options_of(scale: Scale) -> int:
    """How many answers a question has."""
    return len(scale.choices) if scale.kind == "choice" else len(scale.values)
