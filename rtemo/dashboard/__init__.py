"""The dashboard: a process of its own that knows of a session what LSL says, and shows it.

The path of what is shown: `feed` (LSL in, messages out) -> `state` (all that is known) -> `window` and its panels.
"""
