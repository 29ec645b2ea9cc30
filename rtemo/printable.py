"""Text from outside, made fit for a terminal: names on a network hold whatever their sender put there."""

from __future__ import annotations


def printable(text: str, width: int | None = None) -> str:
    r"""Text without anything that moves a cursor, changes a colour, reverses the writing or breaks the line.

    Control characters, escape sequences, separators other than the space, formatting characters and surrogates
    become their Python escapes; letters of every script stay. Markup of `rich` is text to this function: print the
    result as plain text.

    Parameters
    ----------
    text : str
    width : int, optional
        Longer text is cut to so many characters, the last of them an ellipsis.

    Examples
    --------
    >>> printable("evil\x1b[31m\n")
    'evil\\x1b[31m\\n'
    >>> printable("Müller", 4)
    'Mül…'
    """
    # What is cut off anyway need not be escaped: a name may be megabytes long.
    cut = text if width is None else text[: width + 1]
    clean = cut if cut.isprintable() else "".join(map(_escaped, cut))
    return clean if width is None or len(clean) <= width else clean[: max(width - 1, 0)] + "…"


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
