import pytest

from rtemo.errors import ConfigurationError
from rtemo.evaluation.baselines.registry import METHODS, method_named
from rtemo.model.settings import make_settings


@pytest.mark.parametrize("name", list(METHODS))
def test_every_candidate_is_an_estimator_of_its_own(name: str) -> None:
    method = METHODS[name]
    made = [method.make((3, 2), 0, **candidate).get_params() for candidate in method.candidates]
    assert all(one != other for place, one in enumerate(made) for other in made[:place])
    for candidate in method.candidates:
        make_settings("default", candidate.get("settings", {}))


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"lda"}))
def test_a_tuning_budget_has_something_to_try(name: str) -> None:
    assert len(METHODS[name].candidates) >= 3


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="simvae"):
        method_named("simva")
