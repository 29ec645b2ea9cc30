"""Which streams a configuration asks for, and what is known of them before they come."""

from __future__ import annotations

from collections.abc import Mapping

from rtemo.config import Configuration, StreamSelector
from rtemo.errors import StreamError
from rtemo.model.bundle import Bundle
from rtemo.sources.lsl.matching import Wanted
from rtemo.types import StreamDescription

MARKERS_KEY = "markers"


def wanted_streams(config: Configuration) -> tuple[list[Wanted], dict[str, str]]:
    """The streams that a configuration asks for, and the key of each view's.

    Views that select a stream in the same words share it.

    Returns
    -------
    wanted : list of Wanted
        Keys are the names of the first views that read them; that of the markers is ``markers``.
    keys : dict of str to str
        By view.
    """
    by_selector: dict[StreamSelector, list[str]] = {}
    for view, settings in config.views.items():
        by_selector.setdefault(settings.stream, []).append(view)
    wanted, keys = [], {}
    for selector, views in by_selector.items():
        key = f"view:{views[0]}"
        keys.update(dict.fromkeys(views, key))
        wanted.append(Wanted(key, selector, False, any(config.views[view].required for view in views)))
    if config.markers is not None:
        # Markers may be numbers.
        wanted.append(Wanted(MARKERS_KEY, config.markers.stream, None))
    return wanted, keys


def stream_names(wanted: list[Wanted], config: Configuration) -> dict[str, str]:
    """What each stream is called in messages, by key: its views, or markers."""
    names = {}
    for one in wanted:
        views = [view for view, settings in config.views.items() if settings.stream == one.selector]
        names[one.key] = MARKERS_KEY if one.key == MARKERS_KEY else "+".join(views)
    return names


def expected_streams(
    config: Configuration, keys: Mapping[str, str], bundle: Bundle, found: Mapping[str, StreamDescription]
) -> dict[str, StreamDescription]:
    """The stream of each view: as it was found, or, where it has not come yet, as the bundle knows it.

    Parameters
    ----------
    config : Configuration
    keys : mapping of str to str
        The key of each view's stream.
    bundle : Bundle
    found : mapping of str to StreamDescription
        By key.

    Raises
    ------
    StreamError
        A required view has no stream yet, or no view at all has one.
    """
    missing = [view for view, key in keys.items() if key not in found]
    required = [view for view in missing if config.views[view].required]
    if required or len(missing) == len(keys):
        listing = "; ".join(f"{view!r} wants a stream with {config.views[view].stream}" for view in required or missing)
        raise StreamError(
            f"the network: {listing}, and there is none.",
            cure="Start the device's LSL outlet, see what is there by rtemo streams, or wait longer by --wait.",
        )
    trained = {view.name: view for view in bundle.views}
    labels: dict[str, dict[str, None]] = {}
    for view in missing:
        labels.setdefault(keys[view], {}).update(dict.fromkeys(trained[view].channel_labels))
    chosen: dict[str, StreamDescription] = {}
    for view, key in keys.items():
        if key in found:
            chosen[view] = found[key]
            continue
        selector = config.views[view].stream
        chosen[view] = StreamDescription(
            key,
            selector.name or "",
            selector.type or "",
            tuple(labels[key]),
            trained[view].rate_hz,
            selector.source_id or "",
            selector.hostname or "",
        )
    return chosen
