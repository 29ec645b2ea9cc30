"""`rtemo play`: replay a recording through the path that serves live."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtemo.cli.common import (
    Adaptation,
    Device,
    Seed,
    Unsynchronised,
    add_column,
    add_row,
    check_file,
    output,
    progress_bar,
    warn,
    with_adaptation,
)
from rtemo.cli.dashboard_process import LOG, dashboard_beside, no_display
from rtemo.cli.network import Scope, SessionId, network_settings
from rtemo.cli.simulate import FaultOption, say
from rtemo.cli.stopping import interruptible
from rtemo.printable import printable

if TYPE_CHECKING:
    from rich.table import Table

    from rtemo.config import Configuration
    from rtemo.live.watched import WatchedReplay
    from rtemo.outputs.events import Event
    from rtemo.replay import Replay, ReplayClock
    from rtemo.session import Sink, WindowSink
    from rtemo.types import FeatureWindow, Prediction

LIVE_ROWS = 12
TURNING_ROWS = 12


def play(
    recording: Annotated[Path, typer.Argument(help="The recording to replay.", show_default=False)],
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="The configuration (TOML); --stream needs none.", show_default=False),
    ] = None,
    model: Annotated[
        Path | None, typer.Option("-m", "--model", help="The bundle; --stream takes none.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder for predictions.csv and events.jsonl; printed only if not given."),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=1000.0, help="1 = real time; if not given, 1 with --stream, else as fast as it goes."
        ),
    ] = None,
    quality: Annotated[
        Path | None,
        typer.Option(
            "--quality", help="A .csv for the quality scores of the views that are watched.", show_default=False
        ),
    ] = None,
    adaptation: Adaptation = None,
    adaptation_log: Annotated[
        Path | None,
        typer.Option(
            "--adaptation-log",
            help="The session's events.jsonl: learn what it learnt, after the same windows, by its settings.",
            show_default=False,
        ),
    ] = None,
    device: Device = None,
    unsynchronised: Unsynchronised = False,
    dashboard: Annotated[
        bool,
        typer.Option("--dashboard", help="Watch it in real time (or at --speed) in a window; see rtemo dashboard."),
    ] = False,
    stream: Annotated[
        bool, typer.Option("--stream", help="Send the recording's streams over LSL instead of predicting.")
    ] = False,
    loop: Annotated[bool, typer.Option("--loop", help="With --stream: start again at the end, without end.")] = False,
    fault: FaultOption = None,
    seed: Seed = 0,
    scope: Scope = None,
    session_id: SessionId = None,
) -> None:
    """Replay a recording: the same windows, features and predictions as live; or its streams, over LSL.

    rtemo play session.xdf -c lab.toml -m bundles/lab -o out

    rtemo play session.xdf -c lab.toml -m bundles/lab --speed 1 --dashboard

    rtemo play recording.xdf -c config.toml -m bundles/lab --adaptation-log events.jsonl

    rtemo play session.xdf --stream --fault "eeg:drop@30+5"
    """
    from rtemo.errors import ConfigurationError

    if stream:
        predicting = (
            ("--model", model),
            ("--out", out),
            ("--quality", quality),
            ("--adaptation", adaptation),
            ("--adaptation-log", adaptation_log),
            ("--device", device),
            ("--dashboard", dashboard or None),
        )
        for option, value in predicting:
            if value is not None:
                raise ConfigurationError(f"{option}: --stream predicts nothing.", cure="Leave one of them out.")
        _send(recording, config, ",".join(fault or ()), (scope, session_id), seed, speed or 1.0, loop, unsynchronised)
        return
    for option, given in (("--loop", loop), ("--fault", fault), ("--scope", scope), ("--session-id", session_id)):
        if given:
            raise ConfigurationError(f"{option}: only with --stream.", cure="Leave it out, or add --stream.")
    if config is None or model is None:
        missing = "-c/--config" if config is None else "-m/--model"
        raise ConfigurationError(f"option {missing} is missing.", cure="Only --stream does without.")
    if adaptation is not None and adaptation_log is not None:
        raise ConfigurationError(
            "--adaptation: with --adaptation-log, the mode is that of the log.", cure="Leave one of them out."
        )
    _predict(
        recording, config, model, out, quality, speed, device, unsynchronised, adaptation, adaptation_log, dashboard
    )


def _send(
    recording: Path,
    config: Path | None,
    fault: str,
    network: tuple[str | None, str | None],
    seed: int,
    speed: float,
    loop: bool,
    unsynchronised: bool,
) -> None:
    """Send the streams of a recording over LSL."""
    from rtemo.config import load_configuration
    from rtemo.devices.playback import Playback, Playing

    base = None if config is None else load_configuration(config).network
    playing = Playing(network_settings(*network, base), fault, seed, speed, loop, unsynchronised)
    with interruptible(), Playback(recording, playing) as playback, progress_bar() as progress:
        for described in playback.streams:
            typer.echo(printable(str(described)))
        sys.stdout.flush()
        task = progress.add_task("playing", total=None, note="")
        shown_s = 0

        def on_time(at_s: float) -> None:
            nonlocal shown_s
            if int(at_s) > shown_s:
                shown_s = int(at_s)
                progress.update(task, completed=shown_s, note="s")

        try:
            playback.run(say=say, on_time=on_time)
        finally:
            warn(printable(line) for line in playback.warnings)


def _predict(
    recording: Path,
    config: Path,
    model: Path,
    out: Path | None,
    quality: Path | None,
    speed: float | None,
    device: str | None,
    unsynchronised: bool,
    adaptation: str | None,
    adaptation_log: Path | None,
    dashboard: bool,
) -> None:
    """Replay a recording to predictions."""
    from rtemo.adaptation.log import read_adaptation_log
    from rtemo.clock import LslClock
    from rtemo.config import load_configuration
    from rtemo.model.bundle import load_bundle
    from rtemo.outputs.events import ReplayedEvents
    from rtemo.outputs.folder import EVENTS, PREDICTIONS
    from rtemo.outputs.table import Table, prediction_layout, quality_layout
    from rtemo.replay import Replay, ReplayClock

    settings = with_adaptation(load_configuration(config), adaptation)
    bundle = load_bundle(model)
    log = None if adaptation_log is None else read_adaptation_log(adaptation_log)
    events = None if out is None else ReplayedEvents(out / EVENTS)
    if dashboard:
        speed = speed or 1.0
    clock = ReplayClock(speed, machine=LslClock() if dashboard else None)
    listeners: list[Callable[[Event], None]] = [] if events is None else [events.take]

    def tell(event: Event) -> None:
        for listener in listeners:
            listener(event)

    replay = Replay(
        recording,
        settings,
        bundle,
        speed=speed,
        device=device or settings.model.device,
        unsynchronised=unsynchronised,
        adaptation_log=log,
        on_event=tell,
        clock=clock,
    )
    sinks: list[Sink] = []
    window_sinks: list[WindowSink] = []
    written = []
    with contextlib.ExitStack() as closing:
        closing.callback(replay.close)
        if out is not None and events is not None:
            _make_folder(out, adaptation_log)
            layout = prediction_layout(settings.labels, replay.views)
            sinks += [closing.enter_context(Table(out / PREDICTIONS, layout)), closing.enter_context(events)]
            written += [f"predictions -> {out / PREDICTIONS}", f"events -> {out / EVENTS}"]
        if quality is not None:
            _check_quality(quality, replay)
            window_sinks.append(closing.enter_context(Table(quality, quality_layout(replay.quality_names))))
            written.append(f"quality -> {quality}")
        if dashboard:
            watched = closing.enter_context(_watched(recording, replay, settings, clock, speed or 1.0, unsynchronised))
            sinks.append(watched)
            window_sinks.append(watched.windows)
            listeners.append(watched.take)
        shown = show(replay.run(sinks, window_sinks), settings.labels, replay.views)
    for line in written:
        typer.echo(line)
    warn(replay.warnings)
    typer.echo(shown)
    typer.echo(printable(f"adaptation {replay.adaptation}"))


@contextlib.contextmanager
def _watched(
    recording: Path, replay: Replay, config: Configuration, clock: ReplayClock, speed: float, unsynchronised: bool
) -> Iterator[WatchedReplay]:
    """The replay on LSL, in a session of its own, and a dashboard that shows it."""
    from rtemo.errors import ConfigurationError
    from rtemo.live.watched import WatchedReplay, replay_network

    if no_display():
        raise ConfigurationError("--dashboard: there is no screen here.", cure="Leave it out.")
    network = replay_network()
    with (
        WatchedReplay(recording, replay, config, clock, network, speed=speed, unsynchronised=unsynchronised) as watched,
        tempfile.TemporaryDirectory(prefix="rtemo-dashboard-") as folder,
        dashboard_beside(network, wanted=True) as process,
    ):
        if process is not None:
            process.open(watched.session, Path(folder) / LOG)
        yield watched


def _make_folder(out: Path, log: Path | None) -> None:
    """Make the folder for what a replay writes; never that of a session or of the log, which would be replaced."""
    from rtemo.errors import ConfigurationError
    from rtemo.outputs.folder import EVENTS, RECORDING

    if log is not None and log.resolve() == (out / EVENTS).resolve():
        raise ConfigurationError(
            f"{out}: holds the log that is to be replayed, which would be replaced.", cure="Choose another folder."
        )
    if (out / RECORDING).is_file():
        raise ConfigurationError(
            f"{out}: is the folder of a session, whose files are not replaced.", cure="Choose another folder."
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{out}: cannot be written ({error.strerror}).", cure="Choose another folder."
        ) from error


def _check_quality(path: Path, replay: Replay) -> None:
    """Refuse a quality table that cannot be written, or would be empty."""
    from rtemo.errors import ConfigurationError

    check_file(path, ".csv")
    if not replay.quality_names:
        raise ConfigurationError(
            "--quality: no view is watched.", cure="Leave it out, or see [views.NAME.quality] in the configuration."
        )


def show(predictions: Iterable[tuple[FeatureWindow, Prediction]], labels: list[str], views: tuple[str, ...]) -> str:
    """Watch predictions pass by, in a live table on a terminal; returns a summary line.

    At the end a table is printed of the first window, and of those at which a view was lost or came back.
    """
    from rich.live import Live

    console = output()
    latest: list[tuple[FeatureWindow, Prediction]] = []
    turning: list[tuple[FeatureWindow, Prediction]] = []
    count, said, missing = 0, Counter[str](), Counter[str]()
    with Live(console=console, refresh_per_second=10, transient=True) as live:
        for window, prediction in predictions:
            count += 1
            said[prediction.label] += 1
            missing.update(view for view, there in zip(views, prediction.available, strict=True) if not there)
            if not latest or (prediction.available != latest[-1][1].available).any():
                turning.append((window, prediction))
            latest.append((window, prediction))
            del latest[:-LIVE_ROWS]
            if console.is_terminal:
                live.update(prediction_table("The latest windows", latest, labels, views))
    title = "The first window, and those at which a view was lost or came back"
    console.print(prediction_table(title, turning[:TURNING_ROWS], labels, views))
    if len(turning) > TURNING_ROWS:
        console.print(f"... and {len(turning) - TURNING_ROWS} more")
    parts = [f"{label} {n}" for label, n in said.most_common()]
    gone = "; ".join(f"{view} missing in {n}" for view, n in missing.items()) or "no view missing"
    return f"{count} windows: {', '.join(parts)}; {gone}"


def prediction_table(
    title: str, rows: list[tuple[FeatureWindow, Prediction]], labels: list[str], views: tuple[str, ...]
) -> Table:
    """Predictions, and of each view its posterior weight and contribution, or why it is missing."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=title,
        title_justify="left",
        caption="of each view: posterior weight / contribution, or why it is missing",
        caption_justify="left",
    )
    for header in ("start (s)", "says"):
        add_column(table, header)
    for header in (*labels, "spread"):
        add_column(table, header, right=True)
    for header in views:
        add_column(table, header)
    for window, p in rows:
        cells: list[str | Text] = [f"{p.start_s:.1f}", p.label]
        best = p.probabilities.argmax()
        for i, probability in enumerate(p.probabilities):
            cells.append(Text(f"{probability:.2f}", style="bold green" if i == best and p.label != "none" else ""))
        cells.append(f"{p.spread:.2f}")
        for i, view in enumerate(views):
            if p.available[i]:
                cells.append(f"{p.posterior_weights[i]:.2f} / {p.contributions[i]:+.2f}")
            else:
                cells.append(Text(window.reason.get(view, "missing"), style="bold red"))
        add_row(table, *cells)
    return table
