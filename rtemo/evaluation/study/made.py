"""What a result was made with."""

from __future__ import annotations

import functools
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

PACKAGES: Final = ("rtemo", "numpy", "scipy", "torch", "scikit-learn", "cca-zoo", "joblib", "distributed")


@functools.cache
def made_with(device: str, threads: int) -> Mapping[str, str]:
    """Versions of Python and packages, system, processor, device and threads; no name of the machine or of its user.

    Parameters
    ----------
    device : str
        As torch calls it.
    threads : int
        Of the numeric libraries.
    """
    made = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            made[package] = version(package)
        except PackageNotFoundError:
            continue  # What is not installed made nothing.
    made["system"] = f"{platform.system()} {platform.release()} {platform.machine()}"
    made["processor"] = _processor()
    made["device"] = _device(device)
    made["threads"] = str(threads)
    return made


def _processor() -> str:
    """The processor's model, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _device(device: str) -> str:
    if not device.startswith("cuda"):
        return device
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})"
