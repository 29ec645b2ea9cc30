"""TOML of a configuration that exists in memory only, so that a session can keep what it ran with."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import PurePath

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(document: Mapping[str, object]) -> str:
    """TOML of nested mappings, lists, strings, numbers and booleans; entries that are None are left out.

    Raises
    ------
    TypeError
        A value is nothing that TOML knows.
    """
    return "\n".join(_table(document, ())) + "\n"


def _table(table: Mapping[str, object], path: tuple[str, ...]) -> list[str]:
    """A table's own keys first, then the tables in it, as TOML wants."""
    plain = {key: value for key, value in table.items() if value is not None and not isinstance(value, Mapping)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, value in table.items():
        if isinstance(value, Mapping):
            inner = (*path, key)
            lines += [f"[{'.'.join(map(_key, inner))}]", *_table(value, inner)]
    return lines


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else {"inf": "inf", "-inf": "-inf"}.get(repr(value), "nan")
    if isinstance(value, str | PurePath):
        return _string(str(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items() if item is not None)
        return f"{{{inside}}}"
    raise TypeError(f"{type(value).__name__} has no form in TOML")


def _string(text: str) -> str:
    # JSON's escapes are TOML's, but for the character 0x7F, which TOML wants escaped too.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
