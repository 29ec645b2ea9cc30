"""`rtemo run --demo`: a simulated laboratory and a live session together, over real LSL."""

from __future__ import annotations

import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rtemo.cli.common import extract_all, progress_bar, with_adaptation

if TYPE_CHECKING:
    from rtemo.live.agreement import Agreement


def demonstrate(
    out: Path | None,
    participant: str,
    duration: float | None,
    device: str | None,
    adaptation: str | None = None,
    *,
    dashboard: bool = False,
) -> None:
    """Calibrate on a simulated participant, then run a live session in which sensors drop out and come back."""
    from rtemo.outputs.folder import check_session_folder

    check_session_folder(Path(tempfile.gettempdir()) if out is None else out, participant)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        _demonstrate(out, participant, duration, device, adaptation, dashboard)
        return
    typer.echo("Everything goes to a temporary folder and is deleted at the end; it is kept with -o FOLDER.")
    with tempfile.TemporaryDirectory(prefix="rtemo-run-demo-") as folder:
        _demonstrate(Path(folder), participant, duration, device, adaptation, dashboard)


def _demonstrate(
    folder: Path,
    participant: str,
    duration: float | None,
    device: str | None,
    adaptation: str | None,
    dashboard: bool,
) -> None:
    from rtemo.cli.run import run_session
    from rtemo.config import NetworkSettings
    from rtemo.demonstration import (
        CALIBRATION_TRIALS,
        LIVE_DURATION_S,
        LIVE_FAULTS,
        LIVE_REST_S,
        LIVE_TRIAL_S,
        laboratory_configuration,
        record_laboratory,
    )
    from rtemo.devices.supervisor import Simulation, SimulationPlan
    from rtemo.live.agreement import agreement
    from rtemo.model.bundle import load_bundle, save_bundle
    from rtemo.sources.faults import parse_faults
    from rtemo.sources.schedule import LaboratorySettings
    from rtemo.training import train_bundle
    from rtemo.worker import Worker

    began_s = time.monotonic()
    # A session of LSL's own, on this machine only: nothing else in the lab sees or disturbs the demonstration.
    network = NetworkSettings(scope="machine", session_id=f"rtemo-demo-{uuid.uuid4().hex[:8]}")
    config = with_adaptation(laboratory_configuration(network), adaptation)
    settings = LaboratorySettings(trial_s=LIVE_TRIAL_S, rest_s=LIVE_REST_S)
    typer.echo("1. Calibration: a simulated participant with 62-channel EEG, eye tracker and peripheral signals.")
    calibration = folder / f"calibration-{uuid.uuid4().hex[:8]}.xdf"
    record_laboratory(calibration, settings, CALIBRATION_TRIALS * (LIVE_TRIAL_S + LIVE_REST_S))
    labelled = extract_all([calibration], config)
    with progress_bar() as progress:
        task = progress.add_task("2. training", total=None, note="")
        trained = train_bundle(
            config,
            labelled,
            [],
            device=device or "auto",
            on_epoch=lambda report: progress.update(
                task, completed=report.epoch, total=report.epochs, note=f"loss {report.losses['total']:.2f}"
            ),
        )
    bundle = folder / "bundle"
    save_bundle(bundle, trained.bundle)
    typer.echo(f"2. {trained.summary}")
    typer.echo(f"3. Live, over LSL, each device a process of its own. What will go wrong: {LIVE_FAULTS}")
    faults = parse_faults(LIVE_FAULTS)
    plan = SimulationPlan(
        LaboratorySettings(session=1, trial_s=LIVE_TRIAL_S, rest_s=LIVE_REST_S), network, faults=faults
    )
    errors: list[BaseException] = []
    with Simulation(plan, warn=lambda line: typer.echo(f"warning: {line}", err=True)) as simulation:
        devices = Worker("rtemo-simulation", simulation.run, errors.append)
        devices.start()
        try:
            session = run_session(
                config,
                bundle,
                folder,
                participant,
                duration=duration or LIVE_DURATION_S,
                device=device,
                dashboard=dashboard,
            )
        finally:
            simulation.stop()
            devices.join()
    if errors:
        raise errors[0]
    _tell(agreement(session, config, load_bundle(bundle)))
    typer.echo(f"A simulation proves mechanics, not accuracy on people. {time.monotonic() - began_s:.0f} s.")


def _tell(told: Agreement) -> None:
    """Say how the replay compares; ends the program by 1 where it is not the same."""
    typer.echo(f"4. The recording, replayed: {'the same' if told.holds else 'NOT the same'} in {told.windows} windows")
    typer.echo(f"   (largest difference {told.largest:.1g}; {told.late} windows for which samples came late left out).")
    if told.learnt_late:
        typer.echo(f"   The session learnt from a window without its late samples: in {told.learnt_late} windows after")
        typer.echo("   it only the frozen model was compared.")
    if told.holds:
        return
    unlike = {
        "different": told.different,
        "only live": told.only_live,
        "only in the replay": told.only_replay,
        "quality": told.quality,
    }
    for what, windows in unlike.items():
        if windows:
            typer.echo(f"   {what}: window{'s' if len(windows) != 1 else ''} {', '.join(map(str, windows))}")
    raise typer.Exit(1)
