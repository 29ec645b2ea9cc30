"""The command line: one file a command, each a thin layer over library calls.

Nothing heavy is imported until a command runs, so that ``rtemo --help`` answers at once.
"""

from __future__ import annotations

import itertools
import os
import sys
from typing import Annotated

import typer

from rtemo.cli.adapt import adapt
from rtemo.cli.calibrate import calibrate
from rtemo.cli.dashboard import dashboard
from rtemo.cli.demo import demo
from rtemo.cli.doctor import doctor
from rtemo.cli.evaluate import evaluate
from rtemo.cli.features import features
from rtemo.cli.info import info
from rtemo.cli.init import init
from rtemo.cli.label import label
from rtemo.cli.play import play
from rtemo.cli.repair import repair
from rtemo.cli.run import run
from rtemo.cli.simulate import simulate
from rtemo.cli.streams import streams
from rtemo.cli.study import study
from rtemo.cli.train import train
from rtemo.errors import RtemoError
from rtemo.printable import printable

app = typer.Typer(
    name="rtemo",
    help="Real-time emotion recognition from several sensors that keeps working when one of them drops out.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 streams not found, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command, summary in (
    (streams, "What is on the network, with rates, ages, clocks, labels"),
    (init, "A configuration from the streams that are there"),
    (doctor, "What would go wrong, before the participant sits down"),
    (calibrate, "A new participant: trials, recording, labels, model, and whether to trust it"),
    (info, "What is in a recording, and what looks wrong"),
    (label, "See, mend and check the labelled segments of a recording"),
    (repair, "Mend a recording that was cut off or damaged"),
    (features, "Windows, masks and features, exactly as live"),
    (train, "Learn a model from labelled recordings"),
    (run, "A live session: predictions as it happens, and a recording"),
    (dashboard, "Watch a session in a window, from this machine or another one"),
    (play, "Replay a recording to predictions"),
    (simulate, "A simulated participant on LSL, with everything that goes wrong in a laboratory"),
    (evaluate, "How good a model is, every view missing in turn"),
    (adapt, "Adapt a model to recordings between sessions, without labels"),
    (study, "The paper's tables and figures, and what it never did, in one report"),
    (demo, "All of it with a simulated participant"),
):
    app.command(short_help=summary)(command)

INTERRUPTED = 130


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("rtemo"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


# Options that take every value up to the next option: the command-line parser knows only one value an option.
GREEDY_OPTIONS = ("--unlabelled",)


def spread_greedy(arguments: list[str]) -> list[str]:
    """Repeat a greedy option before each of its values: ``--unlabelled a b`` becomes ``--unlabelled a --unlabelled b``.

    Without this, the second value would pass for a labelled recording, and its labels would be read.
    """
    spread: list[str] = []
    greedy = ""
    for before, argument in itertools.pairwise(["", *arguments]):
        if argument.startswith("-"):
            greedy = argument if argument in GREEDY_OPTIONS else ""
        elif greedy and before != greedy:
            spread.append(greedy)
        spread.append(argument)
    return spread


def main() -> None:
    """Run the command line; an error of rtemo's own is one line on stderr and an exit code."""
    # Windows are small: threads of the numeric libraries cost more in waiting for each other than they save, and on a
    # busy machine a hundred times more. Must be set before NumPy and torch are imported; the user's own setting wins.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    try:
        app(spread_greedy(sys.argv[1:]))
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            sys.stderr.write("rtemo: interrupted; what was written so far is whole\n")
        raise
    except RtemoError as error:
        # Messages quote names and labels from the network and from files, which may hold anything.
        sys.stderr.write(f"rtemo: {printable(str(error))}\n")
        sys.exit(error.exit_code)
    except OSError as error:
        # A full disk, a folder without permission: what was written is flushed, and there is nothing to trace.
        sys.stderr.write(f"rtemo: {error}\n")
        sys.exit(1)
