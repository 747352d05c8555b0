"""Lifted steps of a tensor model: the same calls, without recording them again (see `autograd_core.lift`).

A small network spends most of a step on recording and walking its graph, which a replay does without. What `Dropout` draws is an input
of the program, drawn for every batch from the same generator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from autograd_core import Tensor, lift, no_grad
from autograd_core.errors import AutogradError

from .activations import ELU, GELU, Identity, LeakyReLU, PReLU, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from .convolution import AvgPool2d, Conv2d, MaxPool2d
from .inference import target_for
from .ingredients import shadowed
from .layers import Dropout, Flatten, Linear, Sequential
from .lifted import SAFE_LOSSES, LiftedStep, all_count, equal_losses
from .loss_rules import CROSS_ENTROPY
from .losses import binary_cross_entropy, cross_entropy
from .module import Module
from .normalise import LayerNorm
from .pairs import warn_if_broadcast
from .slots import Array
from .training import Training

__all__ = ["LiftedTensors", "liftable_tensors", "lifted_tensors"]

_LARGE = 2**18                                 # numbers in all nodes of a batch, above which recording takes no noticeable part of the time


class LiftedTensors(LiftedStep):
    """The steps of a model whose parameters are `Tensor`s of one dtype."""

    kinds = (
        Sequential, Linear, Flatten, Dropout, LayerNorm, Conv2d, MaxPool2d, AvgPool2d,
        Identity, Sigmoid, Tanh, ReLU, LeakyReLU, PReLU, ELU, SiLU, GELU, Softplus, Softmax,
    )  # fmt: skip

    def __init__(
        self, training: Training, loss: Callable[..., Any], penalty: Callable[[Module], Any] | None, x: Array, y: Array, *, known: bool
    ) -> None:
        """Nothing is recorded before the first batch; `x` and `y` are the one to compare with."""
        super().__init__(training, loss, penalty, known=known)
        self.sample = x, y
        self.dtype: Any = self.parameters[0].dtype
        if self.dtype != np.float64:
            self.tolerance = 1e-4, 1e-6
        self._droppers: dict[int, list[Dropout]] = {}    # whose masks the further inputs of a program are
        self.scores = self._predicted(x).shape[1:]
        self.classes = self.scores[-1] if loss is cross_entropy and y.shape[1:] != self.scores else 0

    def _slices(self, vector: Array) -> Iterable[tuple[Any, Array]]:
        """Each parameter, and its part of a vector."""
        start = 0
        for p in self.parameters:
            yield p, vector[start : start + p.size].reshape(p.shape)
            start += p.size

    def gather(self, theta: Array) -> None:
        """Write the parameters into a vector."""
        for p, part in self._slices(theta):
            part[...] = p.data

    def scatter(self, theta: Array, gradient: Array | None) -> None:
        """Give the parameters their data, written into the arrays that they have, and their gradients."""
        for p, part in self._slices(theta):
            data = p.data if p.data.flags.writeable else p.data.copy()
            data[...] = part
            p.data = data
        if gradient is not None:
            for p, part in self._slices(gradient):
                p.grad = part.copy()

    @contextmanager
    def masked(self, give: Callable[..., Any] = lambda layer, shape, dtype: np.ones(shape, dtype)) -> Iterator[None]:
        """While it is open, nothing is drawn: `give(layer, shape, dtype)` is what `Dropout` multiplies with."""
        layers = [m for m in self.model.modules() if isinstance(m, Dropout)]

        def draw_again() -> None:
            for layer in layers:
                vars(layer).pop("_mask", None)  # the method of the class again

        try:
            try:
                for layer in layers:
                    layer._mask = partial(give, layer)  # type: ignore[method-assign]
                yield
            finally:
                draw_again()
        except BaseException:                  # again, in case it was this that was interrupted
            draw_again()
            raise

    # ------------------------------------------------------------------------------------------- is it the same?
    def loss_holds(self) -> bool:
        """Whether the loss of the sample, computed anew, is that of its program."""
        x, y = self.sample
        self.program = self.programs[len(x)]
        self.gather(self.program.theta.data)
        masks, drawing = self._write(x, y), []

        def give(layer: Dropout, shape: tuple[int, ...], dtype: Any) -> Array:
            drawing.append(layer)
            return masks[len(drawing) - 1] if len(drawing) <= len(masks) else np.ones(shape, dtype)

        try:
            with self.masked(give), no_grad(), np.errstate(all="ignore"):
                prediction = self.model(x)
                computed = self.penalized(self.loss(prediction, target_for(y, prediction.data)))
        except AutogradError:                  # another function now, or one that refuses these numbers
            return False
        return drawing == self._droppers[len(x)] and equal_losses(self.program(), computed, self.tolerance)

    def agrees(self) -> bool:
        """Whether the program gives what is computed anew, at parameters other than those recorded."""
        own, rng = [p.data for p in self.parameters], np.random.default_rng(0)
        drawn = [rng.normal(size=data.shape) for data in own]

        def holds() -> bool:
            for mask in self.program.inputs[2:]:
                mask[...] = 2.0 * (rng.random(mask.shape) < 0.5)
            return self.loss_holds() and self.penalty_holds()

        scaled = ((1.0, own), (-1.0, own), (1.0, drawn), (0.01, drawn))
        return self.holds_at([[np.asarray(factor * data, self.dtype) for data in arrays] for factor, arrays in scaled], holds)

    # ------------------------------------------------------------------------------------------------- a batch
    def record(self, x: Array, y: Array) -> Any:
        """The program of the loss of a batch."""
        inputs = Tensor(x, dtype=self.dtype)   # differentiable, so that what is computed of it alone is recorded, too
        goals = np.zeros((len(x), self.classes)) if self.classes else target_for(y, self._predicted(x))
        targets = Tensor(goals, dtype=self.dtype, requires_grad=False)
        masks: list[tuple[Dropout, Tensor]] = []

        def give(layer: Dropout, shape: tuple[int, ...], dtype: Any) -> Tensor:
            masks.append((layer, Tensor(np.ones(shape), dtype=dtype, requires_grad=False)))
            return masks[-1][1]

        with self.masked(give):
            prediction = self.model(inputs)
        value = CROSS_ENTROPY(prediction, targets).mean() if self.loss is cross_entropy else self.loss(prediction, targets)
        value = self.penalized(value)
        self._droppers[len(x)] = [layer for layer, _ in masks]
        return lift(value, params=self.parameters, inputs=[inputs, targets, *(mask for _, mask in masks)], outputs=prediction)

    def penalized(self, loss: Any) -> Any:
        """The loss with the penalty, if there is one."""
        return loss if self.penalty is None else loss + self.penalty(self.model)

    def prediction(self) -> Array:
        """What the model gave for the last batch."""
        return np.array(self.program.outputs)

    def feed(self, x: Array, y: Array) -> None:
        """Write a batch into the program, and what is to be dropped of it."""
        for layer, mask in zip(self._droppers[len(x)], self._write(x, y), strict=True):
            mask[...] = layer._mask(mask.shape, mask.dtype)

    def _write(self, x: Array, y: Array) -> list[Array]:
        """Write a batch, class numbers as rows with a single 1; the arrays of the masks, which are left as they are."""
        arrays: list[Array] = self.program.inputs
        inputs, targets, *masks = arrays
        inputs[...] = x
        if self.classes:
            targets[...] = 0.0
            targets[np.arange(len(y)), y.astype(np.intp, copy=False)] = 1.0
        else:
            targets[...] = y.reshape(targets.shape)
        return masks

    def _predicted(self, x: Array) -> Array:
        with self.masked(), no_grad():
            return np.asarray(self.model(x).data)


def liftable_tensors(model: Module, loss: Callable[..., Any]) -> bool:
    """Whether a run may be lifted without asking: modules that do nothing but compute, and a known loss."""
    modules = list(model.modules())
    known = all(type(m) in LiftedTensors.kinds and not shadowed(m) for m in modules)
    whole = all(isinstance(part, Module) for m in modules if isinstance(m, Sequential) for part in m)
    return known and whole and loss in SAFE_LOSSES


def _suits(step: LiftedTensors, *, asked: bool) -> bool:
    """Whether the graph of a batch is one that a program may stand for, and not so large that recording it does not matter."""
    (x, y), parameters = step.sample, step.parameters
    if any(np.may_share_memory(p.data, q.data) for p, q in combinations(parameters, 2)):
        return False                           # writing into one changes the other, too
    with step.masked():
        prediction = step.model(x)
    target = target_for(y, prediction.data)
    loss = step.penalized(step.loss(prediction, target))
    if not step.known:
        warn_if_broadcast(loss, prediction.shape, target.shape)
    nodes = _graph(loss)
    if any(node.dtype != step.dtype for node in nodes):
        return False
    if not {id(p) for p in parameters} <= {id(node) for node in nodes}:
        return False                           # a parameter without a part in the loss is left alone by an optimiser
    if step.loss is cross_entropy and prediction.ndim != 2:
        return False
    if step.loss is binary_cross_entropy and getattr(prediction.op, "name", "") not in ("sigmoid", "softmax"):
        return False                           # predictions that may leave [0, 1], which must raise
    return asked or sum(node.size for node in nodes) <= _LARGE


def _graph(root: Any) -> list[Any]:
    """Every tensor that depends on something to be trained, and what that is."""
    found: dict[int, Any] = {}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) not in found and isinstance(node, Tensor) and node.requires_grad:
            found[id(node)] = node
            waiting.extend(node.parents)
    return list(found.values())


def lifted_tensors(
    training: Training, loss: Callable[..., Any], penalty: Callable[[Module], Any] | None, x: Array, y: Array, sizes: Sequence[int], *, asked: bool
) -> LiftedStep | None:
    """The steps of a tensor model, with batches of the given sizes recorded; None where a replay is not the same, or gains nothing.

    `x` and `y` are all samples and targets. `asked` says whether somebody has asked for it, whatever it gains.
    """
    model, parameters = training.model, [p for p in training.optimizer.parameters if p.requires_grad]
    if any(module.buffers for module in model.modules()):
        return None                            # running statistics, which a program does not keep
    if not parameters or not all(isinstance(p, Tensor) and p.dtype == parameters[0].dtype for p in parameters):
        return None
    step = LiftedTensors(training, loss, penalty, x[: sizes[0]], y[: sizes[0]], known=liftable_tensors(model, loss))
    if not _suits(step, asked=asked) or (loss is cross_entropy and not all_count(y, (len(y), *step.scores))):
        return None
    step.prepare(x, y, sizes)
    return step if (step.known and penalty is None) or step.agrees() else None
