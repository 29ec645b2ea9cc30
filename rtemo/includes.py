"""A configuration file together with the files that it includes, as one document; nothing is known of the keys here."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rtemo.errors import ConfigurationError

MAX_CONFIG_BYTES = 1_000_000
MAX_DEPTH = 8
MAX_FILES = 32
MAX_NESTING = 8
"""Tables deeper than any that has a meaning are not looked into."""
MAX_DOTS = 50
SUFFIX = ".toml"
INCLUDE = "include"

# What is one value although TOML writes it as a table: half of one selector and half of another would select nothing.
# None stands for any name.
_WHOLE: tuple[tuple[str | None, ...], ...] = (
    ("views", None, "stream"),
    ("views", None, "settings", "bands"),
    ("markers", "stream"),
    ("markers", "labels"),
)

Keys = tuple[str, ...]


@dataclass(slots=True)
class Document:
    """A configuration that was read, not yet checked.

    Parameters
    ----------
    values : dict of str to object
        What the files say together, without ``include``.
    origins : dict of str to object
        In place of each value of ``values`` the file that it comes from.
    included : list of Path
        Files that were included, in the order in which they were read.
    """

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, Any] = field(default_factory=dict)
    included: list[Path] = field(default_factory=list)

    def origin(self, keys: Keys, otherwise: Path) -> Path:
        """The file that the value at `keys`, or around it, comes from; `otherwise` where several make up a table."""
        found: Any = self.origins
        for key in keys:
            if isinstance(found, dict):
                found = found.get(key, otherwise)
        return found if isinstance(found, Path) else otherwise


def read_document(path: Path) -> Document:
    """Read a TOML file and all that it includes.

    Tables are merged key by key: the file wins over what it includes, a later include over an earlier one. Lists are
    taken whole, and so are a stream's selector, a set of bands and the labels of markers.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Document

    Raises
    ------
    ConfigurationError
        A file is missing, too large or not TOML, or files include each other in a circle, too deeply, or too many; the
        message names the file.
    """
    document = Document()
    _read(path, document, ())
    return document


def own_text(path: Path) -> bytes | None:
    """A configuration file's bytes, or None where it includes others and so says only a part by itself."""
    content = path.read_bytes()
    return None if INCLUDE in _loads(content) else content


def _loads(content: bytes) -> dict[str, Any]:
    """A TOML document; what would cost much time or memory is refused like what is no TOML.

    Raises
    ------
    ValueError
        It is no TOML, or nested without measure.
    """
    # Editors of Windows put a mark before the text.
    text = content.decode("utf-8-sig")
    # The parser takes time and memory with the square of a key's parts.
    deepest = max((line.partition("=")[0].count(".") for line in text.splitlines()), default=0)
    if deepest > MAX_DOTS:
        raise ValueError(f"a key of more than {MAX_DOTS} parts")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("values nested without end") from error


def _read(path: Path, document: Document, including: tuple[Path, ...]) -> None:
    """Put a file into the document, over what is there, after all that it includes."""
    values = _parse(path, including)
    chain = (*including, path)
    for name in _names(values.pop(INCLUDE, []), path):
        included = path.parent / name
        if included.suffix != SUFFIX:
            raise ConfigurationError(f"{path}: include names {name!r}, which does not end in {SUFFIX}.")
        if any(_same(included, earlier) for earlier in chain):
            circle = " -> ".join(map(str, (*chain, included)))
            raise ConfigurationError(f"{path}: include goes round in a circle: {circle}.", cure=f"Drop {name!r}.")
        if len(chain) > MAX_DEPTH:
            raise ConfigurationError(f"{path}: include goes more than {MAX_DEPTH} files deep, at {name!r}.")
        if len(document.included) == MAX_FILES:
            raise ConfigurationError(f"{path}: more than {MAX_FILES} files are included, at {name!r}.")
        document.included.append(included)
        _read(included, document, chain)
    _merge(document.values, document.origins, values, path, ())


def _same(path: Path, other: Path) -> bool:
    # Unlike Path.resolve, this takes links that go round in a circle.
    return os.path.realpath(path) == os.path.realpath(other)


def _parse(path: Path, including: tuple[Path, ...]) -> dict[str, Any]:
    by = f", included by {including[-1]}" if including else ""
    try:
        found = path.stat()
        if including and not stat.S_ISREG(found.st_mode):
            raise ConfigurationError(f"{path}{by}: not a file.")
        if found.st_size > MAX_CONFIG_BYTES:
            raise ConfigurationError(f"{path}{by}: larger than {MAX_CONFIG_BYTES} bytes, so this is no configuration.")
        return _loads(path.read_bytes())
    except OSError as error:
        cure = f"Paths are relative to {including[-1].parent}." if including else "Check the path."
        raise ConfigurationError(f"{path}{by}: cannot be read ({error.strerror}).", cure=cure) from error
    except ValueError as error:
        raise ConfigurationError(f"{path}{by}: not valid TOML: {error}.", cure="See configs/ for examples.") from error


def _names(include: object, path: Path) -> list[str]:
    names = [include] if isinstance(include, str) else include
    if not isinstance(names, list) or not all(isinstance(name, str) and name and name.isprintable() for name in names):
        raise ConfigurationError(
            f"{path}: include = {repr(include)[:200]}: a file's name or a list of them expected.",
            cure='Write e.g. include = ["tobii_pro.toml"].',
        )
    return names


def _merge(below: dict[str, Any], origins: dict[str, Any], above: Mapping[str, Any], path: Path, place: Keys) -> None:
    """Lay a file's table over one from other files, in place."""
    for key, value in above.items():
        keys = (*place, key)
        if not isinstance(value, Mapping) or _is_whole(keys) or len(keys) == MAX_NESTING:
            below[key], origins[key] = value, path
            continue
        if not isinstance(origins.get(key), dict):
            below[key], origins[key] = {}, {}
        _merge(below[key], origins[key], value, path, keys)


def _is_whole(keys: Keys) -> bool:
    return any(
        len(keys) == len(pattern) and all(name in (None, key) for name, key in zip(pattern, keys, strict=True))
        for pattern in _WHOLE
    )
