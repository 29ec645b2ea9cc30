"""`rtemo simulate`: a simulated participant on real LSL outlets, with everything that goes wrong in a laboratory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtemo.cli.common import Seed, warn
from rtemo.cli.network import Scope, SessionId, network_settings
from rtemo.cli.stopping import interruptible
from rtemo.printable import printable

if TYPE_CHECKING:
    from rtemo.config import Configuration

FaultOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fault", help='What goes wrong, e.g. "eye:drop@30+5,eeg:jitter=5ms"; may be given again.', show_default=False
    ),
]


def simulate(
    config: Annotated[
        Path | None, typer.Argument(help="Take labels, markers, stream names and network from it.", show_default=False)
    ] = None,
    fault: FaultOption = None,
    seed: Seed = 0,
    participant: Annotated[int, typer.Option(min=0, help="Who: what each emotion does to the signals.")] = 0,
    session: Annotated[int, typer.Option(min=0, help="Which day: levels, drift, order of the clips.")] = 0,
    duration: Annotated[
        float | None, typer.Option(min=0.1, max=1e7, help="Seconds; until it is stopped if not given.")
    ] = None,
    devices: Annotated[
        str | None,
        typer.Option(help="Which devices, separated by commas: eeg, eye, pps, markers; all.", show_default=False),
    ] = None,
    trial: Annotated[float, typer.Option(min=1.0, max=3600.0, help="Seconds of a clip.")] = 15.0,
    rest: Annotated[float, typer.Option(min=0.0, max=3600.0, help="Seconds of the rest before each clip.")] = 3.0,
    effect: Annotated[float, typer.Option(min=0.0, max=10.0, help="How far the emotions lie apart.")] = 0.8,
    numbered: Annotated[
        bool, typer.Option("--numbered", help="The first channel of each device is the sample's number, exact to 2^24.")
    ] = False,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="React to what `rtemo calibrate` shows instead of to clips of its own."),
    ] = False,
    own_clocks: Annotated[
        bool, typer.Option("--own-clocks/--one-clock", help="Whether each device has a clock of its own.")
    ] = True,
    scope: Scope = None,
    session_id: SessionId = None,
) -> None:
    """A simulated participant: 62-channel EEG, eye tracker, peripheral signals and markers, each a process of its own.

    rtemo simulate --duration 60

    rtemo simulate lab.toml --fault "eye:drop@30+5,eeg:freeze@60+3,eeg:flat=Fp1@20+10"

    rtemo simulate lab.toml --follow

    Faults are DEVICE:KIND[=VALUE][@START[+LENGTH]], in seconds: drop, kill, freeze, gap, burst, jitter=5ms,
    offset@120=-4000, stamps@60=0.5, rate@150=500, drift=2000ppm, newid, flat=Fp1, noise=Fp1, nan=Fp1, absent@0+9, twin.
    """
    from rtemo.config import load_configuration
    from rtemo.devices.choice import chosen_devices, identities, marker_texts
    from rtemo.devices.supervisor import Simulation, SimulationPlan
    from rtemo.sources.faults import FOREVER, parse_faults
    from rtemo.sources.schedule import LaboratorySettings

    chosen = chosen_devices(devices, follow=follow)
    faults = parse_faults(",".join(fault or ()), chosen)
    loaded: Configuration | None = None if config is None else load_configuration(config)
    shown = {} if loaded is None else {"labels": tuple(loaded.labels), "texts": marker_texts(loaded)}
    plan = SimulationPlan(
        LaboratorySettings(
            participant=participant,
            session=session,
            seed=seed,
            trial_s=trial,
            rest_s=rest,
            effect=effect,
            numbered=numbered,
            **shown,  # type: ignore[arg-type]
        ),
        network_settings(scope, session_id, None if loaded is None else loaded.network),
        chosen,
        faults,
        {} if loaded is None else identities(loaded),
        FOREVER if duration is None else duration,
        own_clocks,
        follow,
    )
    with interruptible(), Simulation(plan, say=say, warn=lambda line: warn([line])) as simulation:
        simulation.start()
        for device in chosen:
            typer.echo(printable(simulation.describe(device)))
        sys.stdout.flush()
        simulation.run()


def say(at_s: float, text: str) -> None:
    """Say what happens, and when; at once, also where the output is a pipe."""
    typer.echo(f"{at_s:9.3f} s  {printable(text)}")
    sys.stdout.flush()
