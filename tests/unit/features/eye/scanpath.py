"""Gaze that is known: rests and jumps of a minimum-jerk course, and lids that close."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

SCREEN = {"resolution_px": (1920, 1080), "size_m": (0.53, 0.30), "distance_m": 0.6}


def course(stamps_s, targets, jump_s=0.04):
    """Gaze in degrees, (samples, 2): from target to target, each a (moment at which the jump begins, x, y)."""
    gaze = np.empty((len(stamps_s), 2))
    gaze[:] = targets[0][1:]
    for (_, *here), (start_s, *there) in pairwise(targets):
        part = np.clip((stamps_s - start_s) / jump_s, 0, 1)
        smooth = 10 * part**3 - 15 * part**4 + 6 * part**5
        moving = part > 0
        gaze[moving] = np.array(here) + smooth[moving, None] * (np.array(there) - np.array(here))
    return gaze


def pixels(degrees):
    """Degrees from the middle of the screen to pixels on `SCREEN`."""
    resolution, size = np.array(SCREEN["resolution_px"]), np.array(SCREEN["size_m"])
    return (np.tan(np.radians(degrees)) * SCREEN["distance_m"] / size + 0.5) * resolution


def directions(degrees):
    """Degrees along two axes to unit vectors whose third component points ahead."""
    ahead = np.column_stack([np.tan(np.radians(degrees)), np.ones(len(degrees))])
    return ahead / np.linalg.norm(ahead, axis=1, keepdims=True)


def wandering(rate_hz, seconds, *, rng, noise=0.05, per_s=3.0):
    """Stamps, gaze in degrees, and the jumps (moment, x, y) of somebody who looks here and there."""
    stamps_s = np.arange(round(rate_hz * seconds)) / rate_hz
    # The adaptive threshold knows nothing for half a second.
    moments = 0.5 + np.cumsum(rng.uniform(0.5, 1.5, round(per_s * seconds)) / per_s)
    moments = moments[moments < seconds - 0.2]
    targets = [(0.0, 0.0, 0.0)]
    for moment in moments:
        while True:
            x, y = rng.uniform(-12, 12), rng.uniform(-8, 8)
            if np.hypot(x - targets[-1][1], y - targets[-1][2]) > 3:
                break
        targets.append((moment, x, y))
    gaze = course(stamps_s, targets) + rng.normal(0, noise, (len(stamps_s), 2))
    return stamps_s, gaze, targets
