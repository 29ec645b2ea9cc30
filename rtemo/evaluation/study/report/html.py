"""A report as one HTML file that shows and prints without anything from outside."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from itertools import groupby

from rtemo.evaluation.study.report.content import Block, Items, Paragraph, Picture, Section, Table
from rtemo.printable import printable

LONGEST = 2000
STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #16202b; background: #fff; max-width: 84rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6em; margin: 0 0 .2rem; } h2 { font-size: 1.3em; margin: 2.4rem 0 .4rem; }
p, li { margin: .3rem 0; max-width: 60rem; } .notes { color: #56636f; font-size: .85em; }
nav ol { columns: 20rem; font-size: .9rem; padding-left: 1.4rem; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .82rem; }
caption { text-align: left; font-weight: 600; padding: .2rem 0; font-size: 1.1em; }
th, td { text-align: left; padding: .15rem .55rem .15rem 0; border-bottom: 1px solid #cbd3dc; vertical-align: top; }
thead th { vertical-align: bottom; border-bottom: 1px solid #56636f; }
th.group { border-bottom: 1px solid #cbd3dc; font-weight: 600; }
th.kind { font-weight: 600; font-style: italic; padding-top: .5rem; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
thead th.number { white-space: normal; }
td.text { overflow-wrap: break-word; max-width: 26rem; min-width: 4rem; } td:first-child { min-width: 9rem; }
sup { line-height: 0; }
img { max-width: min(100%, 62rem); height: auto; } figure { margin: 1rem 0; break-inside: avoid; }
figcaption { font-size: .9em; max-width: 60rem; }
@media print { body { font-size: 9pt; max-width: none; margin: 0; padding: 0; } h2, caption { break-after: avoid; }
  nav { display: none; } .scroll { overflow: visible; } table { font-size: 7.5pt; } th, td { padding-right: .4rem; }
  tr, figure, li { break-inside: avoid; } thead { display: table-header-group; }
  img { max-height: 165mm; } @page { size: A4 landscape; margin: 12mm; } }
"""


def to_html(title: str, sections: Sequence[Section]) -> str:
    """The whole file."""
    name = text(title, 200)
    contents = "".join(f'<li><a href="#s{n}">{text(s.title)}</a></li>' for n, s in enumerate(sections))
    body = "\n".join(
        f'<section id="s{n}"><h2>{text(s.title)}</h2>' + "\n".join(map(_block, s.blocks)) + "</section>"
        for n, s in enumerate(sections)
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Whatever a name holds, nothing is loaded and nothing runs.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<title>{name}</title><style>{STYLE}</style></head><body>\n<h1>{name}</h1>\n"
        f"<nav><ol>{contents}</ol></nav>\n{body}\n</body></html>\n"
    )


def text(words: str, width: int | None = LONGEST) -> str:
    """Text from anywhere as text of HTML."""
    return html.escape(printable(words, width))


def _block(block: Block) -> str:
    match block:
        case Table():
            return _table(block)
        case Picture():
            data = base64.b64encode(block.png).decode("ascii")
            return (
                f'<figure><img alt="{text(block.alt, 300)}" src="data:image/png;base64,{data}">'
                f"<figcaption>{text(block.caption)}</figcaption></figure>"
            )
        case Paragraph():
            words = text(block.text)
            return f"<p><strong>{words}</strong></p>" if block.strong else f"<p>{words}</p>"
        case Items():
            return f"<ul>{''.join(f'<li>{text(line)}</li>' for line in block.lines)}</ul>" if block.lines else ""


def _table(table: Table) -> str:
    marks = table.footnotes()
    kinds = ["number" if column.number else "text" for column in table.columns]
    lines, kind = [], ""
    for row in table.rows:
        if row.kind and row.kind != kind:
            lines.append(f'<tr><th class="kind" colspan="{len(kinds)}" scope="rowgroup">{text(row.kind)}</th></tr>')
        kind = row.kind
        cells = []
        for cell, css in zip(row.cells, kinds, strict=True):
            words = f"<strong>{text(cell.text)}</strong>" if cell.strong else text(cell.text)
            mark = f"<sup>{marks[cell.note]}</sup>" if cell.note else ""
            cells.append(f'<td class="{css}">{words}{mark}</td>')
        lines.append(f"<tr>{''.join(cells)}</tr>")
    notes = [*(text(note) for note in table.notes)]
    notes += [f"<sup>{mark}</sup> {text(note)}" for note, mark in marks.items()]
    below = f'<p class="notes">{"<br>".join(notes)}</p>' if notes else ""
    return (
        f'<div class="scroll"><table><caption>{text(table.caption)}</caption><thead>{_head(table, kinds)}</thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>{below}"
    )


def _head(table: Table, kinds: Sequence[str]) -> str:
    """One line of titles, and above it one of what neighbours share."""
    upper = ""
    if any(column.group for column in table.columns):
        spans = [(group, len(list(found))) for group, found in groupby(table.columns, lambda c: c.group)]
        upper = "".join(f'<th class="group" colspan="{size}" scope="colgroup">{text(g)}</th>' for g, size in spans)
        upper = f"<tr>{upper}</tr>"
    titles = (f'<th class="{k}" scope="col">{text(c.title)}</th>' for c, k in zip(table.columns, kinds, strict=True))
    return f"{upper}<tr>{''.join(titles)}</tr>"
