"""`rtemo init`: a configuration from the streams that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtemo.cli.common import warn
from rtemo.cli.network import Scope, SessionId, Wait, nothing_found, set_network

LISTEN_S = 0.5


def init(
    out: Annotated[Path, typer.Option("-o", "--out", help="The configuration to write.")] = Path("lab.toml"),
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    labels: Annotated[
        str, typer.Option("--labels", help="What is to be told apart, with commas between.")
    ] = "negative,neutral,positive",
    wait_s: Wait = 1.0,
    scope: Scope = None,
    session_id: SessionId = None,
) -> None:
    """Write a commented configuration from the LSL streams that are there: one view a stream, to be edited.

    rtemo init -o lab.toml

    rtemo init --labels calm,excited -o lab.toml

    rtemo doctor lab.toml
    """
    from rtemo.errors import ConfigurationError
    from rtemo.printable import printable
    from rtemo.proposal import propose
    from rtemo.sources.lsl.survey import find_streams, survey

    if out.exists() and not force:
        raise ConfigurationError(f"{out}: exists and is left as it is.", cure="Give another name, or --force.")
    if not out.parent.is_dir():
        raise ConfigurationError(f"{out}: there is no folder {out.parent}.", cure="Make it first.")
    network = set_network(scope, session_id)
    surveys = survey(find_streams(wait_s), LISTEN_S)
    if not surveys:
        raise nothing_found(wait_s)
    described = [found for found in surveys if found.description is not None]
    warn(
        f"{printable(found.stream.name, 60)}: left out: {printable('; '.join(found.findings), 300)}"
        for found in surveys
        if found.description is None
    )
    proposal = propose(
        [found.description for found in described if found.description is not None],
        labels=[label.strip() for label in labels.split(",")],
        network=network,
        texts={found.description.key: found.texts for found in described if found.description is not None},
    )
    fresh = out.with_name(f".{out.name}.new")
    fresh.write_text(proposal.text, encoding="utf-8")
    fresh.replace(out)
    warn(f"left out: {line}" for line in proposal.left_out)
    typer.echo(f"views {', '.join(proposal.views)} -> {out}")
    typer.echo(f"Next: look through it, then `rtemo doctor {out}`")
