"""From the recordings of a calibration to a bundle and an honest verdict on it.

`session` leads through it: `splits` -> `fitting` -> `crossval` -> `statistics`, `learning` -> `verdict` -> `report`.
"""
