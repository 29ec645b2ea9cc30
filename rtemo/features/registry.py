"""Extractors by name: the entry-point group ``rtemo.features``, open to other packages."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from pydantic import ValidationError

from rtemo.config import MOST_SHOWN
from rtemo.errors import ConfigurationError
from rtemo.features.base import Extractor

GROUP = "rtemo.features"


@cache
def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def extractor_names() -> tuple[str, ...]:
    """Names of the extractors that are installed, sorted."""
    return tuple(sorted(_entry_points()))


def load_extractor(name: str, *, view: str) -> type[Extractor]:
    """The extractor class of a name.

    Raises
    ------
    ConfigurationError
        Nothing of this name is installed, or it cannot be imported.
    """
    points = _entry_points()
    if name not in points:
        near = difflib.get_close_matches(name, points, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else "Check the spelling, or install the package that brings it."
        raise ConfigurationError(
            f"views.{view}.features: no extractor {name!r}; installed: {', '.join(extractor_names()) or 'none'}.",
            cure=hint,
        )
    try:
        return cast("type[Extractor]", points[name].load())
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"views.{view}.features: extractor {name!r} ({points[name].value}) cannot be loaded: {error}.",
            cure="Reinstall the package that brings it.",
        ) from error


def make_extractor(name: str, settings: Mapping[str, Any], *, view: str) -> Extractor:
    """An extractor by name, its settings checked.

    Parameters
    ----------
    name : str
        As in ``features = "..."``.
    settings : mapping
        The table ``[views.<view>.settings]``.
    view : str
        Name of the view, for messages.

    Raises
    ------
    ConfigurationError
        Unknown extractor, or a wrong or unknown setting; the message names the key and what is known.
    """
    kind = load_extractor(name, view=view)
    try:
        checked = kind.Settings.model_validate(dict(settings))
    except ValidationError as error:
        known = sorted(kind.Settings.model_fields)
        problems = "; ".join(_describe(problem, known) for problem in error.errors())
        raise ConfigurationError(f"views.{view}.settings of {name!r}: {problems}.") from error
    return kind(checked)


def _describe(problem: Any, known: list[str]) -> str:
    """One pydantic problem in the user's words."""
    key = ".".join(str(part) for part in problem["loc"]) or "the table"
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, known, n=1)
        hint = f", did you mean {near[0]!r}?" if near else f"; known here: {', '.join(known) or 'none'}"
        return f"unknown key {key!r}{hint}"
    message = problem["msg"].removeprefix("Value error, ")
    found = "" if problem["type"] == "value_error" else f" (found {repr(problem['input'])[:MOST_SHOWN]})"
    return f"{key!r}: {message}{found}"
