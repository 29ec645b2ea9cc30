"""HTML, Markdown and CSV take text from anywhere as text."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import made_up_results as made
import pytest
from markdown_it import MarkdownIt

from rtemo.evaluation.study.report import write_report
from rtemo.evaluation.study.report.content import Cell, Column, Items, Paragraph, Picture, Row, Section, Table, text_row
from rtemo.evaluation.study.report.files import csv_text, table_csv
from rtemo.evaluation.study.report.html import to_html
from rtemo.evaluation.study.report.markdown import text, to_markdown

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a | b || c",
    "[click](http://evil.example) ![x](y)",
    "*bold* _under_ `code` ~~gone~~ $x^2$",
    "# heading",
    "- item",
    "+ item",
    "1. item",
    "12) item",
    "---",
    "===",
    "> quote",
    "&lt;b&gt; &amp; &#60;",
    "back\\slash\\",
    "<https://evil.example>",
    "<!-- gone -->",
    "a < b and b > c",
    "-5.0 (p < 0.001)",
]


class Reader(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def page(words: str) -> list[Section]:
    """A section with a text everywhere where one can stand."""
    rows = [Row((Cell(words, note=words), Cell(words, strong=True)), kind=words), text_row("x", "y")]
    columns = [Column(words, words, number=False), Column(words, words)]
    table = Table(words, words, columns, rows, (words,))
    return [
        Section(
            words,
            (
                Paragraph(words),
                Paragraph(words, strong=True),
                Items((words,)),
                table,
                Picture(words, words, words, b"png"),
            ),
        )
    ]


@pytest.mark.parametrize("words", HOSTILE)
def test_html_shows_a_hostile_text_as_it_is(words: str) -> None:
    found = read(to_html(words, page(words)))
    harmless = read(to_html("x", page("x")))
    assert found.tags == harmless.tags
    assert [name for name, _ in found.attributes] == [name for name, _ in harmless.attributes]
    assert found.words.count(words) >= 10


@pytest.mark.parametrize("words", HOSTILE)
def test_markdown_shows_a_hostile_text_as_it_is(words: str) -> None:
    # markdown-it-py is an implementation of CommonMark that knows nothing of ours.
    shown = read(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text(words)))
    assert shown.tags == ["p"]
    assert "".join(shown.words).strip() == words


@pytest.mark.parametrize("words", HOSTILE)
def test_markdown_tables_and_lists_keep_their_shape(words: str) -> None:
    reading = MarkdownIt("commonmark", {"html": False}).enable("table")
    sections, harmless = page(words), page("x")
    links = {id(block): "figures/a.png" for s in (*sections, *harmless) for block in s.blocks}
    shapes = [
        [token.type for token in reading.parse(to_markdown(title, some, links))]
        for title, some in ((words, sections), ("x", harmless))
    ]
    assert shapes[0] == shapes[1]


def test_markdown_makes_no_link_of_a_bare_address() -> None:
    assert "http://" not in text("see http://evil.example")
    assert "www." not in text("see www.evil.example")


def test_control_characters_and_line_breaks_do_not_break_out() -> None:
    words = "a\n\n# b\r\x1b[31m\u202e"
    assert "\n" not in text(words)
    assert "\x1b" not in to_html(words, [])
    assert "\u202e" not in to_html(words, [])


def test_the_page_needs_nothing_from_outside() -> None:
    shown = to_html("A study", page("x"))
    found = read(shown)
    assert not set(found.tags) & {"script", "link", "iframe", "object"}
    assert all((value or "").startswith("data:image/png;base64,") for name, value in found.attributes if name == "src")
    assert "default-src 'none'" in shown
    assert "url(" not in shown
    assert "@import" not in shown


def test_a_spreadsheet_takes_no_text_for_a_formula() -> None:
    rows = list(csv.reader(io.StringIO(csv_text([["=1+1", "@x", "+x", "-x", "-", -1.5, None, 'a "b", c']]))))
    assert rows == [["'=1+1", "'@x", "'+x", "'-x", "-", "-1.5", "", 'a "b", c']]


def test_the_csv_of_a_table_has_all_digits_and_the_notes() -> None:
    rows = [
        Row((Cell("A"), Cell("33.3 ± 0.1", {"mean": 1 / 3, "SD": 0.001})), "first"),
        Row((Cell("B"), Cell("-", {"mean": None, "SD": None}, "not run")), "second"),
    ]
    table = Table("t", "", [Column("method", number=False), Column("all", "accuracy, %")], rows)
    assert table_csv(table) == [
        ["kind", "method", "accuracy, %: all: mean", "accuracy, %: all: SD", "accuracy, %: all: note"],
        ["first", "A", 1 / 3, 0.001, ""],
        ["second", "B", None, None, "not run"],
    ]


@pytest.mark.usefixtures("undrawn")
def test_hostile_names_of_a_study_stay_text_and_stay_in_their_folder(tmp_path: Path) -> None:
    evil = "../../<script>alert(1)</script>|*x*\n# y"
    runs = [
        made.result("table2", method, seed, made.scored(0.5 + 0.1 * seed), dataset=evil, protocol=evil, labels=evil)
        for method in ("simvae", evil)
        for seed in range(2)
    ]
    runs += [made.result(evil, evil, 0, error=evil, dataset=evil), made.result(evil, "simvae", 1, {evil: 1.0})]
    runs += made.figure4(1, evil)[:4]
    report = write_report(runs, tmp_path / "out", title=evil)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert "script" not in read(report.read_text("utf-8")).tags
    assert "<script" not in (tmp_path / "out" / "results.md").read_text("utf-8")
    names = [p.name for p in (tmp_path / "out" / "tables").iterdir()]
    assert names
    assert all(re.fullmatch(r"[a-z0-9.-]+\.csv", name) for name in names)
