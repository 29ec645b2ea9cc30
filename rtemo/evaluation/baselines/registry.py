"""All methods by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from rtemo.errors import ConfigurationError
from rtemo.evaluation.baselines.base import MultiViewClassifier

Kind = Literal["supervised", "semi-supervised"]


@dataclass(frozen=True, slots=True)
class Method:
    """How a method is made and named.

    Parameters
    ----------
    title : str
        As in a table.
    kind : {"supervised", "semi-supervised"}
        Whether it learns from windows without labels.
    module, name : str
        Its class in `rtemo.evaluation.baselines`; imported when it is needed.
    fixed : mapping
        Parameters of every run.
    candidates : sequence of mapping
        Parameters to choose from on the labelled windows, the first the default; a budget takes the first so many.
    """

    title: str
    kind: Kind
    module: str
    name: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    candidates: Sequence[Mapping[str, Any]] = ({},)

    @property
    def allows_missing(self) -> bool:
        """Whether it takes windows with missing views as they are."""
        return self._estimator().allows_missing

    def _estimator(self) -> type[MultiViewClassifier]:
        found: type[MultiViewClassifier] = getattr(
            import_module(f"rtemo.evaluation.baselines.{self.module}"), self.name
        )
        return found

    def make(self, dims: Sequence[int], random_state: int, **parameters: Any) -> MultiViewClassifier:
        """An estimator for views of so many features."""
        made = self._estimator()
        chosen = {**self.fixed, **parameters}
        if "random_state" in made().get_params():
            chosen["random_state"] = random_state
        return made(dims=tuple(dims), **chosen)


C = tuple({"C": c} for c in (0.1, 1.0, 10.0, 0.01))
NEIGHBOURS = tuple({"neighbours": n} for n in (10, 5, 20))
WEIGHTS = tuple({"weight": w} for w in (0.5, 0.1, 1.0))
SHRUNK: tuple[dict[str, Any], ...] = ({}, {"pca_size": 40}, {"pca_size": 80}, {"C": 1.0})
COMPONENTS = ({}, *({"settings": {"pca_size": n}} for n in (40, 80, 10)))

PRINTED = {
    "preset": "paper",
    "learning_rate": 2e-3,
    "refit": False,
    "settings": {"batch_size": 128, "cool_down": 0.3, "gradient_clip": 20.0, "validation_fraction": 0.0},
}
"""The objective and the blind batches of Du et al. 2018. All else is as in the other nets (`baselines.networks`, whose
constants are not imported, for torch would come with them)."""

METHODS: dict[str, Method] = {
    "svm": Method("SVM", "supervised", "linear", "Svm", {}, C),
    "lr": Method("Logistic regression", "supervised", "linear", "Logistic", {}, C),
    "pca-lr": Method("PCA + logistic regression", "semi-supervised", "linear", "Logistic", {"front_end": "pca"}, C),
    "shrunk-lr": Method(
        "Front end of SiMVAE + logistic regression",
        "semi-supervised",
        "linear",
        "Logistic",
        {"front_end": "shrunk", "pca_size": 20},
        SHRUNK,
    ),
    "cca-lr": Method("CCA + logistic regression", "semi-supervised", "linear", "Logistic", {"front_end": "cca"}, C),
    "lda": Method("Shrinkage LDA", "supervised", "linear", "ShrinkageLda"),
    "net": Method("Labels-only net", "supervised", "simvae", "LabelsOnlyNet", {}, COMPONENTS),
    "tsvm": Method("Transductive SVM", "semi-supervised", "transductive_svm", "TransductiveSvm", {}, C),
    "self-training": Method("Self-training", "semi-supervised", "self_training", "SelfTraining", {}, C),
    "label-spreading": Method(
        "Label spreading", "semi-supervised", "label_spreading", "LabelSpreading", {}, NEIGHBOURS
    ),
    "ammss": Method("AMMSS", "semi-supervised", "ammss", "Ammss", {}, NEIGHBOURS),
    "amgl": Method("AMGL", "semi-supervised", "amgl", "Amgl", {}, NEIGHBOURS),
    "mae": Method("MAE", "semi-supervised", "mae", "MultimodalAutoencoder", {}, C),
    "dcca": Method("DCCA", "semi-supervised", "dcca", "Dcca", {}, C),
    "dccae": Method("DCCAE", "semi-supervised", "dcca", "Dccae", {}, C),
    "m2-view1": Method("M2, first view", "semi-supervised", "m2", "M2", {"view": 0}, WEIGHTS),
    "m2-view2": Method("M2, second view", "semi-supervised", "m2", "M2", {"view": 1}, WEIGHTS),
    "m2": Method("M2, views side by side", "semi-supervised", "m2", "M2", {}, WEIGHTS),
    "sdgm": Method("SDGM", "semi-supervised", "sdgm", "Sdgm", {}, WEIGHTS),
    "sdgm+": Method("SDGM+", "semi-supervised", "sdgm_plus", "SdgmPlus", {}, WEIGHTS),
    "smvae-paper": Method("SMVAE, objective as printed", "semi-supervised", "simvae", "Smvae", PRINTED, WEIGHTS),
    "simvae-paper": Method("SiMVAE, objective as printed", "semi-supervised", "simvae", "SiMvae", PRINTED, WEIGHTS),
    "smvae": Method("SMVAE", "semi-supervised", "simvae", "Smvae", {}, COMPONENTS),
    "simvae": Method("SiMVAE", "semi-supervised", "simvae", "SiMvae", {}, COMPONENTS),
}


def method_named(name: str) -> Method:
    """A method by its name.

    Raises
    ------
    ConfigurationError
        There is none of that name.
    """
    if name not in METHODS:
        raise ConfigurationError(f"method {name!r} is unknown.", cure=f"Use one of {', '.join(METHODS)}.")
    return METHODS[name]
