"""`rtemo adapt`: adapt a bundle to recordings between sessions, without labels."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtemo.cli.common import (
    Device,
    Recordings,
    Seed,
    Unsynchronised,
    add_column,
    add_row,
    check_file,
    extract_all,
    output,
    progress_bar,
    refuse_duplicates,
    warn,
)

if TYPE_CHECKING:
    from rtemo.adapting import Adapted, Deeds, Gain
    from rtemo.config import AdaptationSettings
    from rtemo.model.bundle import Bundle

MODES = ("recentre", "guarded")


def adapt(
    bundle: Annotated[Path, typer.Argument(help="The bundle to start from; it is only read.", show_default=False)],
    recordings: Recordings,
    out: Annotated[Path, typer.Option("-o", "--out", help="The new bundle (a folder).", show_default=False)],
    mode: Annotated[
        str | None, typer.Option("--mode", help="recentre or guarded; the configuration's if not given.")
    ] = None,
    seed: Seed = 0,
    device: Device = None,
    events: Annotated[
        Path | None,
        typer.Option("--events", help="A .jsonl for every decision and its reason.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for scripts.")] = False,
    unsynchronised: Unsynchronised = False,
) -> None:
    """Adapt a bundle to recordings between sessions: in the order given, without labels, guarded as live.

    Labels that the recordings hold are only used to score. Where nothing was learnt, or the guard gave up, no bundle is
    written, and the exit code is 1.

    rtemo adapt bundles/lab monday.xdf tuesday.xdf -o bundles/wednesday
    """
    from rtemo.adapting import LEFT_OUT, adapt_bundle, check_adaptable
    from rtemo.errors import ModelError
    from rtemo.model.bundle import MANIFEST, check_target, load_bundle, save_bundle
    from rtemo.model.trained import resolve_device
    from rtemo.outputs.events import EventLog
    from rtemo.training import sha256_of

    # What can be wrong is refused before anything is read.
    refuse_duplicates(recordings)
    _check_outputs(bundle, out, events)
    check_target(out)
    loaded = load_bundle(bundle)
    settings = _settings(loaded, mode)
    check_adaptable(loaded, settings, str(bundle))
    device = device or loaded.configuration.model.device
    resolve_device(device)
    origin = sha256_of(bundle / MANIFEST)
    known = {recording.sha256 for recording in loaded.recordings}
    warn(f"{path}: the model has learnt from this recording before" for path in recordings if sha256_of(path) in known)
    extractions = extract_all(
        recordings, loaded.configuration, unsynchronised=unsynchronised, references=loaded.references
    )
    with contextlib.ExitStack() as closing:
        log = closing.enter_context(EventLog(events))
        progress = closing.enter_context(progress_bar())
        task = progress.add_task("adapting", total=sum(len(one.table) for one in extractions), note="windows")
        adapted = adapt_bundle(
            loaded,
            extractions,
            settings,
            origin=origin,
            seed=seed,
            device=device,
            emit=log.emit,
            on_window=lambda: progress.advance(task),
        )
    if adapted.bundle is not None:
        save_bundle(out, adapted.bundle)
    if as_json:
        written = None if adapted.bundle is None else str(out)
        typer.echo(json.dumps({"bundle": written, "reason": adapted.reason, **adapted.to_dict()}))
    else:
        _print(adapted, learnt=loaded.metrics.get("refitted") is True)
    if adapted.bundle is None:
        raise ModelError(f"{adapted.reason}: no bundle is written.", cure=f"Go on with {bundle}.")
    if adapted.left_out > LEFT_OUT:
        warn([f"up to {adapted.left_out:.2g} of the recentring fits no feature of the front end, and was left out"])
    if not as_json:
        typer.echo(f"{_summary(adapted.deeds)} -> {out}")


def _check_outputs(bundle: Path, out: Path, events: Path | None) -> None:
    """Refuse to write over the old bundle or over older events.

    Raises
    ------
    ConfigurationError
    """
    from rtemo.errors import ConfigurationError

    if out.resolve() == bundle.resolve():
        raise ConfigurationError(f"{out}: is the bundle to start from.", cure="Give the new one a name of its own.")
    if events is not None:
        check_file(events, ".jsonl")
        if events.exists():
            raise ConfigurationError(f"{events}: exists, and no log is replaced.", cure="Move it, or name another.")


def _settings(bundle: Bundle, mode: str | None) -> AdaptationSettings:
    """The configuration's settings, with another mode where one is given.

    Raises
    ------
    ConfigurationError
        There is no such mode.
    """
    from rtemo.errors import ConfigurationError

    settings = bundle.configuration.adaptation
    if mode is None:
        return settings
    if mode not in MODES:
        raise ConfigurationError(f"--mode {mode!r} is unknown.", cure=f"Use one of {', '.join(MODES)}.")
    return settings.model_copy(update={"mode": mode})


def _print(adapted: Adapted, *, learnt: bool) -> None:
    """What was gained, and what the adapter did."""
    console = output()
    if adapted.probe:
        _gains(f"{adapted.probe_trials} trials of the bundle's probe, old and new weights", adapted.probe)
        told = "The training has learnt from them" if learnt else "The training held them out"
        console.print(f"{told}; nothing was learnt from them here, but the guard looks at them after each step.")
    else:
        console.print("The bundle has no probe: nothing is known of what was gained on held-out trials.")
    if adapted.labelled is not None:
        rows = {"all recordings": adapted.labelled} if len(adapted.recordings) > 1 else {}
        _gains(f"{adapted.trials} labelled trials of the recordings, as they came", rows | dict(adapted.recordings))
        console.print("Each window was predicted before anything was learnt from it; labels were only used to score.")
    else:
        console.print("The recordings hold no labels: nothing is known of the accuracy on them.")
    for line in _told(adapted.deeds):
        console.print(line, markup=False)


def _gains(title: str, rows: Mapping[str, Gain]) -> None:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for header in ("", "balanced: frozen", "adapted", "gain", "ECE: frozen", "adapted", "windows"):
        add_column(table, header, right=bool(header))
    for name, gain in rows.items():
        before, after = gain.frozen, gain.adapted
        if not before.windows:
            add_row(table, name, *["-"] * 5, "0")
            continue
        accuracy = (before.balanced_accuracy, after.balanced_accuracy)
        cells = [f"{x:.3f}" for x in accuracy] + [f"{accuracy[1] - accuracy[0]:+.3f}"]
        add_row(table, name, *cells, f"{before.ece:.3f}", f"{after.ece:.3f}", str(before.windows))
    output().print(table)


def _told(deeds: Deeds) -> list[str]:
    """What the adapter did, for people."""
    refused = ", ".join(f"{reason} {count}" for reason, count in deeds.refused.items()) or "none"
    taken_back = ", ".join(f"{reason} {count}" for reason, count in deeds.rolled_back.items()) or "none"
    moved = "; ".join(
        f"{view} shifted by {of['shift']:.2f}, scaled by {of['scale']:.2f}" for view, of in deeds.recentring.items()
    )
    ended = "; the guard froze the model" if deeds.frozen else ""
    return [
        f"Learnt from {deeds.accepted} of {deeds.windows} windows; refused: {refused}.",
        f"Updates let pass: {deeds.updates}; taken back: {taken_back}; soft resets: {deeds.resets}{ended}.",
        f"Recentring: {moved}.",
    ]


def _summary(deeds: Deeds) -> str:
    return f"adapted by {deeds.updates} updates on {deeds.accepted} of {deeds.windows} windows"
