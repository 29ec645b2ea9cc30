"""From chunks to feature windows: the one object that serves replay, training and live alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from rtemo.config import Configuration, ViewSettings
from rtemo.errors import ConfigurationError, StreamError
from rtemo.features.base import ClosingWindow, Extractor, Judge, Missing, Quality, Repair, ViewSource
from rtemo.features.binding import Selection, differences, find_stream, listing, pick_channels, pick_features, told
from rtemo.features.mending import mend_features, mending_sums
from rtemo.features.quality import ChannelMonitor
from rtemo.features.reference import Reference
from rtemo.features.registry import make_extractor
from rtemo.features.smoothing import Smoother, make_smoother
from rtemo.grid import Grid
from rtemo.types import Chunk, FeatureWindow, Floats, StreamDescription
from rtemo.windows import Share, Window, Windower

NO_STREAM = "no stream"
"""Reason of a view that the recording has no stream for."""

NEVER = -(1 << 62)
"""Before every window."""
MOST_CHANGES = 50


@dataclass(slots=True)
class _View:
    name: str
    settings: ViewSettings
    stream: str
    columns: Selection | None
    extractor: Extractor
    smoother: Smoother
    judge: Judge | None
    subset: NDArray[np.intp] | None = None
    names: tuple[str, ...] = ()
    fed: bool = False
    changes: list[tuple[int, str]] = field(default_factory=list)
    early: tuple[int, Share, _Result] | None = None
    mending: Floats | None = None
    substitutes: Repair | None = None
    sums: Floats | None = None

    @property
    def takers(self) -> tuple[Extractor | ChannelMonitor, ...]:
        """Whoever takes samples."""
        if isinstance(self.judge, ChannelMonitor):
            return self.judge, self.extractor
        return (self.extractor,)


@dataclass(frozen=True, slots=True, eq=False)
class _Result:
    """What a view gives for a window, before smoothing; no quality where its signal was not judged."""

    features: Floats | Missing
    quality: Quality | None = None


class FeaturePipeline:
    """Cuts streams into windows and turns each view's samples into features.

    Parameters
    ----------
    config : Configuration
    streams : sequence of StreamDescription
        All that the source offers.
    origin : str
        Name of the recording or the network, for messages.
    lost_after_s : float
        A stream that lags the newest one by more is not waited for.
    chosen : mapping of str to StreamDescription, optional
        The stream of each view, where that is decided already: live, a stream may still be on its way.
    live, ends_are_gaps : bool
        See `Windower`.
    references : mapping of str to Reference, optional
        By view, what was usual in calibration, to judge channels by.

    Attributes
    ----------
    names : dict of str to tuple of str
        Feature names by view; empty for a view without a stream.
    quality_names : dict of str to tuple of str
        By view that is watched, what its quality scores are of.
    bound : dict of str to StreamDescription or None
        The stream of each view, with the chosen channels only; None where there is none.
    warnings : list of str
        Views without a stream.

    Raises
    ------
    StreamError
        A required view has no stream, a selector fits several, a channel is not there, or no view at all has
        a stream.
    ConfigurationError
        An extractor is unknown, or its settings are wrong or do not fit the stream.
    """

    def __init__(
        self,
        config: Configuration,
        streams: Sequence[StreamDescription],
        *,
        origin: str,
        lost_after_s: float = 5.0,
        chosen: Mapping[str, StreamDescription] | None = None,
        live: bool = False,
        ends_are_gaps: bool = False,
        references: Mapping[str, Reference] | None = None,
    ) -> None:
        grid = Grid(config.window.length_s, config.window.hop)
        self._grid, self._origin, self._live = grid, origin, live
        self._learns = references is None and not live
        self.names: dict[str, tuple[str, ...]] = {}
        self.quality_names: dict[str, tuple[str, ...]] = {}
        self.bound: dict[str, StreamDescription | None] = {}
        self.warnings: list[str] = []
        self._views: list[_View] = []
        for name, settings in config.views.items():
            extractor = make_extractor(settings.features, settings.settings, view=name)
            if settings.columns and not getattr(extractor, "uses_columns", False):
                raise ConfigurationError(
                    f"views.{name}.columns: the extractor {settings.features!r} knows no columns.",
                    cure="Drop the key; choose channels by views.<view>.channels.",
                )
            stream = chosen[name] if chosen is not None else find_stream(name, settings, streams, origin)
            if stream is None:
                self.bound[name], self.names[name] = None, ()
                self.warnings.append(
                    f"{origin}: no stream with {settings.stream} for view {name!r}; the view is missing throughout."
                )
                continue
            description, columns = pick_channels(name, settings, stream, origin)
            smoother = make_smoother(settings.smoothing)
            reference = (references or {}).get(name)
            judge = find_judge(name, settings, extractor, reference)
            view = _View(name, settings, stream.key, columns, extractor, smoother, judge)
            view.mending = reference.mending if reference is not None else None
            self._views.append(view)
            self._reset(view, description)
        if not self._views:
            wanted = "; ".join(f"{name!r} wants {view.stream}" for name, view in config.views.items())
            raise StreamError(
                f"{origin}: no view has a stream: {wanted}. Found: {listing(streams)}.",
                cure="Name one of these under [views.<view>] stream.",
            )
        views = {view.name: view for view in self._views}
        self._in_order = [(name, views.get(name)) for name in config.views]
        self._by_stream: dict[str, list[_View]] = {}
        for view in self._views:
            self._by_stream.setdefault(view.stream, []).append(view)
        rates_hz = {stream.key: stream.nominal_rate_hz for stream in streams if stream.key in self._by_stream}
        self._windower = Windower(
            grid,
            rates_hz,
            lost_after_s=lost_after_s,
            lateness_s=config.window.lateness_s,
            ends_are_gaps=ends_are_gaps,
            live=live,
        )

    def _reset(self, view: _View, description: StreamDescription) -> None:
        """Prepare a view for a stream."""
        source = ViewSource(view.name, description, self._grid, view.settings.columns)
        view.extractor.reset(source)
        view.names = view.extractor.names
        if view.settings.subset is not None:
            view.subset = pick_features(view.name, view.settings.subset, view.names)
            view.names = tuple(view.names[i] for i in view.subset)
        if view.judge is not None:
            if isinstance(view.judge, ChannelMonitor):
                view.judge.reset(source)
                view.sums = None
                view.substitutes = view.judge.substitutes if self._learns else None
            self.quality_names[view.name] = view.judge.quality_names
        self.bound[view.name], self.names[view.name] = description, view.names

    @property
    def late(self) -> dict[str, int]:
        """Samples that came too late for a window, by stream key."""
        return self._windower.late

    @property
    def references(self) -> dict[str, Reference]:
        """By view whose channels are watched, what was usual in the windows that have closed."""
        return {
            view.name: replace(view.judge.reference, mending=view.sums)
            for view in self._views
            if isinstance(view.judge, ChannelMonitor)
        }

    @property
    def windower(self) -> Windower:
        """What cuts the streams into windows, for those who need to know when."""
        return self._windower

    @property
    def streams(self) -> tuple[str, ...]:
        """Keys of the streams that views read."""
        return tuple(self._by_stream)

    def views_of(self, key: str) -> tuple[str, ...]:
        """Names of the views that read a stream."""
        return tuple(view.name for view in self._by_stream.get(key, ()))

    def refuse(self, view: str, reason: str) -> None:
        """Say that the stream of a view cannot serve: the view is missing."""
        next(v for v in self._views if v.name == view).changes.append((NEVER, reason))

    def attach(self, stream: StreamDescription, from_s: float) -> dict[str, str]:
        """Take a stream that has come, or come back, perhaps under another description.

        Parameters
        ----------
        stream : StreamDescription
            Under the key by which the views know it.
        from_s : float
            Since when, LSL clock seconds: windows that end before are those of the stream as it was.

        Returns
        -------
        dict of str to str
            By view, why the stream cannot serve any more: other channels or another rate. Such a view is missing until
            a stream comes that can.
        """
        unfit: dict[str, str] = {}
        since = self._grid.first_window(self._grid.cell_of(from_s))
        for view in self._by_stream.get(stream.key, ()):
            bound = self.bound[view.name]
            assert bound is not None, "a view that reads a stream is bound"
            try:
                description, columns = pick_channels(view.name, view.settings, stream, self._origin)
                reason = "; ".join(differences(bound, description))
            except StreamError as error:
                reason = error.message
            if reason or view.changes:
                view.changes = [*view.changes[-MOST_CHANGES:], (since, reason)]
            if reason:
                unfit[view.name] = reason
                continue
            view.columns = columns
            if not view.fed and told(bound) != told(description):
                self._reset(view, description)
                self._windower.set_rate(stream.key, stream.nominal_rate_hz)
        return unfit

    def push(self, chunk: Chunk) -> list[FeatureWindow]:
        """Take a chunk in; chunks of streams that no view reads are passed over.

        Returns
        -------
        list of FeatureWindow
            Those that it closed, in order.
        """
        views = self._by_stream.get(chunk.stream)
        if views is None:
            return []
        pieces = self._windower.push(chunk)
        for view in views:
            if view.changes and view.changes[-1][1]:
                continue
            view.fed = True
            values = chunk.values if view.columns is None else chunk.values[:, view.columns]
            takers = view.takers
            for piece in pieces:
                stamps_s, samples = chunk.stamps_s[piece.first : piece.stop], values[piece.first : piece.stop]
                for taker in takers:
                    if piece.begins_segment:
                        taker.begin_segment()
                    taker.push(piece.cell, stamps_s, samples)
        if self._live:
            self._look_ahead(chunk.stream, views)
        return self._features(self._windower.close_ready())

    def _look_ahead(self, stream: str, views: list[_View]) -> None:
        """Work out features of the open window as soon as a stream is through with it, while others are still awaited.

        When the window closes, only what depends on the last stream is left to do.
        """
        index = self._windower.next_window
        if index is None or not self._windower.is_over(stream, index):
            return
        grid, share = self._grid, self._windower.share(stream, index)
        for view in views:
            if view.early is None or view.early[:2] != (index, share):
                closing = ClosingWindow(
                    index, grid.start_s(index), grid.stop_s(index), grid.cells(index), share.samples
                )
                view.early = index, share, self._result(view, closing, share)

    def advance(self, now_s: float) -> list[FeatureWindow]:
        """Close, live, the windows that ended ``lateness_s`` before now (LSL clock seconds)."""
        return self._features(self._windower.advance(now_s))

    def end_stream(self, key: str) -> list[FeatureWindow]:
        """Declare that nothing more comes of a stream."""
        return self._features(self._windower.end_stream(key)) if key in self._by_stream else []

    def end(self, last_window: int | None = None) -> list[FeatureWindow]:
        """Nothing more comes at all: close every window that holds a sample, or those up to the one given."""
        windower = self._windower
        return self._features(windower.close_all() if last_window is None else windower.close_to(last_window))

    def _features(self, windows: list[Window]) -> list[FeatureWindow]:
        return [self._feature_window(window) for window in windows]

    def _feature_window(self, window: Window) -> FeatureWindow:
        features: dict[str, Floats] = {}
        available: dict[str, bool] = {}
        coverage: dict[str, float] = {}
        reason: dict[str, str] = {}
        quality: dict[str, Floats] = {}
        bad: dict[str, Mapping[str, str]] = {}
        for name, view in self._in_order:
            if view is None:
                features[name], available[name], coverage[name] = np.empty(0), False, 0.0
                reason[name] = NO_STREAM
                continue
            share = window.shares[view.stream]
            coverage[name] = share.coverage
            result = self._settle(view, window, share)
            found = result.features
            if isinstance(found, Missing):
                features[name], available[name] = np.full(len(view.names), np.nan), False
                reason[name] = found.reason
            else:
                features[name], available[name] = view.smoother.update(window.index, found), True
            if view.judge is not None:
                judged = result.quality
                quality[name] = np.full(len(self.quality_names[name]), np.nan) if judged is None else judged.scores
                if judged is not None and judged.bad:
                    bad[name] = judged.bad
            for taker in view.takers:
                taker.discard(window.cells.start)
        return FeatureWindow(
            index=window.index,
            start_s=window.start_s,
            stop_s=window.stop_s,
            features=features,
            available=available,
            coverage=coverage,
            reason=reason,
            newest_s=window.newest_s,
            quality=quality,
            bad=bad,
        )

    def _settle(self, view: _View, window: Window, share: Share) -> _Result:
        """What a view gives for a window that has closed."""
        if view.early is not None and view.early[:2] == (window.index, share):
            result = view.early[2]
        else:
            closing = ClosingWindow(window.index, window.start_s, window.stop_s, window.cells, share.samples)
            result = self._result(view, closing, share)
        if view.judge is not None and result.quality is not None:
            view.judge.keep(result.quality)
            if view.substitutes is not None and not result.quality.bad and not isinstance(result.features, Missing):
                self._compare(view, window, share, result.features)
        return result

    def _compare(self, view: _View, window: Window, share: Share, features: Floats) -> None:
        """Learn what the features of each channel are beside those of its substitute."""
        closing = ClosingWindow(window.index, window.start_s, window.stop_s, window.cells, share.samples)
        own = features if view.subset is None else view.extractor.close(closing)
        made_up = view.extractor.close(replace(closing, repair=view.substitutes))
        if not isinstance(own, Missing) and not isinstance(made_up, Missing):
            found = mending_sums(own, made_up)
            view.sums = found if view.sums is None else view.sums + found

    def _result(self, view: _View, closing: ClosingWindow, share: Share) -> _Result:
        """What a view gives as things stand; changes nothing but what can be worked out again."""
        least = view.settings.min_coverage
        unfit = next((reason for since, reason in reversed(view.changes) if since <= closing.index), "")
        if unfit:
            return _Result(Missing(unfit))
        if share.gap:
            return _Result(Missing("gap"))
        if share.samples == 0 and least == 0:
            return _Result(Missing("no samples"))
        if share.samples == 0 or share.coverage < least:
            return _Result(Missing(f"coverage {share.coverage:.2f} < {least:.2f}"))
        quality = None
        if view.judge is not None:
            quality = view.judge.judge(closing)
            if quality.missing:
                return _Result(Missing(quality.missing), quality)
            if quality.repair is not None:
                closing = replace(closing, repair=quality.repair)
        features = view.extractor.close(closing)
        if isinstance(features, Missing):
            return _Result(features, quality)
        if closing.repair is not None and view.mending is not None and view.mending.shape[1] == len(features):
            channels = closing.repair.weights.shape[1]
            features = mend_features(features, closing.repair.bad, channels, view.mending)
        if view.subset is not None:
            features = features[view.subset]
        return _Result(Missing("no feature is known") if np.isnan(features).all() else features, quality)


def find_judge(view: str, settings: ViewSettings, extractor: Extractor, reference: Reference | None) -> Judge | None:
    """Who judges the signal of a view, if anybody.

    Raises
    ------
    ConfigurationError
        The view says when a channel is bad, and nobody would look.
    """
    if not settings.quality.enabled:
        return None
    if getattr(extractor, "repairs", False):
        return ChannelMonitor(settings.quality, settings.max_bad_channels, reference)
    if hasattr(extractor, "judge"):
        return cast("Judge", extractor)
    usual = {key: ViewSettings.model_fields[key].default for key in ("max_bad_channels", "quality")}
    # A bundle's configuration has every key, also those that nobody set.
    asked = [key for key, default in usual.items() if getattr(settings, key) != default]
    if asked:
        raise ConfigurationError(
            f"views.{view}.{asked[0]}: the extractor {settings.features!r} has no channels watched.",
            cure="Leave the key out; differential-entropy and eye judge their signals.",
        )
    return None
