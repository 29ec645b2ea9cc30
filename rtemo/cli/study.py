"""`rtemo study`: the paper's tables and figures, and what the paper never did."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtemo.cli.common import output
from rtemo.printable import printable

if TYPE_CHECKING:
    from rtemo.evaluation.datasets.base import Dataset
    from rtemo.evaluation.protocols import Protocol
    from rtemo.evaluation.study.backends import Backend
    from rtemo.evaluation.study.experiments import Experiment, StudyOptions
    from rtemo.evaluation.study.runner import Study

INTERRUPTED = 130
ALL = "all"
STUDIES = Path("studies")
REPORT = "report"
IMAGES = "images"
SEEDS, QUICK_SEEDS, QUICK_STEPS = 5, 2, 200
NEEDED = {
    "scikit-learn": "sklearn",
    "joblib": "joblib",
    "pooch": "pooch",
    "cca-zoo": "cca_zoo",
    "lightning": "lightning",
}
MOST_NAMED = 5


def study(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="Experiments, or all; see --list.", show_default=False)
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", help="A data set; repeat for several. All that are here if not given.", show_default=False
        ),
    ] = None,
    folder: Annotated[
        list[str] | None,
        typer.Option("--folder", metavar="NAME=PATH", help="Where a data set lies.", show_default=False),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help=f"Runs of each setting; {SEEDS} if not given.", show_default=False)
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(help="As svm,lr,simvae; all if not given. Imputers are compared all.", show_default=False),
    ] = None,
    protocols: Annotated[
        str | None, typer.Option(help="paper, honest, or paper,honest; both if not given.", show_default=False)
    ] = None,
    tuning: Annotated[
        int, typer.Option(min=1, help="Settings of each method tried on the labelled windows; 1: its default.")
    ] = 1,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps of every net; its own if not given.", show_default=False)
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help=f"A first look: {QUICK_SEEDS} seeds, {QUICK_STEPS} steps, fewer points."),
    ] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; 1 if not given.", show_default=False)] = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Of a Dask scheduler, or its scheduler file (.json).", show_default=False),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, as each worker sees it.")] = "auto",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder; studies/NAME if not given.", show_default=False)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on: run what is missing or failed, keep the rest.")
    ] = False,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Run nothing; write the report of what there is.")
    ] = False,
    markdown: Annotated[
        Path | None,
        typer.Option(
            help="Also write the report here as Markdown, pictures in a folder of images/ beside it.",
            show_default=False,
        ),
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Experiments, methods, imputers, data sets and which are here.")
    ] = False,
) -> None:
    """Run experiments over data sets, methods and seeds, and write one report.

    rtemo study --list

    rtemo study table2 --data digits --quick

    rtemo study table2 figure3 --data noneeg --data digits --jobs 8 -o studies/first

    rtemo study all --data seed --folder seed=/data/SEED --seeds 20 --tuning 4 --dask tcp://10.0.0.1:8786

    rtemo study table2 --data digits --jobs 8 --resume

    rtemo study table2 --report-only --markdown results.md

    Results go to results.jsonl one by one and survive a kill: --resume runs only what is missing or failed.

    Exit codes: 0 done, 1 some tasks failed or the study could not go on, 2 wrong usage, 130 interrupted.
    """
    from rtemo.errors import ConfigurationError

    _check_installed()
    if listing:
        from rtemo.cli.study_list import print_list

        print_list(output(), _folders(folder))
        return
    if not names and (out is None or not report_only):
        raise ConfigurationError("rtemo study needs an experiment, or all.", cure="See rtemo study --list.")
    if dask is not None and jobs is not None:
        raise ConfigurationError("--jobs means nothing with --dask.", cure="The cluster has as many as it has workers.")
    chosen, every = _experiments(names or []), ALL in (names or [])
    place = out or STUDIES / (ALL if every else "+".join(one.name for one in chosen))
    if report_only:
        _write_report(place, markdown)
        return
    from rtemo.evaluation.study.experiments import StudyOptions

    options = StudyOptions(
        seeds=seeds or (QUICK_SEEDS if quick else SEEDS),
        methods=_listed(methods),
        tuning=tuning,
        steps=steps or (QUICK_STEPS if quick else None),
        quick=quick,
        protocols=_protocols(protocols),
    )
    chosen = _in_protocols(chosen, options.protocols, every=every)
    options.chosen()  # An unknown method is refused before anything is loaded.
    loaders = _loaders(data, _folders(folder))
    with _backend(dask, jobs or 1, device) as backend:
        done = _run(chosen, loaders, options, place, backend, resume=resume)
    _write_report(place, markdown)
    _refuse_failures(done)


def _in_protocols(chosen: list[Experiment], protocols: tuple[Protocol, ...], *, every: bool) -> list[Experiment]:
    """The experiments that can run in a protocol that is wished; where they were named, all must.

    Raises
    ------
    ConfigurationError
    """
    from rtemo.errors import ConfigurationError

    able = [one for one in chosen if set(one.protocols) & set(protocols)]
    unable = [one for one in chosen if one not in able]
    if unable and not every:
        raise ConfigurationError(
            f"{', '.join(one.name for one in unable)}: {', '.join(unable[0].protocols)} is the only protocol, "
            f"found --protocols {','.join(protocols)}.",
            cure="Leave --protocols out, or name other experiments.",
        )
    return able


def _run(
    chosen: Sequence[Experiment],
    loaders: Sequence[Callable[[], Dataset]],
    options: StudyOptions,
    place: Path,
    backend: Backend,
    *,
    resume: bool,
) -> Study:
    """Run it with its progress shown; ends the program by 130 where interrupted."""
    from rtemo.cli.stopping import interruptible
    from rtemo.evaluation.study.progress import shown
    from rtemo.evaluation.study.runner import run_study
    from rtemo.evaluation.study.table import RESULTS

    try:
        with interruptible(), shown() as show:
            return run_study(chosen, loaders, options, place / RESULTS, backend, resume=resume, on_progress=show)
    except KeyboardInterrupt as stop:
        sys.stderr.write(f"the results so far are in {printable(str(place))}; go on with the same line and --resume\n")
        raise typer.Exit(INTERRUPTED) from stop


def _write_report(place: Path, markdown: Path | None) -> None:
    from rtemo.evaluation.study.report import write_markdown, write_report
    from rtemo.evaluation.study.table import RESULTS, read_results

    results = read_results(place / RESULTS)
    report = write_report(results, place / REPORT, title=place.name)
    if markdown is not None:
        write_markdown(results, markdown, markdown.parent / IMAGES / markdown.stem)
    typer.echo(f"{len(results)} results -> {printable(str(report))}")


def _refuse_failures(study: Study) -> None:
    """Say which tasks failed.

    Raises
    ------
    RtemoError
    """
    from rtemo.errors import RtemoError
    from rtemo.evaluation.study.progress import name_of

    if not study.failed:
        return
    for result in study.failed[:MOST_NAMED]:
        sys.stderr.write(f"failed: {name_of(result.task)}: {result.error}\n")
    more = len(study.failed) - MOST_NAMED
    if more > 0:
        sys.stderr.write(f"and {more} more\n")
    raise RtemoError(
        f"{len(study.failed)} of {study.ran + study.kept} tasks failed; where, is told in {study.log}.",
        cure="--resume tries them again.",
    )


@contextlib.contextmanager
def _backend(dask: str | None, jobs: int, device: str) -> Iterator[Backend]:
    if dask is None:
        from rtemo.evaluation.study.backends import LocalBackend
        from rtemo.model.trained import resolve_device

        resolve_device(device)
        yield LocalBackend(jobs, device)
        return
    from rtemo.evaluation.study.dask_backend import DaskBackend

    with DaskBackend(dask, device) as backend:
        yield backend


def _check_installed() -> None:
    """Refuse to begin without the packages of the extra.

    Raises
    ------
    ConfigurationError
    """
    from importlib.util import find_spec

    from rtemo.errors import ConfigurationError

    missing = [package for package, module in NEEDED.items() if find_spec(module) is None]
    if missing:
        raise ConfigurationError(
            f"rtemo study needs {', '.join(missing)}.", cure="Install rtemo with its extra: pip install 'rtemo[study]'."
        )


def _experiments(names: Sequence[str]) -> list[Experiment]:
    """Experiments by name, each once."""
    from rtemo.errors import ConfigurationError
    from rtemo.evaluation.study.experiments import EXPERIMENTS

    wished = list(EXPERIMENTS) if ALL in names else list(dict.fromkeys(names))
    for name in wished:
        if name not in EXPERIMENTS:
            raise ConfigurationError(
                f"experiment {name!r} is unknown.", cure=f"Use {ALL}, or some of {', '.join(EXPERIMENTS)}."
            )
    return [EXPERIMENTS[name] for name in wished]


def _listed(text: str | None) -> tuple[str, ...] | None:
    """The words of a list with commas."""
    return None if text is None else tuple(filter(None, (word.strip() for word in text.split(","))))


def _protocols(text: str | None) -> tuple[Protocol, ...]:
    from rtemo.errors import ConfigurationError
    from rtemo.evaluation.protocols import PROTOCOLS

    wished = PROTOCOLS if text is None else _listed(text)
    known = tuple(protocol for protocol in PROTOCOLS if protocol in (wished or ()))
    if not known or len(known) != len(set(wished or ())):
        raise ConfigurationError(f"--protocols: found {text!r}.", cure=f"Use {' or '.join(PROTOCOLS)}, or both.")
    return known


def _folders(pairs: Sequence[str] | None) -> dict[str, Path]:
    """Folders of data sets, from NAME=PATH."""
    from rtemo.errors import ConfigurationError
    from rtemo.evaluation.datasets.catalogue import CATALOGUE

    folders = {}
    for pair in pairs or []:
        name, given, path = pair.partition("=")
        if not given or name not in CATALOGUE:
            raise ConfigurationError(
                f"--folder {pair!r}: expected NAME=PATH.",
                cure=f"E.g. seed=/data/SEED; the names are {', '.join(CATALOGUE)}.",
            )
        folders[name] = Path(path).expanduser().resolve()
    return folders


def _loaders(names: Sequence[str] | None, folders: Mapping[str, Path]) -> list[Callable[[], Dataset]]:
    """What loads each data set, in this process or in another one."""
    from functools import partial

    from rtemo.cli.study_list import is_here
    from rtemo.errors import ConfigurationError
    from rtemo.evaluation.datasets.catalogue import CATALOGUE, load_dataset

    wished = list(dict.fromkeys(names)) if names else [name for name in CATALOGUE if is_here(name, folders)]
    idle = [name for name in folders if name not in wished]
    if idle:
        raise ConfigurationError(f"--folder {idle[0]}: is not among --data.", cure=f"Add --data {idle[0]}.")
    for name in wished:
        if name not in CATALOGUE:
            raise ConfigurationError(f"data set {name!r} is unknown.", cure=f"Use some of {', '.join(CATALOGUE)}.")
    return [partial(load_dataset, name, folders.get(name)) for name in wished]
