"""What a report consists of, before it becomes HTML or Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Value = float | str | None


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Parameters
    ----------
    text : str
        As it is read.
    values : mapping of str to float, str or None
        All its digits, for the CSV file: a column each, as ``{"mean": .812, "SD": .02, "runs": 5}``.
    note : str
        Footnote.
    strong : bool
        The best of its column.
    """

    text: str
    values: Mapping[str, Value] = field(default_factory=dict)
    note: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row, and the heading under which it stands, empty for none."""

    cells: tuple[Cell, ...]
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """Title of a column, what it shares with its neighbours, and whether it holds numbers."""

    title: str
    group: str = ""
    number: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Parameters
    ----------
    name : str
        Of its CSV file; made harmless and unique when it is written.
    caption : str
    columns : sequence of Column
    rows : sequence of Row
    notes : sequence of str
        Lines below it.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    notes: Sequence[str] = ()

    def footnotes(self) -> dict[str, str]:
        """The mark of each footnote by its text, in the order in which they come: a to z, then aa."""
        texts = dict.fromkeys(cell.note for row in self.rows for cell in row.cells if cell.note)
        return {text: _letters(place) for place, text in enumerate(texts)}


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as PNG; `name` as of a table, `alt` says what is seen."""

    name: str
    caption: str
    alt: str
    png: bytes


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text, without markup; `strong` for what must not be passed over."""

    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A list of lines."""

    lines: tuple[str, ...]


Block = Table | Picture | Paragraph | Items


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: tuple[Block, ...]


def text_row(*texts: str, kind: str = "") -> Row:
    """A row of plain text."""
    return Row(tuple(Cell(text) for text in texts), kind)


def _letters(place: int) -> str:
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters
