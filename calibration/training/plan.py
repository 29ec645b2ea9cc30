"""What in the plan of the recordings could pass for the labels: their order, and who shares a recording with whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rtemo.types import Floats

SHUFFLES = 999
MOST_P = 0.05
"""Plans that are shuffled well are told apart from these in about one of twenty cases a test."""

Ints = NDArray[np.int64]


def confounds(names: Sequence[str], label: Ints, recording: Ints, start_s: Floats) -> tuple[str, ...]:
    """Sentences on what else than the labels a model may have learnt to tell apart; none where nothing is known.

    Signals drift in the course of a recording, and recordings differ. Orders are compared with orders of the same
    trials, shuffled within recordings, and the share of labels in recordings with trials shuffled over all of them.

    Parameters
    ----------
    names : sequence of str
        Of the labels.
    label, recording : ndarray of int64, shape (trials,)
    start_s : ndarray of float64, shape (trials,)
    """
    order = np.lexsort((start_s, recording))
    label, recording = label[order], recording[order]
    return tuple(told for told in (_recordings(names, label, recording), _order(label, recording)) if told)


def _recordings(names: Sequence[str], label: Ints, recording: Ints) -> str:
    """Whether the recording tells the label."""
    places = np.unique(recording)
    if len(places) < 2 or len(np.unique(label)) < 2:
        return ""
    passes = "what differs between recordings passes for a difference between labels."
    held = {int(place): np.unique(label[recording == place]) for place in places}
    if all(len(labels) == 1 for labels in held.values()):
        return f"Every recording holds trials of one label alone: {passes}"
    alone = [
        names[k]
        for k in np.unique(label)
        if all(len(held[int(place)]) == 1 for place in np.unique(recording[label == k]))
    ]
    if alone:
        return f"Recordings with trials of {', '.join(alone)} hold no other label: {passes}"
    table = np.stack([recording == place for place in places]).astype(np.float64)
    expected = np.outer(table.sum(axis=1), np.bincount(label) / len(label))

    def unequal(labels: Ints) -> Floats:
        counts = np.stack([(table @ (labels == k).T).T for k in range(expected.shape[1])], axis=-1)
        return np.asarray(((counts - expected) ** 2 / np.maximum(expected, 1e-12)).sum(axis=(1, 2)))

    if _reached(unequal, label, np.zeros_like(recording)) <= MOST_P:
        return f"Labels are shared out unequally among the recordings: {passes}"
    return ""


def _order(label: Ints, recording: Ints) -> str:
    """Whether the moment within a recording tells the label."""
    orders = [label[recording == place] for place in np.unique(recording)]
    several = [order for order in orders if len(np.unique(order)) > 1]
    if not several:
        return ""
    passes = "what drifts in the course of a recording passes for a difference between labels."
    if all(np.count_nonzero(np.diff(order)) + 1 == len(np.unique(order)) < len(order) for order in several):
        return f"All trials of a label follow one another: {passes}"
    inside = np.diff(recording) == 0

    def unchanged(labels: Ints) -> Floats:
        return -np.asarray(((np.diff(labels, axis=1) != 0) & inside).sum(axis=1), dtype=np.float64)

    if _reached(unchanged, label, recording) <= MOST_P:
        return f"Trials of a label follow one another more than in orders that are shuffled well: {passes}"
    rank = np.concatenate([_centred_ranks(len(order)) for order in orders])

    def shifted(labels: Ints) -> Floats:
        members = [labels == k for k in np.unique(label)]
        return np.asarray(sum((mine @ rank) ** 2 / mine.sum(axis=1) for mine in members))

    if _reached(shifted, label, recording) <= MOST_P:
        return f"Some label comes earlier in its recordings than another, more than by chance: {passes}"
    return ""


def _centred_ranks(count: int) -> Floats:
    """Places in a recording, from -1/2 to 1/2."""
    return np.asarray((np.arange(count) - (count - 1) / 2) / max(count - 1, 1))


def _reached(statistic: Callable[[Ints], Floats], label: Ints, blocks: Ints) -> float:
    """How often labels that are shuffled within blocks reach a statistic of labels, (shuffles, trials)."""
    rng = np.random.default_rng(41)
    shuffled = np.tile(label, (SHUFFLES, 1))
    for block in np.unique(blocks):
        rows = np.flatnonzero(blocks == block)
        shuffled[:, rows] = rng.permuted(shuffled[:, rows], axis=1)
    found = float(statistic(label[None])[0])
    return float((1 + (statistic(shuffled) >= found - 1e-9).sum()) / (1 + SHUFFLES))
