"""Sensible numbers that the recipes share, and the call that is not called yet."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from autograd_core import Tensor

from .judge import Call

__all__ = ["CLASSES", "FOLDER", "IMAGE", "A", "B", "P", "S", "Y", "call", "t"]

A = np.array([[0.3, -0.8, 1.2], [0.5, 0.9, -0.4]])
B = np.array([[0.7, 0.2, -0.6], [-0.1, 0.4, 1.1]])
S = np.array([[2.0, 0.3], [0.1, 1.5]])
P = np.array([[0.2, 0.7, 0.4], [0.9, 0.6, 0.3]])
Y = np.array([0.0, 1.0])
CLASSES = np.array([2, 0])
IMAGE = np.linspace(-1.0, 1.0, 32).reshape(1, 2, 4, 4)
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Call:
    """The function with its arguments, not called yet."""
    return Call(function, list(args), kwargs)


def t(x: Any = A) -> Tensor:
    """A fresh tensor."""
    return Tensor(x)
