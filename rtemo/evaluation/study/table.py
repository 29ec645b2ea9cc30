"""The table of a study: one JSON line a result, each on the disk before the next task's is taken."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from rtemo.errors import RtemoError
from rtemo.evaluation.study.task import Result, Task
from rtemo.locked_lines import LockedLines
from rtemo.printable import printable

logger = logging.getLogger(__name__)

RESULTS: Final = "results.jsonl"
LARGEST: Final = 1e150
"""Of figures: sums of their squares are still numbers."""
LARGEST_WHOLE: Final = 2**63
LONGEST_SETTING: Final = 500
_BEGINS: Final = b'{"key": "'
_FOREIGN: Final = "Name another folder, or put the lines back as they were written."


class TableError(RtemoError):
    """The table of a study cannot be written or read, or holds something else."""


class ResultTable:
    """Results of a study, in a file that survives a kill.

    One program at a time may have it open; others can read it (`read_results`). What a kill left of a last line goes
    to ``<name>.torn`` beside it.

    Parameters
    ----------
    path : path-like
        As ``studies/table2/results.jsonl``; made if it is missing, with its folder.

    Attributes
    ----------
    path : Path
    torn : Path or None
        Where a torn last line was put when the table was opened.

    Raises
    ------
    TableError
        The file holds something else, the disk refuses, or another program has it open.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.torn: Path | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _refused(self.path.parent, error) from error
        self._file = LockedLines(self.path, "study", TableError)
        try:
            lines, rest = self._file.read()
            self._has_figures = {r.task.key: r.error is None for r in _results(lines, self.path)}
            if rest:
                self._set_aside(rest, len(lines) + 1)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        """How many tasks it has a result of, errors among them."""
        return len(self._has_figures)

    def done(self) -> frozenset[str]:
        """Keys of the tasks whose last result has figures."""
        return frozenset(key for key, has in self._has_figures.items() if has)

    def results(self) -> list[Result]:
        """The last result of each task, in the order in which the tasks first came."""
        lines, _ = self._file.read()
        return _last_of_each(_results(lines, self.path))

    def append(self, result: Result) -> None:
        """Add a result; it is on the disk when this returns.

        Raises
        ------
        TableError
            The disk refuses, or another program wrote to the table; the table is as it was.
        """
        self._file.append(json.dumps(plain_result(result).to_dict(), allow_nan=False).encode("ascii"))
        self._has_figures[result.task.key] = result.error is None

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    def __enter__(self) -> ResultTable:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def _set_aside(self, rest: bytes, line: int) -> None:
        written = rest.rstrip(b"\0")  # What a file system leaves of a line that was cut off by the power.
        if written[: len(_BEGINS)] != _BEGINS[: len(written)]:
            raise TableError(f"{self.path}: line {line}: no result of a study, and without an end.", cure=_FOREIGN)
        aside = self.path.with_name(self.path.name + ".torn")
        try:
            with aside.open("ab") as file:
                file.write(rest + b"\n")
        except OSError as error:
            raise _refused(aside, error) from error
        self._file.cut(rest)
        self.torn = aside
        logger.warning(
            "%s: line %d was torn by a kill: its task runs again; what is left of it: %s.", self.path, line, aside
        )


def read_results(path: str | Path) -> list[Result]:
    """The last result of each task of a table, which another program may be writing to.

    Raises
    ------
    TableError
        The file cannot be read, or a whole line of it is no result.
    """
    path = Path(path)
    try:
        *lines, rest = path.read_bytes().split(b"\n")
    except OSError as error:
        raise TableError(
            f"{path}: cannot be read ({error.strerror}).", cure="Run the study first, or name its folder."
        ) from error
    if rest:
        logger.warning("%s: line %d has no end and is passed over: just being written, or torn.", path, len(lines) + 1)
    return _last_of_each(_results(lines, path))


def plain_result(result: Result) -> Result:
    """The result with plain numbers and lists, as it comes back from the table; what is not finite is None.

    Raises
    ------
    TypeError
        It holds what JSON does not know.
    """
    figures = {str(name): None if value is None else _finite(float(value)) for name, value in result.figures.items()}
    return replace(result, figures=figures, arrays={str(k): _plain(v) for k, v in result.arrays.items()})


def _plain(value: object) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    raise TypeError(f"a result cannot hold a {type(value).__name__}")


def _finite(value: float) -> float | None:
    """None for what would not be read again; NaN fails the comparison."""
    return value if abs(value) <= LARGEST else None


def _last_of_each(results: Iterable[Result]) -> list[Result]:
    return list({result.task.key: result for result in results}.values())


def _results(lines: Iterable[bytes], path: Path) -> Iterator[Result]:
    """The results of whole lines, but for those of an older code."""
    older = 0
    for number, line in enumerate(lines, start=1):
        key, result = _result(line, f"{path}: line {number}")
        if key == result.task.key:
            yield result
        else:
            older += 1
    if older:
        logger.warning("%s: %d results do not count: an older version made them, or they were changed.", path, older)


def _result(line: bytes, where: str) -> tuple[str, Result]:
    """Key and result of a line."""
    try:
        values = json.loads(line.decode("utf-8"), parse_constant=_no_number)
        task = values["task"]
        result = Result(
            Task(
                _text(task["experiment"]),
                _text(task["dataset"]),
                _text(task["digest"]),
                _text(task["method"]),
                {name: _setting(value) for name, value in _table(task["settings"]).items()},
                _whole(task["seed"]),
            ),
            {name: None if value is None else _number(value) for name, value in _table(values["figures"]).items()},
            _arrays(values["arrays"]),
            _number(values["seconds"]),
            {name: _text(value) for name, value in _table(values["made"]).items()},
            None if values["error"] is None else _text(values["error"]),
        )
        return _text(values["key"]), result
    except KeyError as error:
        raise TableError(f"{where}: no result of a study: {error} is missing.", cure=_FOREIGN) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise TableError(f"{where}: no result of a study: {printable(str(error), 200)}.", cure=_FOREIGN) from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text expected, found {value!r:.100}")
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LARGEST_WHOLE:
        raise TypeError(f"a whole number expected, found {value!r:.100}")
    return value


def _number(value: object) -> float:
    # Compared, not converted: a whole number may be too large for a float. NaN fails the comparison.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        raise TypeError(f"a number up to {LARGEST:g} expected, found {value!r:.100}")
    return float(value)


def _setting(value: object) -> str | int | float | bool | None:
    match value:
        case None | bool():
            return value
        case int():
            return _whole(value)
        case float():
            return _number(value)
        case str() if len(value) <= LONGEST_SETTING:
            return value
    raise TypeError(f"a text of up to {LONGEST_SETTING} letters, or a number, expected, found {value!r:.100}")


def _table(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"a table expected, found {value!r:.100}")
    if any(len(name) > LONGEST_SETTING for name in value):
        raise ValueError(f"a name longer than {LONGEST_SETTING} letters")
    return value


def _arrays(value: object) -> dict[str, Any]:
    """What pictures are drawn from; its numbers, at any depth, are bounded as figures are."""
    found = _table(value)
    waiting = list(found.values())
    while waiting:
        match waiting.pop():
            case list() as inner:
                waiting += inner
            case dict() as inner:
                waiting += _table(inner).values()
            case None | str() | bool():
                pass
            case number:
                _number(number)
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _refused(path: Path, error: OSError) -> TableError:
    return TableError(
        f"{path}: the disk refuses ({error.strerror}).",
        cure="Make room, mend the folder's permissions, or name another one.",
    )
