"""The TOML configuration: pydantic models that refuse what they do not know and say how to mend it."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rtemo.errors import ConfigurationError
from rtemo.includes import INCLUDE, Document, read_document
from rtemo.types import StreamDescription

MOST_PROBLEMS, MOST_SHOWN = 10, 200
# Arrays that `rtemo features` writes beside those of the views, and names that the .npz writer keeps for itself.
RESERVED_NAMES = ("start", "stop", "label", "file", "allow_pickle")
RESERVED_PREFIXES = ("available_", "coverage_", "names_", "quality_")
# The empty one is no label; a window without any view, and one that a live session had no time for, get the others.
RESERVED_LABELS = ("", "none", "skipped")
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Above = Annotated[float, Field(gt=1, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
# From a hundredth of a second to an hour: nothing is felt faster, and no window is longer.
Span = Annotated[float, Field(ge=0.01, le=3600, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StreamSelector(_Strict):
    """Which stream a view reads: every field that is given must match."""

    name: str | None = None
    type: str | None = None
    source_id: str | None = None
    hostname: str | None = None

    @model_validator(mode="after")
    def _names_something(self) -> StreamSelector:
        if not any((self.name, self.type, self.source_id, self.hostname)):
            raise ValueError("give at least one of name, type, source_id, hostname")
        return self

    def matches(self, stream: StreamDescription) -> bool:
        """Whether every field that is given equals the stream's; what rtemo itself publishes must be named."""
        if (stream.named_only and self.name != stream.name) or stream.continues:
            return False
        return all(getattr(stream, key) == value for key, value in self.model_dump(exclude_none=True).items())

    def __str__(self) -> str:
        return ", ".join(f"{key} = {value!r}" for key, value in self.model_dump(exclude_none=True).items())


class WindowSettings(_Strict):
    """The window grid: window k covers [k * hop_s, k * hop_s + length_s) of the LSL clock."""

    length_s: Span = 1.0
    hop_s: Span | None = None
    lateness_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.1

    @property
    def hop(self) -> float:
        """Hop in seconds; the window length where none is set."""
        return self.length_s if self.hop_s is None else self.hop_s


class QualitySettings(_Strict):
    """When a channel of a view counts as bad.

    Ratios are to what is usual: to the channel's own calibration, or, where there is none, to the other channels.
    """

    enabled: bool = True
    flat_share: Fraction = 0.5
    clipped_share: Fraction = 0.1
    max_amplitude: Above = 10.0
    min_amplitude: Annotated[float, Field(gt=0, lt=1)] = 0.05
    max_line: Positive = 1.0
    max_high: Positive = 1.0
    excess: Above = 5.0
    good_after: Annotated[int, Field(ge=1, le=1000)] = 3


class ViewSettings(_Strict):
    """One view: a stream, some of its channels, and an extractor."""

    stream: StreamSelector
    channels: Literal["all"] | list[str] = "all"
    features: str
    settings: dict[str, Any] = Field(default_factory=dict)
    columns: dict[str, str] = Field(default_factory=dict)
    subset: Annotated[list[str], Field(min_length=1)] | None = None
    min_coverage: Fraction = 0.8
    max_bad_channels: Fraction = 0.25
    quality: QualitySettings = QualitySettings()
    required: bool = False
    smoothing: Literal["none", "kalman", "mean"] = "none"

    @field_validator("channels")
    @classmethod
    def _some_channels(cls, value: str | list[str]) -> str | list[str]:
        if isinstance(value, list):
            if not value:
                raise ValueError('name at least one channel, or say "all"')
            if len(set(value)) != len(value):
                raise ValueError("a channel is named twice")
        return value


class MarkerSettings(_Strict):
    """Where labels come from: a label lasts until the next marker, or for duration_s."""

    stream: StreamSelector
    labels: dict[str, str]
    duration_s: Positive | None = None


class ModelSettings(_Strict):
    """The model and its training; ``preset`` fills what is not given."""

    device: str = "auto"
    preset: Literal["default", "paper"] = "default"
    settings: dict[str, Any] = Field(default_factory=dict)


# What goes into liblsl's own configuration text must not be able to break out of its line or its list.
NetworkWord = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]


class NetworkSettings(_Strict):
    """How LSL finds streams: its scope, its session, and machines that multicast does not reach.

    ``commands`` says whether a live session listens to dashboards on that network.
    """

    scope: Literal["machine", "link", "site", "organization", "global"] = "site"
    session_id: NetworkWord = "default"
    known_peers: list[NetworkWord] = Field(default_factory=list)
    commands: bool = True


class HealthSettings(_Strict):
    """When a stream counts as stale and as lost, by the age of its newest sample."""

    stale_s: Positive = 1.0
    stale_periods: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 5.0
    lost_s: Positive = 5.0

    @model_validator(mode="after")
    def _lost_after_stale(self) -> HealthSettings:
        if self.lost_s < self.stale_s:
            raise ValueError(f"lost_s = {self.lost_s:g} is less than stale_s = {self.stale_s:g}")
        return self


class AdaptationSettings(_Strict):
    """What a session may learn from its own windows, and what holds it back; see docs/adaptation.md.

    Parameters
    ----------
    mode
        ``off``; ``recentre``: shift and scale of the model's inputs follow the session; ``guarded``: gradient steps on
        a copy of the model as well.
    every
        Accepted windows from one update to the next.
    max_bad_channels, min_confidence, max_novelty
        Gates: a window teaches nothing where more than this fraction of a view's channels is bad, where no label is
        that probable, or where a view lies further from every label than so many times what 99.9 % of calibration's
        windows do.
    min_evidence
        Nats by which a shift must make the session likelier before anything is recentred, and half of it to stay so.
        Without drift the likeliest shift gains one or two, by chance.
    max_shift
        Cap of a view's shift (root mean square, in standard deviations of calibration).
    max_age_s
        Windows older than this are forgotten.
    memory, batch
        Windows kept of each predicted label and set of views; labelled calibration windows in a step, and as many
        unlabelled ones.
    learning_rate, teacher, pull, consistency
        Of the gradient steps: Adam's rate; share of the old weights in the average that predicts; how far each step
        goes back toward the calibrated weights; weight of agreeing with oneself when views are hidden.
    probe_drop, elbo_drop, entropy_drop, max_drift
        Guards, each against the frozen model: balanced accuracy on the probe; the bound of calibration windows, in
        nats an input; entropy of the predicted labels over `watched` windows, as a fraction of the largest; relative
        distance of the weights.
    watched
        See `entropy_drop`.
    reset_every_s
        How often the weights go half the way back to the calibrated ones.
    max_rollbacks
        After so many the session goes on with the frozen model.
    """

    mode: Literal["off", "recentre", "guarded"] = "guarded"
    every: Annotated[int, Field(ge=1, le=10_000)] = 8
    max_bad_channels: Fraction = 0.1
    min_confidence: Fraction = 0.4
    max_novelty: Positive = 1.4
    min_evidence: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 3.0
    max_shift: Positive = 3.0
    max_age_s: Positive = 3600.0
    memory: Annotated[int, Field(ge=1, le=4096)] = 32
    batch: Annotated[int, Field(ge=2, le=1024)] = 32
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 1e-4
    teacher: Annotated[float, Field(ge=0, lt=1)] = 0.9
    pull: Fraction = 0.01
    consistency: Annotated[float, Field(ge=0, le=100)] = 0.5
    probe_drop: Positive = 0.02
    elbo_drop: Positive = 0.1
    entropy_drop: Positive = 0.25
    max_drift: Positive = 0.1
    watched: Annotated[int, Field(ge=10, le=100_000)] = 300
    reset_every_s: Positive = 600.0
    max_rollbacks: Annotated[int, Field(ge=1, le=1000)] = 3


class OutputSettings(_Strict):
    """Where a live session is written; a replay says so on its command line."""

    folder: Path = Path("sessions")


class Configuration(_Strict):
    """The whole configuration of a session."""

    labels: Annotated[list[str], Field(min_length=1)]
    standardise: Literal["calibration", "recording"] = "calibration"
    window: WindowSettings = WindowSettings()
    views: dict[Identifier, ViewSettings]
    markers: MarkerSettings | None = None
    model: ModelSettings = ModelSettings()
    network: NetworkSettings = NetworkSettings()
    health: HealthSettings = HealthSettings()
    adaptation: AdaptationSettings = AdaptationSettings()
    outputs: OutputSettings = OutputSettings()

    @field_validator("labels")
    @classmethod
    def _labels_differ(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("a label is named twice")
        for label in value:
            if label in RESERVED_LABELS or any(c in label for c in ",\n\r"):
                raise ValueError(
                    f'{label!r} cannot be a label: it is empty, "none", "skipped", or holds a comma or a line break'
                )
        return value

    @field_validator("views")
    @classmethod
    def _some_views(cls, value: dict[str, ViewSettings]) -> dict[str, ViewSettings]:
        if not value:
            raise ValueError("name at least one view, e.g. [views.eeg]")
        for name in value:
            if name in RESERVED_NAMES or name.startswith(RESERVED_PREFIXES):
                raise ValueError(f"a view cannot be called {name!r}: rtemo features writes an array of that name")
        return value

    @model_validator(mode="after")
    def _markers_name_known_labels(self) -> Configuration:
        if self.markers is not None:
            unknown = sorted(set(self.markers.labels.values()) - set(self.labels))
            if unknown:
                raise ValueError(f"[markers] labels names {unknown}, which are not in labels = {self.labels}")
        return self


def load_configuration(path: str | Path) -> Configuration:
    """Read and check a TOML configuration, with what it includes.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    Configuration
        Of the merged whole.

    Raises
    ------
    ConfigurationError
        A file is missing, too large, not TOML, or holds a wrong or unknown key; the message names file, key and cure.
    """
    path = Path(path)
    document = read_document(path)
    # With a key that nobody knows, it is rather a misspelt one that is missing.
    if "views" in document.values and document.values.keys() <= Configuration.model_fields.keys() - {"labels"}:
        raise ConfigurationError(
            f"{path}: key 'labels' is missing: this is a fragment.",
            cure=f'Include it in a file that names labels: include = ["{path.name}"].',
        )
    return _check(document.values, path, document)


def parse_configuration(document: dict[str, Any], where: str) -> Configuration:
    """Check a configuration that has been read already; `where` names its origin in errors."""
    return _check(document, where)


def _check(values: dict[str, Any], where: str | Path, document: Document | None = None) -> Configuration:
    """The configuration; errors name for each key the file that it stands in."""
    try:
        return Configuration.model_validate(values)
    except ValidationError as error:
        problems: dict[str, list[str]] = {}
        found_wrong = error.errors()
        for problem in found_wrong[:MOST_PROBLEMS]:
            place = str(where)
            if document is not None:
                origin = document.origin(tuple(map(str, problem["loc"])), Path(where))
                place = str(where) if origin == where else f"{origin} (included by {where})"
            problems.setdefault(place, []).append(_describe(problem, values))
        told = "; ".join(f"{place}: {'; '.join(found)}" for place, found in problems.items())
        more = len(found_wrong) - MOST_PROBLEMS
        told += f"; and {more} more" if more > 0 else ""
        raise ConfigurationError(f"{told}.") from error


def _describe(problem: Any, document: dict[str, Any]) -> str:
    """One pydantic problem in the user's words: key, what is wrong, and the nearest known key."""
    location = [str(part) for part in problem["loc"] if not str(part).startswith(("literal[", "list["))]
    key = ".".join(location) or "the configuration"
    if problem["type"] == "extra_forbidden":
        known = [key for key in _known_keys(location[:-1]) if key != location[-1]]
        near = difflib.get_close_matches(location[-1], known, n=1)
        hint = f", did you mean {near[0]!r}?" if near else f"; known here: {', '.join(known)}"
        return f"unknown key {key[:MOST_SHOWN]!r}{hint}"
    if problem["type"] == "missing":
        return f"key {key!r} is missing"
    found = (
        ""
        if problem["type"] == "value_error" or isinstance(problem["input"], dict)
        else f" (found {repr(problem['input'])[:MOST_SHOWN]})"
    )
    return f"{key[:MOST_SHOWN]!r}: {problem['msg'].removeprefix('Value error, ')}{found}"


def _known_keys(location: list[str]) -> list[str]:
    """Keys that the model at `location` knows."""
    if location[:1] == ["views"] and len(location) >= 2:
        inner: dict[str, type[BaseModel]] = {"stream": StreamSelector, "quality": QualitySettings}
        model = inner.get(location[2], ViewSettings) if len(location) > 2 else ViewSettings
    elif location[:1] == ["markers"]:
        model = StreamSelector if location[1:2] == ["stream"] else MarkerSettings
    else:
        tables: dict[str, type[BaseModel]] = {
            "window": WindowSettings,
            "model": ModelSettings,
            "network": NetworkSettings,
            "health": HealthSettings,
            "adaptation": AdaptationSettings,
            "outputs": OutputSettings,
        }
        model = tables.get(location[0], Configuration) if location else Configuration
    return sorted([*model.model_fields, INCLUDE] if model is Configuration else model.model_fields)
