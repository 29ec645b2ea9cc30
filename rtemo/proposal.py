"""A configuration proposed from the streams that are there, as commented TOML that a user goes on from."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rtemo.config import (
    RESERVED_NAMES,
    RESERVED_PREFIXES,
    NetworkSettings,
    StreamSelector,
    parse_configuration,
)
from rtemo.errors import StreamError
from rtemo.features.eye.guess import guess_columns, guess_unit
from rtemo.features.spectrum import SEED_BANDS
from rtemo.printable import printable
from rtemo.types import StreamDescription

LABELS = ("negative", "neutral", "positive")
MAX_CHANNELS = 1024
"""Streams with more are left out: no sensor has them, and a model of all of them cannot be trained."""
LISTED_CHANNELS = 128
COMMENT_WIDTH = 400
MAX_NAME = 24
_BARE = re.compile(r"[^A-Za-z0-9_-]+")
_SPECTRAL_TYPES = ("eeg", "exg")
_FEATURE_WORD = "feature"
_EYE_TYPES = ("gaze", "eye")
_NOT_BRAIN = re.compile(r"trig|stat|marker|count|acc|gyr|aux|batt|time|stamp|x_dir|y_dir|z_dir", re.IGNORECASE)
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed configuration.

    Parameters
    ----------
    text : str
        TOML that `rtemo.config.load_configuration` takes.
    views : tuple of str
    left_out : tuple of str
        Streams that became no view, and why, one line each.
    """

    text: str
    views: tuple[str, ...]
    left_out: tuple[str, ...]


def toml_string(text: str) -> str:
    r"""Text as a basic string of TOML, everything that TOML forbids or a terminal would obey escaped.

    Raises
    ------
    ValueError
        It holds half of a surrogate pair, which TOML cannot say.

    Examples
    --------
    >>> print(toml_string('say "hi"\n'))
    "say \"hi\"\n"
    """
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("half of a surrogate pair is no text")
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def propose(
    streams: Sequence[StreamDescription],
    *,
    labels: Sequence[str] = LABELS,
    network: NetworkSettings | None = None,
    texts: Mapping[str, Sequence[str]] | None = None,
) -> Proposal:
    """Propose a configuration with one view a numeric stream.

    Parameters
    ----------
    streams : sequence of StreamDescription
        All that are there.
    labels : sequence of str
    network : NetworkSettings, optional
        Written where it is not the default.
    texts : mapping of str to sequence of str, optional
        Strings that text streams sent, by key: what markers look like.

    Raises
    ------
    StreamError
        No stream can be a view; the message says of each why.
    ConfigurationError
        The labels cannot be labels.
    """
    network = network or NetworkSettings()
    left_out: list[str] = []
    blocks: list[str] = []
    names: list[str] = []
    for stream in streams:
        if stream.is_text and not stream.own and _selector(stream, streams) is not None:
            continue  # stands under [markers]
        reason = _unfit(stream)
        selector = None if reason else _selector(stream, streams)
        if selector is None:
            left_out.append(f"{_told(stream)}: {reason or 'nothing tells it apart from another stream'}")
            continue
        names.append(_view_name(stream, names))
        blocks.append(_view_block(names[-1], stream, selector))
    if not names:
        found = "; ".join(left_out or map(_told, streams)) or "none"
        raise StreamError(
            f"no stream can be a view. Found: {found}.", cure="Start the sensors' programs; see `rtemo streams`."
        )
    parts = [_head(labels), *blocks, _marker_block(streams, labels, texts or {}), _network_block(network)]
    if left_out:
        parts.append("\n".join(["# Left out:", *(_comment(line) for line in left_out)]) + "\n")
    text = "\n".join(part for part in parts if part)
    # What is written must load: labels come from the command line, names from the network.
    parse_configuration(tomllib.loads(text), where="the proposed configuration")
    return Proposal(text, tuple(names), tuple(left_out))


def _unfit(stream: StreamDescription) -> str:
    """Why a stream is no view; empty where it can be one."""
    if stream.own:
        return "published by rtemo itself"
    if stream.is_text:
        return "text, and nothing tells it apart from another stream"
    if not stream.channels:
        return "no channel"
    if stream.channels > MAX_CHANNELS:
        return f"{stream.channels} channels, more than {MAX_CHANNELS}"
    return ""


def _told(stream: StreamDescription) -> str:
    return printable(str(stream), COMMENT_WIDTH)


def _comment(text: str) -> str:
    return f"# {printable(text, COMMENT_WIDTH)}"


def _selector(stream: StreamDescription, streams: Sequence[StreamDescription]) -> StreamSelector | None:
    """The shortest selector that fits this stream only, by its source_id if it has one; None where there is none."""
    alike = [other for other in streams if other.is_text == stream.is_text]
    by_source = [("type", "source_id"), ("name", "type", "source_id"), ("name", "type", "source_id", "hostname")]
    by_name = [("name", "type", "hostname")]
    for fields in (by_source if stream.source_id else []) + by_name:
        given = {key: value for key in fields if (value := getattr(stream, key))}
        if not given:
            continue
        selector = StreamSelector.model_validate(given)
        if [other for other in alike if selector.matches(other)] == [stream]:
            return selector
    return None


def _inline(selector: StreamSelector) -> str:
    given = selector.model_dump(exclude_none=True)
    return "{ " + ", ".join(f"{key} = {toml_string(value)}" for key, value in given.items()) + " }"


def _view_name(stream: StreamDescription, taken: Sequence[str]) -> str:
    """A name for a view: the type of its stream in letters that a key may hold."""
    for source in (stream.type, stream.name):
        name = _BARE.sub("_", source).strip("_-").lstrip("0123456789_-").lower()[:MAX_NAME]
        if name and name not in RESERVED_NAMES and not name.startswith(RESERVED_PREFIXES):
            break
    else:
        name = "view"
    number = 1
    unique = name
    while unique in taken:
        number += 1
        unique = f"{name}_{number}"
    return unique


def _head(labels: Sequence[str]) -> str:
    return (
        "# Written by `rtemo init` from the streams that were there. Check it with `rtemo doctor`.\n"
        "\n"
        "# What is to be told apart.\n"
        f"labels = [{', '.join(map(toml_string, labels))}]\n"
        "\n"
        "[window]\n"
        "length_s = 1.0      # of a window; slow signals want 4 s and more\n"
        "hop_s = 1.0         # a prediction so often\n"
        "lateness_s = 0.1    # so long a window waits for samples that are on their way\n"
    )


def _view_block(name: str, stream: StreamDescription, selector: StreamSelector) -> str:
    lines = [_comment(_told(stream)), f"[views.{name}]", f"stream = {_inline(selector)}"]
    if selector.source_id is not None:
        other = {key: value for key in ("name", "type", "hostname") if (value := getattr(stream, key))}
        if other:
            lines += [
                "# If the source_id changes at each start of the device:",
                f"# stream = {_inline(StreamSelector.model_validate(other))}",
            ]
    lines.append('channels = "all"')
    listed = [toml_string(label) for label in stream.channel_labels[:LISTED_CHANNELS]]
    more = stream.channels - len(listed)
    lines.append(f"# channels = [{', '.join(listed)}]" + (f"   # and {more} more" if more else ""))
    extractor, settings = _extractor(stream)
    if extractor == "differential-entropy":
        odd = [label for label in stream.channel_labels if _NOT_BRAIN.search(label)]
        if odd:
            lines.append(_comment(f"These look like no brain signal; leave them out: {', '.join(odd)}"))
    lines += [f'features = "{extractor}"', *settings]
    lines.append("# required = true     # refuse to start without it")
    return "\n".join(lines) + "\n"


def _extractor(stream: StreamDescription) -> tuple[str, list[str]]:
    """An extractor for a stream, and lines of its settings."""
    kind = stream.type.casefold()
    if _FEATURE_WORD in kind:
        return "identity", []
    if any(word in kind for word in _EYE_TYPES):
        columns = guess_columns(stream.channel_labels)
        if columns:
            return "eye", _eye_settings(stream, columns)
    if kind not in _SPECTRAL_TYPES or stream.nominal_rate_hz <= 0:
        return "statistics", []
    half_hz = stream.nominal_rate_hz / 2
    if half_hz >= max(high for _, high in SEED_BANDS.values()):
        told = ", ".join(f"{name} {low:g}-{high:g}" for name, (low, high) in SEED_BANDS.items())
        return "differential-entropy", [f"# Bands in Hz: {told}; to change them: settings = {{ bands = {{ ... }} }}"]
    # A band must end below half of the rate, and must not be narrower than the bins of a one-second window.
    fitting = {name: (low, min(high, int(half_hz))) for name, (low, high) in SEED_BANDS.items() if low + 1 <= half_hz}
    if not fitting:
        return "statistics", [f"# {stream.nominal_rate_hz:g} Hz is too slow for frequency bands."]
    bands = ", ".join(f"{name} = [{low:g}, {high:g}]" for name, (low, high) in fitting.items())
    return "differential-entropy", [
        f"# Bands in Hz, none beyond {half_hz:g} Hz, half of the rate.",
        f"settings = {{ bands = {{ {bands} }} }}",
    ]


def _eye_settings(stream: StreamDescription, columns: Mapping[str, str]) -> list[str]:
    """Lines that say which channels are gaze, pupils and lids, and what a screen is to be called."""
    told = ", ".join(f"{part} = {toml_string(label)}" for part, label in columns.items())
    lines = ["# As the labels sound; check them, see docs/eye.md.", f"columns = {{ {told} }}"]
    if "direction_x" in columns or "direction_x_left" in columns:
        return lines
    units = stream.channel_units or ("",) * stream.channels
    gaze = {columns.get("x", ""), columns.get("x_left", "")}
    unit = guess_unit([u for label, u in zip(stream.channel_labels, units, strict=True) if label in gaze])
    lines.append(f'settings = {{ unit = "{unit or "pixels"}" }}' + ("" if unit else '   # or "normalised", "degrees"'))
    if unit != "degrees":
        screen = "{ resolution_px = [1920, 1080], size_m = [0.53, 0.30], distance_m = 0.65 }"
        lines.append(
            f'# With your screen, angles are degrees: settings = {{ unit = "{unit or "pixels"}", screen = {screen} }}'
        )
    return lines


def _marker_block(
    streams: Sequence[StreamDescription], labels: Sequence[str], texts: Mapping[str, Sequence[str]]
) -> str:
    """Where labels come from: the first marker stream, others in comments."""
    candidates = [stream for stream in streams if stream.is_text and not stream.own]
    candidates.sort(key=lambda stream: stream.type.casefold() != "markers")
    chosen = [(stream, selector) for stream in candidates if (selector := _selector(stream, streams)) is not None]
    if not chosen:
        return ""
    stream, selector = chosen[0]
    lines = [
        "# Labels for a calibration: a marker's text starts a label, which lasts until the next marker.",
        _comment(_told(stream)),
        "[markers]",
        f"stream = {_inline(selector)}",
    ]
    lines += [f"# stream = {_inline(other)}" for _, other in chosen[1:]]
    same = ", ".join(f"{toml_string(label)} = {toml_string(label)}" for label in labels)
    lines.append(f"labels = {{ {same} }}")
    example = ", ".join(f"{toml_string(f'clip/{label}')} = {toml_string(label)}" for label in labels)
    lines.append(f"# labels = {{ {example} }}")
    seen = texts.get(stream.key, ())
    if seen:
        lines.append(_comment("Markers that came just now: " + ", ".join(map(repr, seen))))
    lines.append("# duration_s = 60.0    # if a label is to end by itself")
    return "\n".join(lines) + "\n"


def _network_block(network: NetworkSettings) -> str:
    default = NetworkSettings()
    lines = []
    if network.scope != default.scope:
        lines.append(f'scope = "{network.scope}"')
    if network.session_id != default.session_id:
        lines.append(f"session_id = {toml_string(network.session_id)}")
    if network.known_peers:
        lines.append(f"known_peers = [{', '.join(map(toml_string, network.known_peers))}]")
    return "\n".join(["[network]", *lines]) + "\n" if lines else ""
