"""Arrays of MATLAB files (version 5) that others made: shapes are looked at before anything is read."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.io import loadmat, whosmat
from scipy.io.matlab import MatReadError, matfile_version

from rtemo.errors import RecordingError
from rtemo.evaluation.datasets.base import Floats

NUMBERS = {"double", "single", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
MOST_BYTES = 400_000_000
FIVE, HEADER, COMPRESSED, CHUNK = 1, 128, 15, 1 << 20
DAMAGED = (OSError, ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError, MatReadError, zlib.error)
"""What SciPy raises on a damaged file."""


def shapes_in(path: Path) -> dict[str, tuple[int, ...]]:
    """Shape of each array of numbers.

    Raises
    ------
    RecordingError
        The file is missing, damaged, too large, or of version 7.3.
    """
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise RecordingError(f"{path}: expected at most {MOST_BYTES} bytes, found {size}.")
        _refuse_bombs(path)
        found = whosmat(path)
    except NotImplementedError as error:
        raise RecordingError(f"{path}: expected a MATLAB file of version 5, found another: {error}.") from error
    except DAMAGED as error:
        raise RecordingError(f"{path}: cannot be read as a MATLAB file: {error}.") from error
    names = [name for name, _, _ in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        # SciPy would look at the one and read the other.
        raise RecordingError(f"{path}: expected each name once, found {', '.join(twice)[:200]} twice.")
    return {name: tuple(shape) for name, shape, kind in found if kind in NUMBERS}


def _refuse_bombs(path: Path) -> None:
    """Refuse a file that takes more than `MOST_BYTES` once it is inflated: SciPy would inflate what a tag claims."""
    if matfile_version(path)[0] != FIVE:
        return
    total = 0
    with path.open("rb") as file:
        # As SciPy reads it: whatever is not marked as little is big.
        order: Literal["little", "big"] = "little" if file.read(HEADER)[-2:] == b"IM" else "big"
        while len(tag := file.read(8)) == 8:
            kind, size = (int.from_bytes(tag[k : k + 4], order) for k in (0, 4))
            if kind != COMPRESSED:
                file.seek(size, 1)
                continue
            inflate, left = zlib.decompressobj(), size
            while left > 0 and (chunk := file.read(min(left, CHUNK))):
                left -= len(chunk)
                while chunk:
                    total += len(inflate.decompress(chunk, CHUNK))
                    chunk = inflate.unconsumed_tail
                    if total > MOST_BYTES:
                        raise RecordingError(f"{path}: takes more than {MOST_BYTES} bytes when it is inflated.")


def matrices_in(path: Path, expected: Mapping[str, tuple[int | None, ...]]) -> dict[str, Floats]:
    """Arrays by name.

    Parameters
    ----------
    path : path
    expected : mapping of str to tuple of int or None
        Their shapes, None where a length may be any up to 100,000.

    Raises
    ------
    RecordingError
        One is missing or has another shape; nothing has been read then.
    """
    shapes = shapes_in(path)
    for name, shape in expected.items():
        found = shapes.get(name)
        wanted = f"expected {name} of shape ({', '.join('any' if n is None else str(n) for n in shape)})"
        if found is None:
            raise RecordingError(
                f"{path}: {wanted}, found none.", cure=f"It has {', '.join(sorted(shapes)) or 'none'}."
            )
        fits = len(found) == len(shape)
        if not fits or any(
            n != want if want is not None else n > 100_000 for n, want in zip(found, shape, strict=True)
        ):
            raise RecordingError(f"{path}: {wanted}, found {found}.")
        if math.prod(found) * 8 > MOST_BYTES:
            raise RecordingError(f"{path}: {name} has {math.prod(found)} numbers.")
    try:
        read = loadmat(path, variable_names=list(expected))
        if wrong := [name for name in expected if np.iscomplexobj(read[name])]:
            raise RecordingError(f"{path}: expected real numbers, found complex ones in {', '.join(wrong)}.")
        return {name: np.asarray(read[name], dtype=np.float64) for name in expected}
    except DAMAGED as error:
        raise RecordingError(f"{path}: cannot be read as a MATLAB file: {error}.") from error
