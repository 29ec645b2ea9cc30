"""How the learning rate falls."""

from __future__ import annotations

COLD = 0.03


def cooling(done: float, cool_down: float) -> float:
    """Factor of the learning rate: 1, falling in a line to `COLD` over the last `cool_down` of the training."""
    return 1.0 if cool_down == 0 else min(1.0, max(COLD, (1 - done) / cool_down))
