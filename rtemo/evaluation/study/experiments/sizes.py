"""Why SiMVAE does well on one set and less well on another: the size of its front end, and how long it trains."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rtemo.evaluation.baselines.simvae import SiMvae
from rtemo.evaluation.datasets.base import Dataset
from rtemo.evaluation.protocols import split
from rtemo.evaluation.study.experiments.base import FEW, Experiment, StudyOptions, complete, protocol_of, recipe_of
from rtemo.evaluation.study.task import Result, Task
from rtemo.evaluation.study.training import scores_of, train_on
from rtemo.model.settings import SimvaeSettings

DEFAULT: Final = SimvaeSettings().pca_size
COMPONENTS: Final = (DEFAULT, 40, 80)
LONGER: Final = 3


class Sizes(Experiment):
    """What the paper never asked, as it has no front end."""

    name = "sizes"
    title = "Size of the front end, length of training"
    protocols = ("honest",)
    description = (
        f"SiMVAE with {DEFAULT} principal components a view (the default) and with more of them, and the fewest and "
        f"the most of them trained {LONGER} times as long. Few components hold noise back, which features of EEG are "
        "full of; where features say much and noise is rare, they hold back what is said."
    )

    def tasks(self, dataset: Dataset, options: StudyOptions) -> list[Task]:
        """Sizes up to the features that there are; the default one and the largest trained longer too."""
        largest = max(dataset.dims)
        # Two sizes that both keep all features are the same model.
        sizes = [size for place, size in enumerate(COMPONENTS) if place == 0 or COMPONENTS[place - 1] < largest]
        runs = [*((size, 1) for size in sizes), *((size, LONGER) for size in dict.fromkeys((DEFAULT, sizes[-1])))]
        return [
            self.task(
                dataset, method, seed, options, protocol="honest", labels=labels, components=components, longer=longer
            )
            for seed in range(options.seeds)
            for method in options.chosen(("simvae",))
            for labels in (FEW["honest"], "all")
            for components, longer in runs
        ]

    def run(self, task: Task, dataset: Dataset, *, device: str = "cpu") -> Result:
        """Train with the size and the length, and score."""
        whole = complete(dataset)
        parts = split(whole, protocol_of(task), str(task.settings["labels"]), task.seed)
        components, longer = (int(str(task.settings[name])) for name in ("components", "longer"))
        recipe = recipe_of(task, device)
        steps = SiMvae().steps if recipe.steps is None else recipe.steps
        # The size is not for a tuning budget to choose.
        parameters = {"settings": {"pca_size": components}}
        recipe = replace(recipe, steps=steps * longer, parameters=parameters, tuning=1)
        return Result(task, scores_of(train_on(whole, parts, recipe, task.seed), whole, parts))
