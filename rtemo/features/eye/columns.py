"""Which channel of an eye tracker plays which part, and what its samples say."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtemo.errors import ConfigurationError
from rtemo.features.binding import channels_called
from rtemo.features.eye.settings import EyeSettings
from rtemo.types import Bools, Floats

SIDES = ("_left", "_right")
SIDED = ("x", "y", "direction_x", "direction_y", "direction_z", "pupil", "valid", "blink", "aperture")
PARTS = (*SIDED, *(part + side for part in SIDED for side in SIDES), "pupil_x", "pupil_y")
"""What a channel can be in ``columns``."""

STEEPEST = 0.1
"""Directions must point ahead by at least this, a cosine: farther to the side no tracker sees."""
MOST_PUPIL = 1e6
"""Pupils from here on are none; in no unit is one so large."""
LOST_VALUE = 30_000.0
"""Gaze points this far off, x and y together, are codes for lost gaze, such as -32768 or 1e8."""
NOTHING = np.empty(0, dtype=bool)


@dataclass(frozen=True, slots=True, eq=False)
class EyeSamples:
    """Samples of an eye tracker in one form.

    Parameters
    ----------
    stamps_s : ndarray of float64, shape (samples,)
    points : ndarray of float64, shape (samples, 2)
        Gaze as `Geometry` takes it; NaN where it is not valid.
    eyes : ndarray of int8, shape (samples,)
        Which eyes the point is of: 0 none (gaze is lost), 1 the left or only one, 2 the right one, 3 both.
    closed : ndarray of bool, shape (samples,)
        Eyes closed by flags, pupil or validity; all False where only the aperture tells.
    apertures : ndarray of float64, shape (samples, lids)
        NaN where unknown; without lids where they are not to tell of closed eyes.
    pupils : ndarray of float64, shape (samples, pupils)
        NaN where unknown.
    on_screen : ndarray of bool, shape (samples,) or (0,)
        Whether valid gaze is on the screen; empty where no screen is known.
    """

    stamps_s: Floats
    points: Floats
    eyes: NDArray[np.int8]
    closed: Bools
    apertures: Floats
    pupils: Floats
    on_screen: Bools


@dataclass(frozen=True, slots=True)
class Geometry:
    """What two gaze points are apart.

    Parameters
    ----------
    tangent : bool
        Points are tangents of the angles straight ahead, as on a screen one unit away; else they are plain coordinates.
    degrees : bool
        Whether distances come out in degrees of visual angle.
    """

    tangent: bool
    degrees: bool

    def distance(self, a: tuple[float, float], b: tuple[float, float]) -> float:
        """Of two points, in degrees, or in the points' unit."""
        if not self.tangent:
            return math.dist(a, b)
        across = math.dist(_ahead(a), _ahead(b))
        # In this order NaN stays NaN.
        return math.degrees(2 * math.asin(min(across / 2, 1.0)))

    def extent(self, low: float, high: float) -> float:
        """From one coordinate to a higher one along an axis, in degrees, or in the points' unit."""
        return math.degrees(math.atan(high) - math.atan(low)) if self.tangent else high - low

    def embedded(self, points: Floats) -> Floats:
        """Points, (samples, 2 or 3), in a space in which short straight ways, times `scale`, are those of `distance`.

        Only operations that numpy rounds exactly, whatever the length of the arrays.
        """
        if not self.tangent:
            return points
        x, y = points[:, 0], points[:, 1]
        made = np.empty((len(points), 3))
        ahead = made[:, 2]
        np.multiply(x, x, out=ahead)
        ahead += y * y
        ahead += 1.0
        np.divide(1.0, np.sqrt(ahead), out=ahead)
        np.multiply(x, ahead, out=made[:, 0])
        np.multiply(y, ahead, out=made[:, 1])
        return made

    @property
    def scale(self) -> float:
        """From distances of embedded points to degrees or units."""
        return math.degrees(1.0) if self.tangent else 1.0


def _ahead(point: tuple[float, float]) -> tuple[float, float, float]:
    x, y = point
    ahead = 1.0 / math.sqrt(1.0 + x * x + y * y)
    return x * ahead, y * ahead, ahead


@dataclass(frozen=True, slots=True)
class EyeColumns:
    """Where in a sample things are.

    Parameters
    ----------
    settings : EyeSettings
    gaze : tuple of tuple of int
        For one or two eyes, the channels of a point (two) or of a direction (three).
    pupils : ndarray of intp, shape (pupils,)
        Channels of up to two pupil sizes.
    valid : tuple of tuple of int
        For each eye, channels one of which must say that it is seen; none where nothing says so.
    flags : mapping of str to tuple of int
        Channels by part: ``blink``, ``aperture``.
    source : str
        What tells of closed eyes; ``"none"`` where nothing does.
    geometry : Geometry
    gain, shift : ndarray of float64, shape (2,)
        From the tracker's points to those of the geometry: times `gain` plus `shift`.
    extent : ndarray of float64, shape (2,), or None
        Width and height of the screen in the tracker's unit, where they are known.
    """

    settings: EyeSettings
    gaze: tuple[tuple[int, ...], ...]
    pupils: NDArray[np.intp]
    valid: tuple[tuple[int, ...], ...]
    flags: Mapping[str, tuple[int, ...]]
    source: str
    geometry: Geometry
    gain: Floats
    shift: Floats
    extent: Floats | None

    @property
    def tells_of_blinks(self) -> bool:
        """Whether closed eyes can be told from open ones."""
        return self.source != "none"

    @property
    def lids(self) -> int:
        """How many lids' apertures tell of closed eyes."""
        return len(self.flags["aperture"]) if self.source == "aperture" else 0

    def samples(self, stamps_s: Floats, values: NDArray[np.generic]) -> EyeSamples:
        """Samples in one form.

        Parameters
        ----------
        stamps_s : ndarray of float64, shape (samples,)
        values : ndarray, shape (samples, channels)
        """
        raw = np.asarray(values, dtype=np.float64)
        found = [self._point(raw, channels, valid) for channels, valid in zip(self.gaze, self.valid, strict=True)]
        if len(found) == 1:
            point, seen = found[0]
            eyes = seen.astype(np.int8)
        else:
            (left, sees_left), (right, sees_right) = found
            eyes = sees_left.astype(np.int8) + np.int8(2) * sees_right.astype(np.int8)
            both = (eyes == 3)[:, None]
            point = np.where(both, (left + right) / 2, np.where(sees_left[:, None], left, right))
            seen = eyes > 0
        on_screen = NOTHING
        if self.extent is not None:
            inside = (point >= 0) & (point <= self.extent)
            on_screen = inside[:, 0] & inside[:, 1]
        point = point * self.gain
        point += self.shift
        point[~seen] = math.nan
        pupils = raw.take(self.pupils, axis=1)
        unseen = ~((pupils > 0) & (pupils < MOST_PUPIL))
        pupils[unseen] = math.nan
        lids = raw.take(self.flags["aperture"], axis=1) if self.lids else raw[:, :0]
        return EyeSamples(stamps_s, point, eyes, self._closed(raw, seen, unseen), lids, pupils, on_screen)

    def _point(self, raw: Floats, channels: tuple[int, ...], valid: tuple[int, ...]) -> tuple[Floats, Bools]:
        """Of one eye: points, and whether they are any."""
        if len(channels) == 3:
            x, y, ahead = (raw[:, channel] for channel in channels)
            length = np.sqrt(x * x + y * y + ahead * ahead)
            # Comparisons with NaN are False.
            seen = (ahead > STEEPEST * length) & (length < LOST_VALUE)
            ahead = np.where(seen, ahead, 1.0)
            point = np.stack([x / ahead, y / ahead], axis=1)
        else:
            point = raw.take(channels, axis=1)
            size = np.abs(point)
            away = size[:, 0] + size[:, 1]
            # A comparison with NaN is False.
            seen = away < LOST_VALUE
            if self.settings.unit != "degrees":
                # Trackers that send no NaN say so that they see no eye: the corner itself is looked at by nobody.
                seen &= away > 0
        if valid:
            good = [raw[:, channel] >= self.settings.valid_min for channel in valid]
            seen &= good[0] if len(good) == 1 else np.logical_or.reduce(good)
        point[~seen] = 0.0
        return point, seen

    def _closed(self, raw: Floats, seen: Bools, unseen: Bools) -> Bools:
        """Whether eyes are closed, as far as a sample by itself tells."""
        if self.source == "flag":
            first, *others = (raw[:, channel] > 0 for channel in self.flags["blink"])
            return np.asarray(np.logical_and.reduce([first, *others])) if others else first
        if self.source == "pupil":
            return np.asarray(np.logical_and.reduce(unseen, axis=1))
        if self.source == "validity":
            return ~seen
        return np.zeros(len(raw), dtype=bool)


def find_columns(
    columns: Mapping[str, str], labels: tuple[str, ...], settings: EyeSettings, *, view: str
) -> EyeColumns:
    """Find the channels that ``columns`` names.

    Parameters
    ----------
    columns : mapping of str to str
        Label of a channel by the part that it plays, see `PARTS`.
    labels : tuple of str
        Of the stream's channels.
    settings : EyeSettings
    view : str
        Name of the view, for messages.

    Raises
    ------
    ConfigurationError
        A part is unknown, a channel is not there, no gaze is named, or the settings ask for what is not there.
    """
    where = f"views.{view}.columns"
    found: dict[str, int] = {}
    for part, label in columns.items():
        if part not in PARTS:
            near = difflib.get_close_matches(part, PARTS, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(PARTS)}."
            raise ConfigurationError(f"{where}: unknown part {part!r}.", cure=hint)
        found[part] = _channel(label, labels, where=f"{where}.{part}")
    eyes = _eyes(found)
    if not eyes:
        raise ConfigurationError(
            f"{where}: no gaze: found {', '.join(columns) or 'nothing'}; the stream has {', '.join(labels)}.",
            cure="Name the channels of x and y, of x_left, y_left, x_right and y_right, or of direction_x, _y and _z.",
        )
    gaze = tuple(tuple(found[part] for part in parts) for parts in eyes.values())
    pupil_parts = _either(found, ("pupil_x", "pupil_y")) or _sided(found, "pupil")
    flag_parts = {part: _sided(found, part) for part in ("blink", "aperture")}
    valid_parts = [_valid(found, side) for side in eyes]
    _all_used(columns, found, [*eyes.values(), pupil_parts, *flag_parts.values(), *valid_parts], where=where)
    pupils = tuple(found[part] for part in pupil_parts)
    flags = {part: tuple(found[p] for p in parts) for part, parts in flag_parts.items() if parts}
    valid = tuple(tuple(found[part] for part in parts) for parts in valid_parts)
    there = {"flag": "blink" in flags, "aperture": "aperture" in flags, "pupil": bool(pupils), "validity": True}
    source = settings.blink_source
    if source == "auto":
        there["validity"] = any(valid)
        source_found = next((name for name, is_there in there.items() if is_there), "none")
    else:
        if not there[source]:
            needed = {"flag": "blink", "aperture": "aperture", "pupil": "pupil"}[source]
            raise ConfigurationError(
                f"views.{view}.settings.blink_source is {source!r}, and {where} names no {needed}.",
                cure=f"Name the channel of {needed}, or leave blink_source out.",
            )
        source_found = source
    directions = len(gaze[0]) == 3
    if directions and (settings.screen is not None or settings.units_per_degree is not None):
        raise ConfigurationError(
            f"views.{view}.settings: directions need neither screen nor units_per_degree.", cure="Leave them out."
        )
    tangent = directions or settings.screen is not None
    degrees = tangent or settings.units_per_degree is not None or settings.unit == "degrees"
    if settings.method == "dispersion" and settings.dispersion_threshold is None and not degrees:
        raise ConfigurationError(
            f"views.{view}.settings: without degrees the dispersion method needs dispersion_threshold, in "
            f"{settings.unit}.",
            cure="Give it, or give screen or units_per_degree.",
        )
    gain, shift, extent = _frame(settings)
    return EyeColumns(
        settings,
        gaze,
        np.array(pupils, dtype=np.intp),
        valid,
        flags,
        source_found,
        Geometry(tangent, degrees),
        gain,
        shift,
        None if directions else extent,
    )


def _frame(settings: EyeSettings) -> tuple[Floats, Floats, Floats | None]:
    """Gain, shift and extent of `EyeColumns`, by the settings."""
    screen, whole = settings.screen, np.ones(2)
    if settings.units_per_degree is not None:
        return whole / settings.units_per_degree, np.zeros(2), whole if settings.unit == "normalised" else None
    if screen is None:
        return whole, np.zeros(2), whole if settings.unit == "normalised" else None
    extent = whole if settings.unit == "normalised" else np.array(screen.resolution_px)
    away = np.array(screen.size_m) / screen.distance_m
    return away / extent, -away / 2, extent


def _channel(label: str, labels: tuple[str, ...], *, where: str) -> int:
    fitting = channels_called(label, labels)
    if len(fitting) != 1:
        problem = f"{len(fitting)} channels are called {label!r}" if fitting else f"there is no channel {label!r}"
        near = difflib.get_close_matches(label, labels, n=1)
        raise ConfigurationError(
            f"{where}: {problem}; the stream has {', '.join(labels)}.",
            cure=f"Did you mean {near[0]!r}?" if near and not fitting else "Name one of these.",
        )
    return fitting[0]


def _eyes(found: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """Parts of the gaze of each eye by side, the empty one for both together; points go before directions."""
    for parts in (("x", "y"), ("direction_x", "direction_y", "direction_z")):
        for sides in (("",), SIDES):
            eyes = {side: tuple(part + side for part in parts) for side in sides}
            whole = {side: names for side, names in eyes.items() if all(name in found for name in names)}
            if whole:
                return whole
    return {}


def _valid(found: Mapping[str, int], side: str) -> tuple[str, ...]:
    """Parts that say whether an eye is seen: its own, or what is for both; for gaze of both together, any."""
    own = _either(found, ("valid" + side,))
    return own or (_either(found, ("valid",)) if side else _sided(found, "valid"))


def _sided(found: Mapping[str, int], part: str) -> tuple[str, ...]:
    """The part without a side, else those of the sides."""
    return (part,) if part in found else _either(found, tuple(part + side for side in SIDES))


def _either(found: Mapping[str, int], parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part for part in parts if part in found)


def _all_used(
    columns: Mapping[str, str], found: Mapping[str, int], used: Sequence[tuple[str, ...]], *, where: str
) -> None:
    """Refuse parts that play no part, and a channel that plays two of a kind."""
    idle = [part for part in found if not any(part in parts for parts in used)]
    if idle:
        raise ConfigurationError(
            f"{where}: {', '.join(idle)} would not be used beside {', '.join(p for p in found if p not in idle)}.",
            cure="Name a part for both eyes together or for each, and all coordinates of a gaze.",
        )
    kinds: dict[tuple[str, int], str] = {}
    for part in dict.fromkeys(part for parts in used for part in parts):
        kind = part.removesuffix("_left").removesuffix("_right")
        kind = "gaze" if kind in ("x", "y") or kind.startswith("direction") else kind.split("_")[0]
        other = kinds.setdefault((kind, found[part]), part)
        if other != part:
            raise ConfigurationError(
                f"{where}: {other} and {part} are the same channel, {columns[part]!r}.", cure="Name another one."
            )
