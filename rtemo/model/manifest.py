"""``bundle.json``: what it may hold, and how it is checked."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rtemo.config import Configuration
from rtemo.errors import BundleError
from rtemo.model.settings import SimvaeSettings

FORMAT = "rtemo-bundle"
VERSION = 2
MAX_JSON_BYTES = 32_000_000
CURE = "Copy the bundle anew, or train again with `rtemo train`."

Text = Annotated[str, Field(max_length=1000)]
ViewName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")]
Label = Annotated[str, Field(min_length=1, max_length=1000)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=2**53)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Row = tuple[Annotated[float, Field(allow_inf_nan=False)], ...]
Rows = tuple[Row, Row, Row]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChannelReference(_Strict):
    """What was usual for the channels of a view in calibration: see `rtemo.features.reference.Reference`.

    Parameters
    ----------
    windows, mean : tuple of 3 rows, one number a channel
    mending : tuple of 5 rows, one number a feature of the extractor, or None
    """

    windows: Rows
    mean: Rows
    mending: tuple[Row, Row, Row, Row, Row] | None = None


class BundleView(_Strict):
    """One view as the model was trained on it; what the configuration says of it stands there.

    Parameters
    ----------
    name : str
    channel_labels : tuple of str
        The channels used, in order.
    rate_hz : float
        Nominal; 0 for an irregular stream.
    feature_names : tuple of str
        One a feature, in order.
    reference : ChannelReference or None
        To judge channels by; None where they are not watched, or no recording told.
    """

    name: ViewName
    channel_labels: tuple[Text, ...]
    rate_hz: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    feature_names: Annotated[tuple[Text, ...], Field(min_length=1)]
    reference: ChannelReference | None = None

    @model_validator(mode="after")
    def _one_number_a_channel(self) -> BundleView:
        if self.reference is not None:
            rows = (*self.reference.windows, *self.reference.mean)
            if {len(row) for row in rows} != {len(self.channel_labels)}:
                raise ValueError(f"reference of view {self.name!r}: expected a number for each channel")
            if self.reference.mending is not None and len({len(row) for row in self.reference.mending}) != 1:
                raise ValueError(f"mending of view {self.name!r}: expected rows of one length")
        return self


class TrainingRecording(_Strict):
    """A recording that the model learnt from.

    Parameters
    ----------
    name : str
        File name.
    sha256 : str
        Of the file.
    labelled : bool
        Whether its labels were read.
    windows, labelled_windows : int
    """

    name: Text
    sha256: Digest
    labelled: bool = True
    windows: Count = 0
    labelled_windows: Count = 0


class Epoch(_Strict):
    """One line of the training's history."""

    epoch: Count
    losses: dict[Text, float | None]
    validation: float | None
    seconds: float | None
    skipped: Count = 0


class Manifest(_Strict):
    """All of ``bundle.json`` but its own digest."""

    format: Literal["rtemo-bundle"]
    version: Literal[2]
    files: dict[str, Digest]
    labels: Annotated[tuple[Label, ...], Field(min_length=2, max_length=1000)]
    views: Annotated[tuple[BundleView, ...], Field(min_length=1, max_length=32)]
    inputs: tuple[Annotated[int, Field(ge=1, le=100_000)], ...]
    beyond: tuple[Annotated[int, Field(ge=0, le=100_000)], ...]
    configuration: Configuration
    settings: SimvaeSettings
    temperature: Annotated[float, Field(gt=0, le=1000)]
    prior: tuple[Annotated[float, Field(gt=0, le=1)], ...]
    seed: Count
    epochs: Count
    history: tuple[Epoch, ...]
    recordings: tuple[TrainingRecording, ...]
    versions: dict[Text, Text]
    metrics: dict[Text, Any]


def finite_json(value: Any) -> Any:
    """A JSON value with NaN and infinities as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite_json(item) for item in value]
    return value


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write ``bundle.json``, its own digest included."""
    document = finite_json(manifest.model_dump(mode="json"))
    document["sha256"] = _digest(document)
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_manifest(path: Path) -> Manifest:
    """Read and check ``bundle.json``.

    Raises
    ------
    BundleError
        It is missing, too large, not JSON, of another version, changed since it was written, or holds what it may not.
    """
    try:
        size = path.stat().st_size
        if size > MAX_JSON_BYTES:
            raise BundleError(f"{path}: {size} bytes; expected at most {MAX_JSON_BYTES}.", cure=CURE)
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BundleError(
            f"{path.parent}: not a bundle, as it holds no {path.name}.",
            cure="Give the folder that `rtemo train` wrote.",
        ) from error
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}).", cure=CURE) from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: damaged or foreign: not JSON ({str(error)[:100]}).", cure=CURE) from error
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise BundleError(f"{path}: foreign: expected format {FORMAT!r}, found {str(found)[:40]!r}.", cure=CURE)
    version = document.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise BundleError(
            f"{path}: expected format version {VERSION} or older, found {str(version)[:40]}.",
            cure="Use the version of rtemo that wrote it, or train again.",
        )
    stated = document.pop("sha256", None)
    if stated != _digest(document):
        raise BundleError(f"{path}: changed since it was written: its own sha256 does not fit.", cure=CURE)
    try:
        return Manifest.model_validate(_as_now(document) if version == 1 else document)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        raise BundleError(
            f"{path}: {key!r}: {problem['msg']} (found {str(problem['input'])[:60]!r}).", cure=CURE
        ) from error


def _as_now(document: dict[str, Any]) -> dict[str, Any]:
    """A document of version 1, in which psi saw the inputs of the model and nothing beside them."""
    views = document.get("views")
    return {"beyond": [0] * len(views) if isinstance(views, list) else [], **document, "version": VERSION}


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
