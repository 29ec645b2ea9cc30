"""Devices on LSL outlets: simulated ones, each a process with a clock of its own, and recorded ones, played again."""
