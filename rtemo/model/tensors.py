"""Tensors read back from a file that is not trusted."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from rtemo.errors import BundleError
from rtemo.model.manifest import CURE

MAX_TENSOR_BYTES = 1_000_000_000


def read_tensors(path: Path, digest: str) -> dict[str, Tensor]:
    """Tensors of a safetensors file whose bytes are those that were written."""
    try:
        if path.stat().st_size > MAX_TENSOR_BYTES:
            raise BundleError(f"{path}: {path.stat().st_size} bytes; expected at most {MAX_TENSOR_BYTES}.", cure=CURE)
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}).", cure=CURE) from error
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise BundleError(
            f"{path}: changed or cut off: expected sha256 {digest[:12]}..., found {found[:12]}....",
            cure=CURE,
        )
    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise BundleError(f"{path}: not a safetensors file ({error}).", cure=CURE) from error


def take(path: Path, tensors: dict[str, Tensor], name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Take a tensor out, of just this shape and type."""
    if name not in tensors:
        raise BundleError(f"{path}: expected a tensor {name!r}, found none.", cure=CURE)
    tensor = tensors.pop(name)
    expect(path, f"tensor {name!r}: shape", shape, tuple(tensor.shape))
    expect(path, f"tensor {name!r}: type", dtype, tensor.dtype)
    return tensor


def expect(where: Path, what: str, expected: object, found: object) -> None:
    """Refuse what is not as expected, naming the file."""
    if expected != found:
        raise BundleError(f"{where}: {what}: expected {expected}, found {found}.", cure=CURE)
