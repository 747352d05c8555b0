"""Neural networks on `autograd_core`: a scalar stack to learn with, a tensor stack to work with, and all that trains them.

A tour. `MLP` computes on `Value`, one number at a time, and can be drawn; `Sequential` of `Linear` computes on `Tensor`.
Losses, optimisers and `fit` take both.

>>> from nn.data import moons
>>> x, y = moons(60, rng=0)
>>> model = Sequential(Linear(2, 8, rng=0), Tanh(), Linear(8, 2, rng=1))
>>> history = fit(model, x, y, loss="cross_entropy", epochs=60, lr=0.1, metrics="accuracy", rng=0)
>>> history.last("accuracy") > 0.8
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import data, init, plot
from .activations import (
    ELU,
    GELU,
    Identity,
    LeakyReLU,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Step,
    Tanh,
)
from .clipping import clip_grad_norm_, clip_grad_value_
from .convolution import AvgPool2d, Conv2d, MaxPool2d
from .functional import functional_call
from .history import EarlyStopping, History
from .inference import evaluate, predict
from .io import load, save
from .layers import Dropout, Embedding, Flatten, Linear, Sequential
from .losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge_loss,
    huber_loss,
    l1_loss,
    l2_penalty,
    mse_loss,
    nll_loss,
    squared_error,
)
from .metrics import accuracy, r2_score
from .module import Module
from .neuron import MLP, Layer, Neuron
from .normalise import BatchNorm1d, BatchNorm2d, LayerNorm
from .optim import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop
from .optimizer import Optimizer
from .perceptron import Perceptron
from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from .schedules import CosineAnnealingLR, ExponentialLR, LambdaLR, MultiStepLR, ReduceLROnPlateau, StepLR
from .teaching import deltas
from .train import fit

__all__ = [
    "ELU", "GELU", "GRU", "LSTM", "MLP", "RNN", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "AvgPool2d", "BatchNorm1d",
    "BatchNorm2d", "Conv2d",
    "CosineAnnealingLR", "Dropout", "EarlyStopping", "Embedding", "ExponentialLR", "Flatten", "GRUCell", "History", "Identity",
    "LSTMCell", "LambdaLR", "Layer", "LayerNorm", "LeakyReLU", "Linear", "MaxPool2d", "Module", "MultiStepLR", "Neuron", "Optimizer",
    "PReLU", "Perceptron", "RMSprop", "RNNCell", "ReLU", "ReduceLROnPlateau", "Sequential", "SiLU", "Sigmoid",
    "Softmax", "Softplus", "Step", "StepLR", "Tanh", "accuracy", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "clip_grad_norm_", "clip_grad_value_", "cross_entropy", "data", "deltas",
    "evaluate", "fit", "functional_call", "hinge_loss", "huber_loss", "init", "l1_loss", "l2_penalty", "load", "mse_loss", "nll_loss",
    "plot", "predict", "r2_score", "save", "squared_error",
]  # fmt: skip

if not TYPE_CHECKING:                          # type checkers see mistyped names by themselves

    def __getattr__(name: str) -> Any:
        """Raise an AttributeError that says what is probably meant: one of torch's names, or a misspelt one of ours."""
        from .elsewhere import of_a_package

        raise of_a_package("nn", name, __all__)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
