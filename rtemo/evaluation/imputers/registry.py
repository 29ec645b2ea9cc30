"""All imputers by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from rtemo.errors import ConfigurationError
from rtemo.evaluation.imputers.base import ViewImputer


@dataclass(frozen=True, slots=True)
class ImputerInfo:
    """How an imputer is made and named: its title, and its class in `rtemo.evaluation.imputers`."""

    title: str
    module: str
    name: str

    def make(
        self, dims: Sequence[int], random_state: int, *, steps: int | None = None, device: str = "cpu"
    ) -> ViewImputer:
        """An imputer for views of so many features; steps and device for those that train a net."""
        made = getattr(import_module(f"rtemo.evaluation.imputers.{self.module}"), self.name)
        wished = {"random_state": random_state, "steps": steps, "device": device}
        known = made().get_params()
        chosen = {name: value for name, value in wished.items() if name in known and value is not None}
        imputer: ViewImputer = made(dims=tuple(dims), **chosen)
        return imputer


IMPUTERS: dict[str, ImputerInfo] = {
    "mean": ImputerInfo("Mean", "simple", "MeanImputer"),
    "knn": ImputerInfo("kNN", "simple", "NearestImputer"),
    "iterative": ImputerInfo("Iterative ridge", "simple", "IterativeRidgeImputer"),
    "soft-impute": ImputerInfo("SoftImpute-ALS", "soft_impute", "SoftImputeAls"),
    "dccae": ImputerInfo("DCCAE", "dccae", "DccaeImputer"),
    "corrnet": ImputerInfo("CorrNet", "corrnet", "CorrNetImputer"),
    "conet": ImputerInfo("CoNet", "conet", "CoNetImputer"),
    "simvae": ImputerInfo("SiMVAE", "simvae", "SimvaeImputer"),
}


def imputer_named(name: str) -> ImputerInfo:
    """An imputer by its name.

    Raises
    ------
    ConfigurationError
        There is none of that name.
    """
    if name not in IMPUTERS:
        raise ConfigurationError(f"imputer {name!r} is unknown.", cure=f"Use one of {', '.join(IMPUTERS)}.")
    return IMPUTERS[name]
