"""Arrays out of pickles that others made, without running anything that a pickle may ask for.

A pickle is a program: it names functions and calls them. DEAP and SEED are published as pickles of a dictionary of
NumPy arrays, whose program names but five things. Each is replaced by something of this module that only keeps what it
is called with; whatever else is asked for is refused before it is looked up. The arrays are put together afterwards.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np

from rtemo.errors import RecordingError
from rtemo.evaluation.datasets.base import Floats

MOST_STEPS = 10_000
"""A dictionary of arrays takes some fifty steps; SEED's, with five bands, some hundred."""
# fmt: off
STEPS: Final = frozenset({
    "PROTO", "FRAME", "STOP", "MARK",
    "NONE", "NEWTRUE", "NEWFALSE",
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "LIST", "APPEND", "APPENDS",
    "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS",
    "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET",
    "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD",
})
"""What a dictionary of arrays is written with; all else makes or finds objects in other ways, or takes back steps."""
TAKEN_AGAIN: Final = STEPS & {
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT", "GLOBAL", "STACK_GLOBAL", "REDUCE",
}
# fmt: on
"""What makes something that may be taken from memory: it is on top of the stack then, and no tuple of anything."""
KINDS: Final = {"f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2"}


def arrays_in(path: Path, names: tuple[str, ...], most_bytes: int) -> dict[str, Floats]:
    """Arrays of numbers of a pickled dictionary.

    Parameters
    ----------
    path : path
    names : tuple of str
        Which of the dictionary's entries.
    most_bytes : int
        A larger file is refused unread.

    Returns
    -------
    dict of str to ndarray of float64

    Raises
    ------
    RecordingError
        The file is too large or damaged, asks for something else than arrays, or lacks an entry.
    """
    try:
        size = path.stat().st_size
        if size > most_bytes:
            raise RecordingError(f"{path}: expected at most {most_bytes} bytes, found {size}.")
        content = path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error}.") from error
    try:
        _check_steps(content)
        found = _Reader(content).load()
        entries = {_text(key): value for key, value in found.items()} if type(found) is dict else {}
        missing = [name for name in names if name not in entries]
        if missing:
            raise RecordingError(
                f"{path}: expected a dictionary with {', '.join(names)}, "
                f"found {', '.join(sorted(entries))[:200] or type(found).__name__}."
            )
        return {name: _array(entries[name], most_bytes) for name in names}
    except (
        pickle.UnpicklingError,
        struct.error,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        OverflowError,
        MemoryError,
        RecursionError,
    ) as error:
        raise RecordingError(
            f"{path}: is no pickled dictionary of arrays: {str(error)[:300]}.",
            cure="It was not run. Take the file from the data set itself.",
        ) from error


def _check_steps(content: bytes) -> None:
    """Refuse programs that are long, use what no array needs, or would take memory or time without bound.

    The reader makes room for all numbers up to the one that something is remembered under. And a tuple of twice the
    same tuple of twice the same tuple and so on is small, but takes for ever once it is a key: only what was remembered
    as it was made, and is no tuple, is taken twice.
    """
    again: set[int] = set()
    numbers: set[int] = set()
    made = ""
    for count, (step, argument, _) in enumerate(pickletools.genops(content)):
        if count >= MOST_STEPS:
            raise pickle.UnpicklingError(f"it has more than {MOST_STEPS} steps")
        if step.name not in STEPS:
            raise pickle.UnpicklingError(f"it uses {step.name}")
        if step.name in {"PROTO", "FRAME"}:
            continue
        if "PUT" in step.name or step.name == "MEMOIZE":
            number = len(numbers) if argument is None else int(argument)
            if not 0 <= number <= MOST_STEPS:
                raise pickle.UnpicklingError(f"it remembers under the number {number}")
            numbers.add(number)
            (again.add if made in TAKEN_AGAIN else again.discard)(number)
            continue
        if "GET" in step.name and argument is not None and int(argument) not in again:
            raise pickle.UnpicklingError("it takes a tuple twice, or what may be one")
        made = step.name


class _Kind:
    """Stands for a NumPy type: what it was made with."""

    __slots__ = ("code", "order")

    def __init__(self, code: object) -> None:
        self.code = _text(code)
        self.order = "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = _text(state[1])


class _Array:
    """Stands for a NumPy array: shape, type, order and bytes as the pickle says."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state


class _Encoded:
    """Stands for bytes that are written as a text: encoded once they are wanted, for a text may be named often."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class _Step:
    """A function that a pickle may call; without attributes, so that a pickle can change nothing about it."""

    __slots__ = ()


class _MakeArray(_Step):
    __slots__ = ()

    def __call__(self, kind: object, shape: object, code: object) -> _Array:
        del kind, shape, code
        return _Array()


class _MakeKind(_Step):
    __slots__ = ()

    def __call__(self, code: object, align: object = 0, copy: object = 1) -> _Kind:
        del align, copy
        return _Kind(code)


class _Encode(_Step):
    __slots__ = ()

    def __call__(self, text: str, encoding: object) -> _Encoded:
        if _text(encoding) != "latin1":
            raise pickle.UnpicklingError(f"it encodes as {encoding!r}")
        return _Encoded(_text(text))


ALLOWED: Final[dict[tuple[str, str], object]] = {
    ("numpy.core.multiarray", "_reconstruct"): _MakeArray(),
    ("numpy._core.multiarray", "_reconstruct"): _MakeArray(),
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): _MakeKind(),
    ("_codecs", "encode"): _Encode(),
}


class _Reader(pickle.Unpickler):
    """Knows nothing but `ALLOWED`."""

    def __init__(self, content: bytes) -> None:
        # Strings of Python 2 stay bytes: those of DEAP are the numbers themselves.
        super().__init__(io.BytesIO(content), encoding="bytes")

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name; refuses all that no array needs."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module[:100]}.{name[:100]}")
        return ALLOWED[module, name]


def _text(value: object) -> str:
    """A string of Python 2 or 3."""
    if isinstance(value, bytes):
        return value.decode("latin1")
    if isinstance(value, str):
        return value
    raise TypeError(f"expected a string, found {type(value).__name__}")


def _array(found: object, most_bytes: int) -> Floats:
    """The array that a stand-in stands for, unless it takes more than so many bytes."""
    if not isinstance(found, _Array) or len(found.state) != 5:
        raise TypeError(f"expected an array, found {type(found).__name__}")
    _, shape, kind, fortran, data = found.state
    if not isinstance(kind, _Kind) or kind.code not in KINDS or kind.order not in {"<", ">", "|", "="}:
        raise TypeError("expected an array of numbers")
    dtype = np.dtype(kind.order.replace("|", "=") + kind.code)
    if type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape) or len(shape) > 4:
        raise TypeError(f"expected a shape, found {type(shape).__name__}")
    if math.prod(shape) * 8 > most_bytes:
        raise ValueError(f"an array of shape {shape} takes more than {most_bytes} bytes")
    text = data.text if isinstance(data, _Encoded) else data
    content = text.encode("latin1") if isinstance(text, str) else text
    if not isinstance(content, bytes):
        raise TypeError(f"expected bytes, found {type(data).__name__}")
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"expected {math.prod(shape) * dtype.itemsize} bytes of shape {shape}, found {len(content)}")
    values = np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if fortran else "C")
    return np.ascontiguousarray(values, dtype=np.float64)
