"""`rtemo dashboard`: a window on a running session, of this machine or another one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from rtemo.cli.dashboard_process import no_display
from rtemo.cli.network import Scope, SessionId, network_settings

NICENESS = 10
"""A session on the same machine comes first."""


def dashboard(
    session: Annotated[
        str | None,
        typer.Option(
            help="Which session, e.g. sub-07-ses-20260102T030405Z; the newest if not given.", show_default=False
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="The session's configuration, for its [network].", show_default=False),
    ] = None,
    scope: Scope = None,
    session_id: SessionId = None,
    theme: Annotated[str, typer.Option(help="dark, light, or auto: as the desktop is.")] = "auto",
    font_scale: Annotated[float, typer.Option(min=0.75, max=2.0, help="Of all writing.")] = 1.0,
    full_screen: Annotated[bool, typer.Option("--full-screen", help="F11 leaves it.")] = False,
) -> None:
    """Watch a session: emotion, sensors, signals, adaptation; annotate it; be warned. Comes and goes without a trace.

    rtemo dashboard

    rtemo dashboard -c lab.toml --theme light --font-scale 1.25

    rtemo dashboard --session sub-07-ses-20260102T030405Z --full-screen
    """
    from rtemo.config import load_configuration
    from rtemo.errors import ConfigurationError

    if theme not in ("auto", "dark", "light"):
        raise ConfigurationError(f"--theme: expected auto, dark or light, found {theme!r}.")
    if no_display():
        raise ConfigurationError(
            "there is no screen here to show a window on.",
            cure="Start it in a desktop session, or on another machine of the lab: it finds the session over LSL.",
        )
    base = None if config is None else load_configuration(config).network
    network = network_settings(scope, session_id, base)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    from rtemo.dashboard.app import run

    code = run(
        network,
        session=session,
        theme="dark" if theme == "dark" else "light" if theme == "light" else None,
        scale=font_scale,
        full_screen=full_screen,
    )
    raise typer.Exit(code)
