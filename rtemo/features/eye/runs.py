"""Where runs of equal values begin."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def run_starts(values: NDArray[Any]) -> NDArray[np.intp]:
    """Indices at which runs of equal values begin, the first of them 0; for one value or more, shape (runs,)."""
    changes = (values[1:] != values[:-1]).nonzero()[0]
    starts = np.zeros(len(changes) + 1, dtype=np.intp)
    np.add(changes, 1, out=starts[1:])
    return starts
