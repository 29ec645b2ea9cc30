"""A report as Markdown (GitHub's), its figures as links."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rtemo.evaluation.study.report.content import Block, Cell, Column, Items, Paragraph, Picture, Section, Table
from rtemo.printable import printable

LONGEST = 2000
_MARKS = re.compile(r"([\\`*_\[\]#|~$@])")
_BEGINS = re.compile(r"^(\s*)((?:[-+]|\d+[.)])(?=\s|$)|-{2,}|=+(?=\s*$))")
_TAG = re.compile(r"<(?! )")


def to_markdown(title: str, sections: Sequence[Section], links: Mapping[int, str]) -> str:
    """The whole file.

    Parameters
    ----------
    title : str
    sections : sequence of Section
    links : mapping of int to str
        Relative address of each picture, by ``id``.
    """
    out = [f"# {text(title, 200)}"]
    for section in sections:
        out.append(f"## {text(section.title)}")
        out += filter(None, (_block(block, links) for block in section.blocks))
    return "\n\n".join(out) + "\n"


def text(words: str, width: int | None = LONGEST) -> str:
    """Text from anywhere as text of Markdown: no markup, no HTML, no link."""
    clean = printable(words, width).replace("&", "&amp;").replace(">", "&gt;")
    clean = _MARKS.sub(r"\\\1", _TAG.sub("&lt;", clean))
    # GitHub makes links of bare addresses.
    clean = clean.replace("://", ":&#47;/").replace("www.", "www&#46;")
    # A list, a heading or a rule, where a line begins so.
    return _BEGINS.sub(lambda found: f"{found[1]}{found[2][:-1]}\\{found[2][-1]}", clean)


def _block(block: Block, links: Mapping[int, str]) -> str:
    match block:
        case Table():
            return _table(block)
        case Picture():
            return f"![{text(block.alt, 300)}]({links[id(block)]})\n\n*{text(block.caption)}*"
        case Paragraph():
            return f"**{text(block.text)}**" if block.strong else text(block.text)
        case Items():
            return "\n".join(f"- {text(line)}" for line in block.lines)


def _table(table: Table) -> str:
    marks = table.footnotes()
    titles = [_title(column) for column in table.columns]
    rules = ["---:" if column.number else ":---" for column in table.columns]
    lines = [f"**{text(table.caption)}**", ""]
    lines += [_line(titles), _line(rules)]
    kind = ""
    for row in table.rows:
        if row.kind and row.kind != kind:
            lines.append(_line([f"*{text(row.kind)}*", *[""] * (len(titles) - 1)]))
        kind = row.kind
        lines.append(_line([_cell(cell, marks) for cell in row.cells]))
    notes = [text(note) for note in table.notes]
    notes += [f"<sup>{mark}</sup> {text(note)}" for note, mark in marks.items()]
    if notes:
        lines += ["", "<br>".join(notes)]
    return "\n".join(lines)


def _title(column: Column) -> str:
    return text(f"{column.group}: {column.title}" if column.group else column.title)


def _cell(cell: Cell, marks: Mapping[str, str]) -> str:
    words = text(cell.text)
    if cell.strong and words:
        words = f"**{words}**"
    return f"{words}<sup>{marks[cell.note]}</sup>" if cell.note else words


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
