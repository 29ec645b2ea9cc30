"""What commands that look at the network share: its options, and what to say where nothing is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rtemo.config import NetworkSettings
    from rtemo.errors import StreamError

Wait = Annotated[
    float, typer.Option("--wait", min=0.05, max=60.0, metavar="S", help="Seconds to wait for streams to answer.")
]
Scope = Annotated[
    str | None, typer.Option("--scope", help="How far LSL looks: machine, link, site, organization, global.")
]
SessionId = Annotated[str | None, typer.Option("--session-id", help="LSL's session; streams of others are not seen.")]


def network_settings(scope: str | None, session_id: str | None, base: NetworkSettings | None = None) -> NetworkSettings:
    """Network settings from the command line, over those of a configuration.

    Raises
    ------
    ConfigurationError
    """
    from pydantic import ValidationError

    from rtemo.config import NetworkSettings
    from rtemo.errors import ConfigurationError

    given = {"scope": scope, "session_id": session_id}
    document = (base or NetworkSettings()).model_dump() | {key: value for key, value in given.items() if value}
    try:
        return NetworkSettings.model_validate(document)
    except ValidationError as error:
        problem = error.errors()[0]
        option = "--" + str(problem["loc"][0]).replace("_", "-")
        raise ConfigurationError(f"{option}: {problem['msg']} (found {problem['input']!r}).") from error


def set_network(scope: str | None, session_id: str | None, base: NetworkSettings | None = None) -> NetworkSettings:
    """Put network settings in force, before anything else uses LSL."""
    from rtemo.liblsl import configure

    settings = network_settings(scope, session_id, base)
    configure(settings)
    return settings


def nothing_found(wait_s: float) -> StreamError:
    """What to say where no stream at all answered."""
    from rtemo.errors import StreamError
    from rtemo.liblsl import PORTS

    return StreamError(
        f"no stream answered within {wait_s:g} s.",
        cure="Is the device's own program running, with LSL streaming switched on? On another machine: is it in the "
        f"same network, and do both firewalls let LSL through ({PORTS})? "
        "`rtemo doctor` looks further.",
    )
