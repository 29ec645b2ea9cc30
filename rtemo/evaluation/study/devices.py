"""Which device a worker computes on: one GPU a worker, where there are several."""

from __future__ import annotations

import functools
import io
import itertools
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from rtemo.errors import ConfigurationError
from rtemo.locked_lines import lock

WHICHEVER: Final = ("auto", "cuda")
_held: list[io.FileIO] = []
"""Locks of the GPUs that this process has taken: they go with the process."""


@functools.cache
def device_of_worker(wanted: str) -> str:
    """The device of this process, the same each time.

    Parameters
    ----------
    wanted : str
        ``auto`` (a GPU where there is one) and ``cuda`` take the GPU that the fewest workers of this user have taken;
        ``cpu`` and ``cuda:1`` are taken as they are.

    Raises
    ------
    ConfigurationError
        The device is unknown or not there.
    """
    import torch

    from rtemo.model.trained import resolve_device

    device = resolve_device(wanted)
    if device.type != "cuda" or wanted not in WHICHEVER:
        return str(device)
    # CUDA_VISIBLE_DEVICES numbers the GPUs anew: numbers mean the same only where it does.
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all").replace(",", "+")
    count = torch.cuda.device_count()
    return f"cuda:{0 if count == 1 else take_number(count, f'cuda-{visible}')}"


def take_number(count: int, name: str, folder: Path | None = None) -> int:
    """A number below `count` that the fewest processes of this machine hold, until this one ends.

    Parameters
    ----------
    count : int
    name : str
        What is numbered.
    folder : Path, optional
        Where the locks lie: on this machine only.

    Raises
    ------
    ConfigurationError
        The folder belongs to somebody else, who could have put links to files of this user there.
    """
    folder = folder or Path(tempfile.gettempdir()) / f"rtemo-devices-{'' if sys.platform == 'win32' else os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sys.platform != "win32" and folder.stat(follow_symlinks=False).st_uid != os.getuid():
        raise ConfigurationError(
            f"{folder}: belongs to somebody else; it must hold only your own locks of GPUs.",
            cure="Have it removed, or set TMPDIR to a folder of yours.",
        )
    clean = "".join(c if c.isalnum() or c in "-+" else "_" for c in name)[:100]
    for turn in itertools.count():
        for number in range(count):
            path = folder / f"{clean}-{number}-{turn}.lock"
            file = path.open("ab", buffering=0)
            if lock(file, path):
                _held.append(file)
                return number
            file.close()
    raise AssertionError("count never ends")
