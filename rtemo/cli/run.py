"""`rtemo run`: a live session."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtemo.cli.common import Adaptation, Device, add_column, add_row, output, warn, with_adaptation
from rtemo.cli.dashboard_process import LOG, Stays, dashboard_beside

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from rtemo.config import Configuration
    from rtemo.live.session import LiveSession
    from rtemo.live.status import LiveStatus
    from rtemo.outputs.events import Event

EVENT_LINES = 6
PLAIN_EVERY_S = 5.0
SWITCH_INTERVAL_S = 0.0001
M_ARENA_MAX = -8
"""Of glibc's malloc.h."""
INTERRUPTED = 130
STATE_STYLES = {"waiting": "yellow", "live": "green", "stale": "bold yellow", "lost": "bold red"}
QUIET_EVENTS = ("session-start", "stream-warning", "adaptation-start", "adaptation-skip", "adaptation-update")
"""Of which the status says enough, or which are many."""


def run(
    config: Annotated[
        Path | None, typer.Argument(help="The configuration (TOML); none with --demo.", show_default=False)
    ] = None,
    model: Annotated[Path | None, typer.Option("-m", "--model", help="The bundle.", show_default=False)] = None,
    participant: Annotated[
        str, typer.Option("-p", "--participant", help="Letters and digits; names the session's folder.")
    ] = "unknown",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder of all sessions; [outputs] folder if not given.")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds after which the session ends by itself.")
    ] = None,
    wait: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for streams that are not there yet.")] = 10.0,
    adaptation: Adaptation = None,
    device: Device = None,
    dashboard: Annotated[
        bool,
        typer.Option(
            "--dashboard/--no-dashboard", help="A window beside it, where there is a screen; see rtemo dashboard."
        ),
    ] = True,
    keep_dashboard: Annotated[
        bool,
        typer.Option(
            "--keep-dashboard",
            help="Leave the window open when the session has ended; one that has failed leaves it open anyway.",
        ),
    ] = False,
    demo: Annotated[
        bool,
        typer.Option("--demo", help="A simulated laboratory beside it, whose sensors drop out; nothing to set up."),
    ] = False,
) -> None:
    """Run a live session: LSL streams in, predictions on LSL and into a session folder, until Ctrl-C.

    rtemo run lab.toml -m bundles/lab -p 07

    rtemo run lab.toml -m bundles/lab -p 07 --duration 1800 -o /data/sessions

    rtemo run lab.toml -m bundles/lab -p 07 --adaptation off --no-dashboard

    rtemo run --demo
    """
    from rtemo.config import load_configuration
    from rtemo.errors import ConfigurationError
    from rtemo.includes import own_text

    if demo:
        if keep_dashboard:
            raise ConfigurationError("--demo closes all that it opened.", cure="Leave --keep-dashboard out.")
        if config is not None or model is not None:
            raise ConfigurationError("--demo brings its own configuration and model.", cure="Leave them out.")
        from rtemo.cli.live_demo import demonstrate

        demonstrate(out, participant, duration, device, adaptation, dashboard=dashboard)
        return
    if config is None or model is None:
        raise ConfigurationError(
            "rtemo run needs a configuration and a bundle (-m).", cure="Or watch the demonstration: rtemo run --demo."
        )
    settings, source = with_adaptation(load_configuration(config), adaptation), own_text(config)
    if adaptation is not None:
        # What is kept with the session is what it ran with.
        source = None
    run_session(
        settings,
        model,
        out,
        participant,
        duration=duration,
        wait=wait,
        device=device,
        source=source,
        dashboard=dashboard,
        stays="always" if keep_dashboard else "after a failure",
        config=config,
    )


def run_session(
    settings: Configuration,
    model: Path,
    out: Path | None,
    participant: str,
    *,
    duration: float | None = None,
    wait: float = 10.0,
    device: str | None = None,
    source: bytes | None = None,
    dashboard: bool = False,
    stays: Stays = "never",
    config: Path | None = None,
) -> Path:
    """Run a session with its status on the terminal; gives its folder. Ends the program by 130 where interrupted.

    `source` is the configuration's own text, to be kept as it is; None where it is no file by itself. `config` is that
    file, for the dashboard, and `stays` says when that is left open.
    """
    from rtemo.live.session import LiveSession
    from rtemo.model.bundle import MANIFEST, load_bundle
    from rtemo.outputs.folder import check_session_folder, session_name
    from rtemo.training import sha256_of

    out = settings.outputs.folder if out is None else out
    # Before anybody waits for streams.
    check_session_folder(out, participant)
    _share_one_heap()
    session = LiveSession(settings, load_bundle(model), device=device or settings.model.device)
    interrupted = _stop_on_signals(session)
    # Threads that wait for the interpreter get it after a tenth of a millisecond, not after five.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    view = StatusView(settings, session)
    if session.adaptation.reason:
        warn([f"adaptation is off, as the bundle cannot adapt: {session.adaptation.reason}"])
    with view, dashboard_beside(settings.network, config, wanted=dashboard, stays=stays) as watching:

        def begin(folder: Path) -> None:
            view.begin(folder)
            if watching is not None:
                watching.open(session_name(folder), folder / LOG)

        missing = session.find(wait, view.waiting)
        if not interrupted:
            view.warn_missing(missing)
            last = session.run(
                out,
                participant,
                duration_s=duration,
                source=source,
                bundle_path=model,
                bundle_hash=sha256_of(model / MANIFEST),
                on_begin=begin,
                on_status=view.show,
            )
            view.end(last)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    return view.folder


def _share_one_heap() -> None:
    """Let all threads allocate from one heap, where the C library is glibc.

    By default each gets its own, and arrays that one thread makes and another frees leave each a little larger every
    minute; a session runs for hours.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


def _stop_on_signals(session: LiveSession) -> list[int]:
    """Let Ctrl-C, SIGTERM and a closed terminal end the session in an orderly way; a second Ctrl-C breaks off.

    Returns what came.
    """
    came: list[int] = []
    terminals = [number for number in (1, 2) if os.isatty(number)]

    def stop(number: int, frame: object) -> None:
        came.append(number)
        session.stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def hang_up(number: int, frame: object) -> None:
        # The terminal is gone: what is still said must not fail.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for terminal in terminals:
            os.dup2(nowhere, terminal)
        os.close(nowhere)
        stop(number, frame)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    # Windows has none; under nohup it is ignored, and stays so.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, hang_up)
    return came


class StatusView:
    """The status of a session: a live panel on a terminal, plain lines elsewhere.

    Parameters
    ----------
    config : Configuration
    session : LiveSession
        Whose events are shown.
    """

    def __init__(self, config: Configuration, session: LiveSession) -> None:
        from rich.live import Live

        self._config = config
        self._session = session
        self._console = output()
        self._events: deque[str] = deque(maxlen=EVENT_LINES)
        self.folder = Path()
        self._looking = ""
        self._plain_due_s = -math.inf
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> StatusView:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *what: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def waiting(self, missing: list[str]) -> None:
        """Say which streams are looked for."""
        from rich.text import Text

        line = f"looking for {', '.join(missing)} ..."
        if self._console.is_terminal:
            self._live.update(Text(line), refresh=True)
        elif missing and line != self._looking:
            self._looking = line
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def warn_missing(self, missing: list[str]) -> None:
        """Say which streams the session starts without."""
        warn(f"{name}: no stream yet; the view is missing until it comes" for name in missing)

    def begin(self, folder: Path) -> None:
        """Say where the session is written."""
        self.folder = folder
        self._console.print(f"session -> {folder}", highlight=False, markup=False, soft_wrap=True)

    def show(self, status: LiveStatus) -> None:
        """Show how the session stands."""
        for event in self._session.take_events():
            self._say(event)
        if self._console.is_terminal:
            self._live.update(status_panel(status, self._config, self._events), refresh=True)
        elif status.elapsed_s >= self._plain_due_s:
            self._plain_due_s = status.elapsed_s + PLAIN_EVERY_S
            self._console.print(status_line(status), highlight=False, markup=False, soft_wrap=True)

    def end(self, status: LiveStatus) -> None:
        """Say how the session ended."""
        samples = ", ".join(f"{stream.name} {stream.samples}" for stream in status.streams)
        late = sum(stream.late for stream in status.streams)
        lines = [
            f"{status.predicted} windows predicted, {status.skipped} skipped; samples: {samples}; {late} late",
            f"age of predictions: p50 {_ms(status.age_p50_s)}, p99 {_ms(status.age_p99_s)}",
            f"adaptation {status.adaptation}",
        ]
        for line in lines:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _say(self, event: Event) -> None:
        if event.kind in QUIET_EVENTS:
            return
        line = event_line(event)
        self._events.append(line)
        if not self._console.is_terminal:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def event_line(event: Event) -> str:
    """An event on one line, whatever its details hold."""
    from rtemo.printable import printable

    details = ", ".join(f"{key} {_short(value)}" for key, value in event.details.items())
    return printable(f"{event.stamp_s:.3f} {event.kind}: {details}")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _ms(seconds: float) -> str:
    return "-" if math.isnan(seconds) else f"{1e3 * seconds:.1f} ms"


def _age(seconds: float) -> str:
    return "-" if math.isinf(seconds) else f"{seconds:.2f} s"


def status_line(status: LiveStatus) -> str:
    """How a session stands, on one line."""
    streams = "; ".join(
        f"{stream.name} {stream.state.value} {stream.rate_hz:.0f} Hz age {_age(stream.age_s)}"
        for stream in status.streams
    )
    said = "no prediction yet"
    if status.prediction is not None:
        best = status.prediction.probabilities.max()
        said = status.prediction.label if math.isnan(best) else f"{status.prediction.label} {best:.2f}"
    ages = f"age p50 {_ms(status.age_p50_s)} p99 {_ms(status.age_p99_s)}"
    bad = "".join(f"; {line}" for line in _bad_channels(status))
    adapted = f"adaptation {status.adaptation.brief}"
    return f"{status.elapsed_s:.0f} s: {said}; {streams}{bad}; {ages}; {adapted}; {status.predicted} windows"


def _bad_channels(status: LiveStatus) -> list[str]:
    from rtemo.live.status import bad_channels

    return [] if status.window is None else bad_channels(status.window)


def status_panel(status: LiveStatus, config: Configuration, events: deque[str]) -> Group:
    """How a session stands, for a terminal."""
    from rich.console import Group
    from rich.text import Text

    lines: list[Table | Text] = [_said(status, config), _streams(status, config)]
    recorder = status.recorder
    facts = (
        f"{status.elapsed_s:.0f} s   {status.predicted} windows, {status.skipped} skipped   "
        f"age p50 {_ms(status.age_p50_s)} p99 {_ms(status.age_p99_s)}   "
        f"recorded {recorder.bytes_written / 1e6:.1f} MB"
    )
    lines += [Text(line, style="bold yellow") for line in _bad_channels(status)]
    lines += [Text(facts), Text(f"adaptation {status.adaptation.brief}")]
    if recorder.refused or recorder.failed is not None:
        lines.append(Text(f"THE RECORDING IS NOT WRITTEN ({recorder.backlog_s:.0f} s wait)", style="bold red"))
    lines += [Text(line, style="dim", overflow="ellipsis", no_wrap=True) for line in events]
    return Group(*lines)


def _said(status: LiveStatus, config: Configuration) -> Text:
    from rich.text import Text

    prediction = status.prediction
    if prediction is None:
        return Text("no prediction yet", style="dim")
    text = Text(f"{prediction.label}   ", style="bold")
    for label, probability in zip(config.labels, prediction.probabilities.tolist(), strict=True):
        bar = "" if math.isnan(probability) else "█" * round(12 * probability)
        text.append(f"{label} {probability:.2f} {bar:<12} ", style="green" if label == prediction.label else "")
    text.append(f"spread {prediction.spread:.2f}")
    return text


def _streams(status: LiveStatus, config: Configuration) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for header in ("stream", "state"):
        add_column(table, header)
    for header in ("rate (Hz)", "age", "late", "coverage", "weight", "contribution"):
        add_column(table, header, right=True)
    add_column(table, "missing because")
    prediction, window = status.prediction, status.window
    places = {view: i for i, view in enumerate(config.views)}
    for stream in status.streams:
        rate = "-" if math.isnan(stream.rate_hz) else f"{stream.rate_hz:.1f}"
        state = Text(stream.state.value, style=STATE_STYLES[stream.state.value])
        first: list[str | Text] = [
            stream.name,
            state,
            f"{rate} / {stream.nominal_hz:g}",
            _age(stream.age_s),
            str(stream.late),
        ]
        for view in stream.views or ("",):
            cells: list[str | Text] = [view, "", "", "", "", "", "", "", ""]
            if view in ("", *stream.views[:1]):
                cells[:5] = first
            if view and prediction is not None:
                i = places[view]
                cells[5] = f"{prediction.coverage[i]:.2f}"
                cells[6] = f"{prediction.posterior_weights[i]:.2f}" if prediction.available[i] else "-"
                cells[7] = f"{prediction.contributions[i]:+.2f}" if prediction.available[i] else "-"
            if view and window is not None and view in window.reason:
                cells[8] = Text(window.reason[view], style="bold red")
            add_row(table, *cells)
    return table
