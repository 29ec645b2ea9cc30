"""Which simulated devices there are to be, and under whose names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from rtemo.config import Configuration, StreamSelector
from rtemo.errors import ConfigurationError
from rtemo.sources.laboratory import DEVICES, Laboratory

MARKERS = "markers"


def check_devices(names: Iterable[str]) -> tuple[str, ...]:
    """Devices by name, each once.

    Raises
    ------
    ConfigurationError
        There is no such device, or none is named.
    """
    chosen = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    for name in chosen:
        if name not in DEVICES:
            near = difflib.get_close_matches(name, DEVICES, n=1)
            raise ConfigurationError(
                f"--devices: unknown device {name!r}.",
                cure=f"Did you mean {near[0]!r}?" if near else f"Known here: {', '.join(DEVICES)}.",
            )
    if not chosen:
        raise ConfigurationError("--devices: names none.", cure=f"Known here: {', '.join(DEVICES)}.")
    return chosen


def chosen_devices(named: str | None, *, follow: bool) -> tuple[str, ...]:
    """Devices of a simulation.

    Parameters
    ----------
    named : str or None
        Their names with commas between them; all that there are where it is not given.
    follow : bool
        Whether the participant reacts to what somebody else shows, who sends the markers then.

    Raises
    ------
    ConfigurationError
        There is no such device, none is named, or it would send other markers than those that are followed.
    """
    if named is None:
        return tuple(device for device in DEVICES if not (follow and device == MARKERS))
    chosen = check_devices(named.split(","))
    if follow and MARKERS in chosen:
        raise ConfigurationError(
            "--devices markers: with --follow, the markers are those of who shows something.",
            cure="Leave one of them out.",
        )
    return chosen


def identities(config: Configuration) -> dict[str, dict[str, str]]:
    """What outlets must be called for a configuration to find them: by device, name, type and source_id.

    A device stands for what is of its type, else for the view of its name.
    """
    selectors: dict[str, StreamSelector] = {view: settings.stream for view, settings in config.views.items()}
    if config.markers is not None:
        selectors["markers"] = config.markers.stream
    types = {Laboratory().describe(device).stream.type: device for device in DEVICES}
    found: dict[str, dict[str, str]] = {}
    for name, selector in selectors.items():
        device = types.get(selector.type or "", name)
        if device in DEVICES:
            found.setdefault(device, selector.model_dump(include={"name", "type", "source_id"}, exclude_none=True))
    return found


def marker_texts(config: Configuration) -> dict[str, str]:
    """The marker of each label, where the configuration says one."""
    if config.markers is None:
        return {}
    return {label: text for text, label in reversed(config.markers.labels.items())}
