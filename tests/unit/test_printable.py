"""Nothing that a sender puts into a name moves a cursor, and every name can still be told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtemo.printable import printable


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_whatever_comes_in_only_printable_characters_go_out(text: str) -> None:
    assert printable(text).isprintable()


@given(st.text().filter(str.isprintable))
def test_what_is_printable_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@given(st.text(), st.integers(0, 40))
def test_no_more_comes_out_than_has_room(text: str, width: int) -> None:
    assert len(printable(text, width)) <= max(width, 1)


def test_escape_sequences_line_breaks_and_reversed_writing_become_visible() -> None:
    assert printable("a\x1b[2J\nb\x9b31m\u202ec\x7f") == r"a\x1b[2J\nb\x9b31m\u202ec\x7f"


def test_what_is_cut_ends_in_an_ellipsis() -> None:
    assert printable("abcdef", 4) == "abc…"
    assert printable("abcd", 4) == "abcd"
