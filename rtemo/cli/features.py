"""`rtemo features`: windows, masks and features exactly as live."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rtemo.cli.common import ConfigOption, Recordings, Unsynchronised, check_file


def features(
    recordings: Recordings,
    config: ConfigOption,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where to write (.npz).", show_default=False)],
    model: Annotated[
        Path | None,
        typer.Option("-m", "--model", help="A bundle: channels are judged by its calibration.", show_default=False),
    ] = None,
    unsynchronised: Unsynchronised = False,
) -> None:
    """Write windows, masks and features of recordings, exactly as they would be live with the bundle, if one is given.

    Arrays: start, stop, label; for each view <view>, available_<view>, coverage_<view>, names_<view>;
    where it is watched, quality_<view>, quality_names_<view>.

    rtemo features session.xdf -c configs/eeg_gaze.toml -o features.npz

    rtemo features session.xdf -c lab.toml -m bundles/lab -o features.npz
    """
    import numpy as np

    from rtemo.cli.common import extract_all
    from rtemo.config import load_configuration
    from rtemo.extraction import join

    settings = load_configuration(config)
    check_file(out, ".npz")
    references = None
    if model is not None:
        from rtemo.model.bundle import load_bundle
        from rtemo.training import check_configuration

        bundle = load_bundle(model)
        check_configuration(bundle, settings)
        references = bundle.references
    extractions = extract_all(recordings, settings, unsynchronised=unsynchronised, references=references)
    table = join([extraction.table for extraction in extractions])
    arrays: dict[str, Any] = {"start": table.start_s, "stop": table.stop_s, "label": table.label}
    for view in table.features:
        arrays[view] = table.features[view]
        arrays[f"available_{view}"] = table.available[view]
        arrays[f"coverage_{view}"] = table.coverage[view]
        arrays[f"names_{view}"] = np.array(table.names[view], dtype=np.str_)
    for view, names in table.quality_names.items():
        arrays[f"quality_{view}"] = table.quality[view]
        arrays[f"quality_names_{view}"] = np.array(names, dtype=np.str_)
    beside = out.with_name(f".{out.name}.part")
    try:
        with beside.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
    there = ", ".join(f"{view} in {int(mask.sum())}" for view, mask in table.available.items())
    typer.echo(f"{len(table)} windows of {settings.window.length_s:g} s ({there}) -> {out}")
