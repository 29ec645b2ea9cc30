"""The order of trials: drawn from a seed, under the protocol's constraints."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

import numpy as np

from calibration.protocol import Block, Protocol, Stimulus, Trial
from rtemo.errors import ConfigurationError

Shown: TypeAlias = tuple[Block, Trial]


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """A trial that is to be done.

    Attributes
    ----------
    number : int
        From 1, in the order in which they are shown.
    block : str
    practice : bool
    label : str or None
        The intended one.
    stimulus : Stimulus
    fixation_s : float
    stimulus_s : float or None
        None: until the video or the sound ends by itself.
    rest_s : float
    """

    number: int
    block: str
    practice: bool
    label: str | None
    stimulus: Stimulus
    fixation_s: float
    stimulus_s: float | None
    rest_s: float


def planned(protocol: Protocol, seed: int) -> tuple[PlannedTrial, ...]:
    """The trials of a session, in their order; the same for the same seed.

    Where no label may follow itself, each next label is drawn in proportion to how many trials of it are left, from
    those after which the rest can still be ordered. So an order is found wherever there is one, and every order can
    come. Trials without a label stand beside any other. Between practice and the rest anything may follow anything.

    Parameters
    ----------
    protocol : Protocol
    seed : int

    Raises
    ------
    ConfigurationError
        ``no_repeat`` cannot be kept.
    """
    rng = np.random.default_rng(seed)
    shown: list[Shown] = []
    for practice, group in itertools.groupby(_pools(protocol), key=lambda pool: pool[0][0].practice):
        chain = list(group)
        if protocol.order.shuffle == "none":
            ordered = [one for pool in chain for one in pool]
            if protocol.order.no_repeat:
                _check_given(ordered)
        elif protocol.order.no_repeat:
            ordered = _without_repeats(chain, rng, "practice" if practice else "trials")
        else:
            ordered = [pool[i] for pool in chain for i in rng.permutation(len(pool))]
        shown += ordered
    return tuple(_planned(protocol, number, block, trial) for number, (block, trial) in enumerate(shown, start=1))


def planned_passes(protocol: Protocol, seed: int, passes: int) -> tuple[PlannedTrial, ...]:
    """The trials of a session that was extended: all of them once more for each further pass, without practice.

    The first pass is as `planned` draws it; pass ``n`` is drawn from ``seed + n``. Numbers go on counting.

    Parameters
    ----------
    protocol : Protocol
    seed : int
    passes : int
        At least 1.

    Raises
    ------
    ConfigurationError
        ``no_repeat`` cannot be kept.
    """
    plan = list(planned(protocol, seed))
    for number in range(2, passes + 1):
        again = (trial for trial in planned(protocol, seed + number) if not trial.practice)
        plan += [replace(trial, number=place) for place, trial in enumerate(again, start=len(plan) + 1)]
    return tuple(plan)


def least_s(protocol: Protocol, plan: Sequence[PlannedTrial]) -> float:
    """Seconds that a session lasts at least: without reports, instructions, and videos of unknown length."""
    return protocol.baseline_s + sum(trial.fixation_s + (trial.stimulus_s or 0.0) + trial.rest_s for trial in plan)


def plan_sha256(plan: Sequence[PlannedTrial]) -> str:
    """A hash of the whole plan: another library's version may draw another order from the same seed."""
    rows = [{**asdict(trial), "stimulus": trial.stimulus.model_dump()} for trial in plan]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode("ascii")).hexdigest()


def _pools(protocol: Protocol) -> list[list[Shown]]:
    """Trials that may change places with each other, repeated ones as often as they are shown."""
    pools = [[(block, trial) for trial in block.trials for _ in range(trial.repeat)] for block in protocol.blocks]
    if protocol.order.shuffle != "all":
        return pools
    practice = [pool for pool in pools if pool[0][0].practice]
    return [*practice, [one for pool in pools if not pool[0][0].practice for one in pool]]


def _planned(protocol: Protocol, number: int, block: Block, trial: Trial) -> PlannedTrial:
    lasting = protocol.stimulus_s(block, trial)
    return PlannedTrial(
        number=number,
        block=block.name,
        practice=block.practice,
        label=trial.label,
        stimulus=trial.stimulus,
        fixation_s=protocol.fixation_s(block, trial),
        stimulus_s=None if lasting == "own" else lasting,
        rest_s=protocol.rest_s(block, trial),
    )


def _check_given(ordered: Sequence[Shown]) -> None:
    for (_, before), (block, trial) in itertools.pairwise(ordered):
        if trial.label is not None and trial.label == before.label:
            raise ConfigurationError(
                f"order: shuffle is 'none' and no_repeat is true, but {trial.label!r} comes twice in a row in block "
                f"{block.name!r}.",
                cure="Write the trials in another order, or let them be shuffled.",
            )


def _without_repeats(chain: Sequence[Sequence[Shown]], rng: np.random.Generator, what: str) -> list[Shown]:
    """Each pool in an order of its own, without the same label twice in a row, also where one pool follows another."""
    counts = [Counter(trial.label for _, trial in pool) for pool in chain]
    # Where a pool can begin with one label only, the pool before it must not end with that one.
    barred_ends: list[str | None] = [None] * len(chain)
    for k in range(len(chain) - 1, -1, -1):
        starts = _starts(counts[k], None, barred_ends[k])
        if not starts:
            raise _impossible(chain[k], counts[k], barred_ends[k], what)
        if k > 0 and len(starts) == 1:
            barred_ends[k - 1] = starts[0]
    ordered: list[Shown] = []
    before: str | None = None
    for pool, count, barred_end in zip(chain, counts, barred_ends, strict=True):
        queues = {label: [one for one in pool if one[1].label == label] for label in count}
        for queue in queues.values():
            rng.shuffle(queue)
        while count.total():
            labels = _starts(count, before, barred_end)
            left = np.array([count[label] for label in labels], dtype=np.float64)
            before = labels[int(rng.choice(len(labels), p=left / left.sum()))]
            count[before] -= 1
            ordered.append(queues[before].pop())
    return ordered


def _starts(count: Counter[str | None], before: str | None, barred_end: str | None) -> list[str | None]:
    """What may come next, such that all that is left can follow."""
    starts = []
    for label in count:
        if count[label] and (label is None or label != before):
            count[label] -= 1
            if _orderable(count, label, barred_end):
                starts.append(label)
            count[label] += 1
    return starts


def _orderable(count: Counter[str | None], before: str | None, barred_end: str | None) -> bool:
    """Whether these can be ordered without a label twice in a row, nor `before` first, nor `barred_end` last.

    With what stands before and behind fixed, a label needs another trial between any two of its own: so it fits if
    there are no more of it than others plus one, less one for each end that is barred to it.
    """
    total = count.total()
    if total == 0:
        return before is None or before != barred_end
    labels = ((label, n) for label, n in count.items() if label is not None)
    return all(n <= total - n + 1 - (label == before) - (label == barred_end) for label, n in labels)


def _impossible(
    pool: Sequence[Shown], count: Counter[str | None], barred_end: str | None, what: str
) -> ConfigurationError:
    label, most = max(((label, n) for label, n in count.items() if label is not None), key=lambda item: item[1])
    names = ", ".join(dict.fromkeys(repr(block.name) for block, _ in pool))
    behind = f", and {barred_end!r} must not come last, as the next block begins with it" if barred_end else ""
    return ConfigurationError(
        f"order.no_repeat cannot be kept among the {what} of block {names}: {most} of {count.total()} have the label "
        f"{label!r}{behind}.",
        cure='Give the labels equal numbers, mix the blocks (order.shuffle = "all"), or set no_repeat = false.',
    )
