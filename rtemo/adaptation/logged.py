"""Learning as a log says: after the same windows as a session did, and from the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace

from rtemo.adaptation.adapter import Adapter, Emit, Observation
from rtemo.adaptation.log import CURE, LATE, SKIPPED_WINDOWS, AdaptationLog
from rtemo.errors import ConfigurationError, RecordingError
from rtemo.model.predict import ModelOutput
from rtemo.types import Floats


class LoggedAdapter:
    """An adapter that is updated after the very windows after which that of a session was, and shown the same of them.

    What the operator asked of the session is done after the same windows too.

    Parameters
    ----------
    adapter : Adapter
        Made with the settings and the seed of the log.
    log : AdaptationLog
    emit : callable
        Told of windows that are passed over, and of those that were late, so that the replay's own events are a log as
        well.

    Attributes
    ----------
    updated : int
        Updates so far.
    differs_after : int or None
        The window after which an update, or what the operator asked, first gave something else than it gave the
        session.
    learnt_late : int or None
        The first late window of which the log does not say what the session learnt from: it is learnt from with the
        samples that came late.

    Raises
    ------
    ConfigurationError
        The log is of another model.
    RecordingError
        What it says of late windows is not of this model.
    """

    def __init__(self, adapter: Adapter, log: AdaptationLog, *, emit: Emit = lambda kind, details: None) -> None:
        found = adapter.digest()
        if found != log.digest:
            raise ConfigurationError(
                f"{log.origin}: the log is of another model: its digest is {log.digest}, that of the bundle {found}.",
                cure="Give the bundle that the session ran with; its environment.json names it.",
            )
        _check(log, adapter)
        self._adapter = adapter
        self._log = log
        self._emit = emit
        self._window: int | None = None
        self._orders = deque(log.orders)
        self.updated = 0
        self.differs_after: int | None = None
        self.learnt_late: int | None = None
        while self._orders and self._orders[0].window is None:
            self._adapter.order(self._orders.popleft().what)

    @property
    def due(self) -> bool:
        """Whether the session was updated after the window that was observed last."""
        return self._window in self._log.updates

    def predict(self, views: Mapping[str, Floats | None]) -> ModelOutput:
        """See `Adapter.predict`."""
        return self._adapter.predict(views)

    def observe(self, window: Observation) -> None:
        """See `Adapter.observe`; a window that the session did not predict is passed over.

        Of one that was late the adapter is shown what that of the session was.
        """
        index = window.index
        # Of windows that are not in the recording, if there are any.
        self._obey(index - 1)
        if index in self._log.ignored:
            self._window = None
            self._emit(SKIPPED_WINDOWS, {"windows": 1, "first_window": index, "last_window": index})
            return
        self._window = index
        seen = self._log.observed.get(index)
        if seen is not None:
            window = replace(window, views=seen.views, bad=seen.bad, adapted=seen.adapted, shadow=seen.shadow)
            self._emit(LATE, seen.details(index))
        elif self.learnt_late is None and index in self._log.late:
            self.learnt_late = index
        self._adapter.observe(window)
        if not self.due:
            self._obey(index)

    def update(self) -> None:
        """See `Adapter.update`; compares with what the session came to."""
        if self._window is None:
            return
        self._adapter.update()
        self.updated += 1
        self._compare(self._window, self._log.updates[self._window])
        self._obey(self._window)

    def _obey(self, window: int) -> None:
        """Do what the operator asked up to a window."""
        while self._orders and (after := self._orders[0].window) is not None and after <= window:
            order = self._orders.popleft()
            self._adapter.order(order.what)
            self._compare(window, order.digest)

    def _compare(self, window: int, digest: str) -> None:
        if digest and self.differs_after is None and self._adapter.digest() != digest:
            self.differs_after = window

    def warnings(self) -> list[str]:
        """What the user should know at the end of the replay."""
        log, lines = self._log, []
        if self.differs_after is not None:
            late = self.learnt_late
            why = "another machine, torch build or recording"
            if late is not None and late <= self.differs_after:
                why = f"samples came late for window {late}, which the session learnt from without them"
            lines.append(f"{log.origin}: predictions differ from window {self.differs_after + 1} on: {why}")
        missing = len(log.updates) - self.updated
        if missing:
            lines.append(f"{log.origin}: {missing} of {len(log.updates)} updates are of windows that did not come")
        if self._orders:
            lines.append(f"{log.origin}: {len(self._orders)} orders of the operator are of windows that did not come")
        return lines


def _check(log: AdaptationLog, adapter: Adapter) -> None:
    """Refuse late windows that no session with this model can have had."""
    for window, seen in log.observed.items():
        sizes = {view: len(features) for view, features in seen.views.items() if features is not None}
        fits = seen.views.keys() == adapter.dims.keys() and sizes.items() <= adapter.dims.items()
        shapes = (len(seen.bad), len(seen.adapted), len(seen.shadow))
        if not fits or shapes != (len(adapter.dims), adapter.classes, adapter.classes):
            raise RecordingError(
                f"{log.origin}: {LATE} of window {window}: expected features of {dict(adapter.dims)} and "
                f"{adapter.classes} probabilities, found others.",
                cure=CURE,
            )
