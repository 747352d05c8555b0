"""One sensible call of every public function: what it is fuzzed from. What the table knows is derived; the rest is listed."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import Phase, find, settings

import autograd_core as ag
import nn
from autograd_core import TABLE, Op, Tensor, Value
from autograd_core.op import built_in
from autograd_core.protocols import UFUNCS
from autograd_core.registry import NUMPY
from nn import axes, data, init, plot

from .judge import Call
from .numpy_recipes import NUMPY_RECIPES
from .samples import CLASSES, FOLDER, IMAGE, A, B, P, S, Y, call, t

__all__ = ["DERIVED", "LISTED", "RECIPES", "public_names"]


def model() -> Any:
    """A small tensor model."""
    return nn.Sequential(nn.Linear(3, 2, rng=0), nn.Tanh(), nn.Linear(2, 1, rng=1))


def trained(kind: Any = nn.SGD, **settings: Any) -> Any:
    """An optimiser whose parameters have gradients."""
    parameters = [t(), Tensor([0.5, -0.5])]
    for p in parameters:
        p.grad = np.ones(p.shape)
    return kind(parameters, lr=0.1, **settings)


def parameters() -> list[Any]:
    """Parameters with gradients."""
    return list(trained().parameters)


def history() -> nn.History:
    """Two epochs."""
    h = nn.History()
    h.append({"loss": 0.5, "val_loss": 0.7})
    h.append({"loss": 0.25, "val_loss": 0.6})
    return h


def setter(name: str, kind: type = Tensor) -> Callable[[Any, Any], Any]:
    """Assign to an attribute of a leaf, then use it."""

    def assign(node: Any, value: Any) -> Any:
        setattr(node, name, value)
        out = node * node
        (out.sum() if node.is_array else out).backward()
        return np.asarray(node.grad)

    return assign


def shown(x: Any) -> str:
    """What a notebook would show."""
    return str(x.svg)[:0]


def closed(make: Callable[..., Any]) -> Callable[..., Any]:
    """A function that plots, its figure closed again."""

    def plot_and_close(*args: Any, **kwargs: Any) -> None:
        pyplot = axes.pyplot()
        try:
            make(*args, **kwargs)
        finally:
            pyplot.close("all")

    return plot_and_close


def saved(m: Any = None) -> Path:
    """A model in a file."""
    return nn.save(m or nn.Linear(2, 1, rng=0), FOLDER / "fuzzed.safetensors")


def into_file(save: Callable[..., Any], *args: Any, path: Any = None, **kwargs: Any) -> Any:
    """Save, and take the file away again."""
    written = save(*args, path, **kwargs)
    Path(written).unlink(missing_ok=True)


def declared(*args: Any, **kwargs: Any) -> Any:
    """Declare an operation, use it, and forget it."""
    op = ag.Op(*args, **kwargs)
    try:
        return op(Tensor([0.5, 1.5]))
    finally:
        op.forget()


def decorated(**kwargs: Any) -> Any:
    """The same with the decorator."""

    def fuzzed_square(x: Any) -> Any:
        return x * x

    op = ag.operation(**kwargs)(fuzzed_square)
    try:
        return op(Tensor([0.5, 1.5]))
    finally:
        op.forget()


def pulled(f: Any, *primals: Any, cotangent: Any = 1.0) -> Any:
    """vjp, and its pull-back."""
    out, pull = ag.vjp(f, *primals)
    return out, pull(cotangent)


def transformed(transform: Any) -> Callable[..., Any]:
    """A transform, applied to a function and to its arguments at once."""
    return lambda f, *args, **kwargs: transform(f, **kwargs)(*args)


def program() -> Any:
    """A lifted scalar program."""
    w = [Value(0.5), Value(-1.0)]
    return ag.lift((w[0] * 2.0 + w[1] * 3.0).tanh(), params=w)


def replayed(batch: Any) -> Any:
    """A program on another batch."""
    w, x = Value(0.5), Value(2.0)
    made = ag.lift((w * x).tanh(), params=[w], inputs=[x])
    made.inputs = batch
    return made()


def moved(numbers: Any) -> Any:
    """A program at other parameters."""
    made = program()
    made.theta = numbers
    return made()


def f1(x: Any) -> Any:
    return np.sum(ag.square(x))


def f2(x: Any, y: Any) -> Any:
    return np.sum(ag.square(x) * y)


def stepped(schedule: Any, *args: Any) -> Any:
    """A schedule that has made a step: its rates."""
    made = schedule(*args)
    made.step(0.5) if isinstance(made, nn.ReduceLROnPlateau) else made.step()
    return made.get_last_lr()


def stepping(kind: Any, *args: Any) -> Any:
    """An optimiser that has made a step: its parameters."""
    optimizer = kind(*args)
    for parameter in optimizer.parameters:
        f1(parameter).backward()
    optimizer.step()
    return optimizer.parameters


def set_rate(optimizer: Any, lr: Any) -> Any:
    """Another learning rate, and a step with it."""
    optimizer.lr = lr
    optimizer.step()
    return optimizer.parameters


def drawn(strategy: Any) -> Callable[..., Any]:
    """A strategy that something is drawn from."""

    def look(*args: Any, **kwargs: Any) -> None:
        find(strategy(*args, **kwargs), lambda _: True, settings=settings(max_examples=1, database=None, phases=[Phase.generate]))

    return look


def mode(kind: Any, x: Any) -> Any:
    """An operation inside a mode."""
    with kind():
        return ag.tanh(x)


POINTS = np.array([[0.0, 0.1], [1.0, 0.2], [0.3, 1.0], [0.9, 1.1]])
LABELS = np.array([0, 1, 1, 0])


def classifier() -> Any:
    """Two inputs, two classes."""
    return nn.Sequential(nn.Linear(2, 2, rng=0))


LISTED: dict[str, Callable[[], Call]] = {
    # ------------------------------------------------------------------------------------------------ the engine
    "Interval": lambda: call(ag.Interval, -1.0, 1.0, (0.0,)),
    "Interval.contains": lambda: call(ag.Interval(-1.0, 1.0).contains, 0.5, 0.1),
    "Op": lambda: call(declared, name="fuzzed", array=np.square, d=(lambda m, out, x: 2.0 * x,), numpy=(len,), domain=(ag.Interval(),), doc="x²."),
    "Op.forget": lambda: call(lambda: ag.Op(name="fuzzed", array=np.square, d=(lambda m, out, x: 2.0 * x,), numpy=(len,)).forget()),
    "operation": lambda: call(decorated, d=lambda m, out, x: 2.0 * x, doc="x²."),
    "Program": lambda: call(lambda root, w: ag.lift(root, params=w)(), *(lambda w: (w[0] * 2.0 + w[1], w))([Value(0.5), Value(1.0)])),
    "Program.backward": lambda: call(program().backward),
    "Program.leaf_names": lambda: call(program().leaf_names),
    "Program.statements": lambda: call(program().statements, "backward"),
    "Program.write_back": lambda: call(program().write_back),
    "Program.inputs": lambda: call(replayed, np.array([3.0])),
    "Program.theta": lambda: call(moved, np.array([0.25, 2.0])),
    "lift": lambda: call(ag.lift, *(lambda w: (w[0] * 2.0 + w[1],))([Value(0.5), Value(1.0)]), params=None, inputs=None),
    "Tensor": lambda: call(Tensor, A, requires_grad=True, dtype=np.float64, label="w"),
    "Tensor.data": lambda: call(partial(setter("data"), t()), B),
    "Tensor.grad": lambda: call(partial(setter("grad"), t()), B),
    "Tensor.requires_grad": lambda: call(partial(Tensor, A), requires_grad=True),
    "Tensor.label": lambda: call(lambda label: repr(Tensor(A, label=label)), "w"),
    "Tensor.backward": lambda: call((t() * 2.0).backward, B),
    "Questions.astype": lambda: call(t().astype, np.float64),
    "Questions.argmax": lambda: call(t().argmax, 1),
    "Questions.argmin": lambda: call(t().argmin, 1),
    "Questions.argsort": lambda: call(t().argsort, 1),
    "array": lambda: call(ag.array, [[t(A[0])], [B[1]]], np.float64, copy=True, ndmin=3),
    "Tensor.round": lambda: call(t().round, 1),
    "Questions.any": lambda: call(t().any, 1, keepdims=True),
    "Questions.all": lambda: call(t().all, 1, keepdims=True),
    "Questions.nonzero": lambda: call(t().nonzero),
    "Tensor.copy": lambda: call(t().copy),
    "Tensor.detach": lambda: call(t().detach),
    "Tensor.diagonal": lambda: call(t().diagonal, 0, 0, 1),
    "Tensor.dot": lambda: call(t().dot, B.T),
    "Tensor.flatten": lambda: call(t().flatten),
    "Tensor.inner": lambda: call(t().inner, B),
    "Tensor.item": lambda: call(Tensor(0.5).item),
    "Tensor.numpy": lambda: call(t().numpy),
    "Tensor.outer": lambda: call(t().outer, B),
    "Tensor.ravel": lambda: call(t().ravel),
    "Tensor.repeat": lambda: call(t().repeat, 2, axis=0),
    "Tensor.reshape": lambda: call(t().reshape, 3, 2),
    "Tensor.squeeze": lambda: call(Tensor([[1.0, 2.0]]).squeeze, 0),
    "Tensor.swapaxes": lambda: call(t().swapaxes, 0, 1),
    "Tensor.take": lambda: call(t().take, CLASSES, axis=1),
    "Tensor.tolist": lambda: call(t().tolist),
    "Tensor.trace": lambda: call(t().trace, 0, 0, 1),
    "Tensor.transpose": lambda: call(t().transpose, 1, 0),
    "Tensor.clip": lambda: call(t().clip, -0.5, 0.5),
    "Tensor.cumsum": lambda: call(t().cumsum, 1),
    "Tensor.cumprod": lambda: call(t().cumprod, 1),
    "Value": lambda: call(Value, 0.5, label="w"),
    "Value.data": lambda: call(partial(setter("data"), Value(0.5)), 1.5),
    "Value.grad": lambda: call(partial(setter("grad"), Value(0.5)), 1.5),
    "Value.label": lambda: call(lambda label: repr(Value(0.5, label=label)), "w"),
    "Value.backward": lambda: call((Value(0.5) * 2.0).backward),
    "Value.conjugate": lambda: call(Value(0.5).conjugate),
    "Value.item": lambda: call(Value(0.5).item),
    "check_grads": lambda: call(ag.check_grads, lambda x, y: np.sum(x * y), (A, 0.5), 1, ("rev", "fwd"), rtol=1e-6, seed=0, raises=True),
    "check_op": lambda: call(ag.check_op, TABLE["tanh"], order=1, seed=0),
    "detect_anomaly": lambda: call(partial(mode, ag.detect_anomaly), t()),
    "no_grad": lambda: call(partial(mode, ag.no_grad), t()),
    "draw": lambda: call(lambda *a, **k: shown(ag.draw(*a, **k)), t() * 2.0, direction="right", depth=1, fold=True, theme="light", layout="auto", show=("data",), around=None, parameters=(), limit=60),
    "explain": lambda: call(lambda *a, **k: str(ag.explain(*a, **k))[:0], t() * 2.0, seed=B, direction="right", theme="light", depth=1, parameters=(), limit=60),
    "grad": lambda: call(transformed(ag.grad), f1, A, argnums=0),
    "value_and_grad": lambda: call(transformed(ag.value_and_grad), f1, A, argnums=0, has_aux=False),
    "jacobian": lambda: call(transformed(ag.jacobian), ag.square, A, argnums=0, has_aux=False),
    "hessian": lambda: call(transformed(ag.hessian), f1, A, argnums=0, has_aux=False),
    "hvp": lambda: call(ag.hvp, f1, (A,), (B,)),
    "jvp": lambda: call(ag.jvp, f2, (A, B), (B, A), has_aux=False),
    "vjp": lambda: call(pulled, f2, A, B, cotangent=1.0),
    "linear": lambda: call(ag.linear, t(), t(B), t(A[0, :2])),
    "record_call": lambda: call(partial(ag.record_call, nn.Tanh()), t()),
    "record_innermost": lambda: call(partial(ag.record_innermost, nn.Tanh()), t()),
    "weighted_sum": lambda: call(ag.weighted_sum, [0.5, 1.5], [Value(0.5), Value(1.0)], 0.5),
    "where": lambda: call(ag.where, A > 0.0, t(), t(B)),
    "clip": lambda: call(ag.clip, t(), -0.5, 0.5),
    "softmax": lambda: call(ag.softmax, t(), axis=1),
    "log_softmax": lambda: call(ag.log_softmax, t(), axis=1),
    "logsumexp": lambda: call(ag.logsumexp, t(), axis=1, keepdims=True),
    "index": lambda: call(t().__getitem__, 1),
    "index by slices": lambda: call(lambda a, b, c: t()[:, a:b:c], 0, 3, 2),
    "index by arrays": lambda: call(lambda rows, columns: t()[rows, columns], np.array([0, 1, 1]), np.array([2, 0, 0])),
    "index by a mask": lambda: call(t().__getitem__, A > 0.0),
    "contains": lambda: call(t().__contains__, 0.3),
    "strategies.Program": lambda: call(lambda leaves, steps, *x: ag.strategies.Program(leaves, steps)(*x), (0.5,), (("tanh", (0,)),), 0.5),
    "strategies.arrays": lambda: call(drawn(ag.strategies.arrays), (2, 3), domain=ag.Interval(), margin=0.1, kinks=False),
    "strategies.expressions": lambda: call(drawn(ag.strategies.expressions), ops=[TABLE["tanh"]], max_steps=3, shape=(2,)),
    "strategies.floats_in": lambda: call(drawn(ag.strategies.floats_in), ag.Interval(), margin=0.1, kinks=False),
    "strategies.operands": lambda: call(drawn(ag.strategies.operands), TABLE["tanh"], kinks=False, scalar=False),
    "strategies.shapes": lambda: call(drawn(ag.strategies.shapes), max_dims=2, max_side=3, min_side=0),
    "strategies.smooth": lambda: call(lambda ops: [op.name for op in ag.strategies.smooth(ops)], [TABLE["tanh"], TABLE["sum"]]),
    "strategies.tensors": lambda: call(drawn(ag.strategies.tensors), (2, 3), domain=ag.Interval(), kinks=False),
    "strategies.values": lambda: call(drawn(ag.strategies.values), ag.Interval(), kinks=False),
    **NUMPY_RECIPES,
    # ---------------------------------------------------------------------------------------------- nn: functions
    "nn.accuracy": lambda: call(nn.accuracy, P, np.array([1, 0]), threshold=0.5),
    "nn.r2_score": lambda: call(nn.r2_score, A, B),
    "nn.mse_loss": lambda: call(nn.mse_loss, t(), B, reduction="mean", weight=P),
    "nn.mse_loss of Values": lambda: call(nn.mse_loss, [Value(0.5), Value(1.0)], [0.0, 1.0], reduction="mean", weight=[1.0, 2.0]),
    "nn.squared_error": lambda: call(nn.squared_error, t(), B, reduction="sum", weight=P),
    "nn.l1_loss": lambda: call(nn.l1_loss, t(), B, reduction="none", weight=P),
    "nn.huber_loss": lambda: call(nn.huber_loss, t(), B, delta=0.5, reduction="mean", weight=P),
    "nn.hinge_loss": lambda: call(nn.hinge_loss, t(), np.sign(B), margin=1.0, reduction="mean"),
    "nn.binary_cross_entropy": lambda: call(nn.binary_cross_entropy, t(P), (B > 0) * 1.0, reduction="mean", weight=P),
    "nn.binary_cross_entropy_with_logits": lambda: call(nn.binary_cross_entropy_with_logits, t(), (B > 0) * 1.0, reduction="mean", weight=P, pos_weight=np.array([1.0, 2.0, 3.0])),
    "nn.cross_entropy": lambda: call(nn.cross_entropy, t(), CLASSES, weight=np.array([1.0, 2.0, 3.0]), ignore_index=-1, label_smoothing=0.1, reduction="mean"),
    "nn.cross_entropy, plain": lambda: call(nn.cross_entropy, t(), CLASSES),
    "nn.cross_entropy of Values": lambda: call(nn.cross_entropy, [[Value(0.5), Value(1.0)]], [1]),
    "nn.nll_loss": lambda: call(nn.nll_loss, t(np.log(P)), CLASSES, weight=np.array([1.0, 2.0, 3.0]), ignore_index=-1, reduction="mean"),
    "nn.l2_penalty": lambda: call(nn.l2_penalty, model(), 0.1, half=True, biases=True),
    "nn.deltas": lambda: call(nn.deltas, model(), A, Y[:, None], "squared_error", penalty=None),
    "nn.functional_call": lambda: call(nn.functional_call, model(), {"0.bias": np.ones(2), "2.weight": t(np.ones((1, 2)))}, args=(A,), kwargs=None),
    "nn.evaluate": lambda: call(nn.evaluate, model(), A, Y[:, None], loss="mse", metrics=("r2",)),
    "nn.predict": lambda: call(nn.predict, model(), A, batch_size=2),
    "nn.fit": lambda: call(
        nn.fit, model(), A, Y[:, None], loss="mse", optimizer="adam", lr=0.01, epochs=1, batch_size=1, validation=None, metrics=("r2",), penalty=None, schedule=None,
        early_stopping=3, clip_norm=1.0, callbacks=(), rng=0, progress=False, checkpoint=None, checkpoint_every=1, resume=None, lift=None, live=False),
    "nn.fit of Values": lambda: call(nn.fit, nn.MLP(3, [2, 1], rng=0), A, Y, epochs=1, batch_size=None, validation=(A, Y), rng=0, progress=False),
    "nn.save": lambda: call(lambda m, path, notes: into_file(nn.save, m, path=path, notes=notes), nn.Linear(2, 1, rng=0), FOLDER / "fuzzed-too.safetensors", {"a": 1}),
    "nn.load": lambda: call(nn.load, saved(), nn.Linear(2, 1, rng=3)),
    "nn.clip_grad_norm_": lambda: call(nn.clip_grad_norm_, parameters(), 0.5, 2.0),
    "nn.clip_grad_value_": lambda: call(nn.clip_grad_value_, parameters(), 0.5),
    # ------------------------------------------------------------------------------------------------ nn: modules
    "nn.BatchNorm1d": lambda: call(nn.BatchNorm1d, 3, eps=1e-5, momentum=0.1, affine=True, dtype=np.float64),
    "nn.BatchNorm1d.forward": lambda: call(nn.BatchNorm1d(3), t()),
    "nn.BatchNorm2d": lambda: call(nn.BatchNorm2d, 2, eps=1e-5, momentum=0.1, affine=True, dtype=np.float64),
    "nn.BatchNorm2d.forward": lambda: call(nn.BatchNorm2d(2), t(IMAGE)),
    "nn.Conv2d": lambda: call(nn.Conv2d, 2, 3, 2, stride=1, padding=1, bias=True, dtype=np.float64, init=None, rng=0),
    "nn.Conv2d.forward": lambda: call(nn.Conv2d(2, 1, 2, rng=0), t(IMAGE)),
    "nn.Dropout": lambda: call(nn.Dropout, 0.5, rng=0),
    "nn.Dropout.forward": lambda: call(nn.Dropout(0.5, rng=0), t()),
    "nn.ELU": lambda: call(nn.ELU, 0.5),
    "nn.ELU.forward": lambda: call(nn.ELU(0.5), t()),
    "nn.Embedding": lambda: call(nn.Embedding, 4, 2, dtype=np.float64, rng=0),
    "nn.Embedding.forward": lambda: call(nn.Embedding(4, 2, rng=0), CLASSES),
    "nn.Flatten": lambda: call(nn.Flatten),
    "nn.Flatten.forward": lambda: call(nn.Flatten(), t(IMAGE)),
    "nn.GRU": lambda: call(nn.GRU, 3, 2, 1, batch_first=True, dtype=np.float64, rng=0),
    "nn.GRU.forward": lambda: call(nn.GRU(3, 2, rng=0), t(A[:, None]), np.zeros((1, 1, 2))),
    "nn.GRUCell": lambda: call(nn.GRUCell, 3, 2, dtype=np.float64, rng=0),
    "nn.GRUCell.forward": lambda: call(nn.GRUCell(3, 2, rng=0), t(), S),
    "nn.LSTM": lambda: call(nn.LSTM, 3, 2, 1, batch_first=True, dtype=np.float64, rng=0),
    "nn.LSTM.forward": lambda: call(nn.LSTM(3, 2, rng=0), t(A[:, None]), (np.zeros((1, 1, 2)), np.zeros((1, 1, 2)))),
    "nn.LSTMCell": lambda: call(nn.LSTMCell, 3, 2, dtype=np.float64, rng=0),
    "nn.LSTMCell.forward": lambda: call(nn.LSTMCell(3, 2, rng=0), t(), (S, S)),
    "nn.RNN": lambda: call(nn.RNN, 3, 2, 1, batch_first=True, dtype=np.float64, rng=0),
    "nn.RNN.forward": lambda: call(nn.RNN(3, 2, rng=0), t(A[:, None]), np.zeros((1, 1, 2))),
    "nn.RNNCell": lambda: call(nn.RNNCell, 3, 2, activation="tanh", dtype=np.float64, rng=0),
    "nn.RNNCell.forward": lambda: call(nn.RNNCell(3, 2, rng=0), t(), S),
    "nn.Layer": lambda: call(nn.Layer, 3, 2, activation="tanh", bias=True, rng=0),
    "nn.Layer.forward": lambda: call(nn.Layer(3, 2, rng=0), A[0]),
    "nn.LayerNorm": lambda: call(nn.LayerNorm, 3, eps=1e-5, dtype=np.float64),
    "nn.LayerNorm.forward": lambda: call(nn.LayerNorm(3), t()),
    "nn.LeakyReLU": lambda: call(nn.LeakyReLU, 0.1),
    "nn.LeakyReLU.forward": lambda: call(nn.LeakyReLU(0.1), t()),
    "nn.Linear": lambda: call(nn.Linear, 3, 2, bias=True, dtype=np.float64, init="xavier_uniform", rng=0),
    "nn.Linear.forward": lambda: call(nn.Linear(3, 2, rng=0), t()),
    "nn.MLP": lambda: call(nn.MLP, 3, [2, 1], activation="tanh", output="identity", rng=0),
    "nn.MLP.forward": lambda: call(nn.MLP(3, [2, 1], rng=0), A[0]),
    "nn.MLP.on_arrays": lambda: call(nn.MLP(3, [2, 1], rng=0).on_arrays, A),
    "nn.MaxPool2d": lambda: call(nn.MaxPool2d, 2, stride=1, padding=1),
    "nn.MaxPool2d.forward": lambda: call(nn.MaxPool2d(2), t(IMAGE)),
    "nn.AvgPool2d": lambda: call(nn.AvgPool2d, 2, stride=1, padding=1),
    "nn.AvgPool2d.forward": lambda: call(nn.AvgPool2d(2), t(IMAGE)),
    "nn.Neuron": lambda: call(nn.Neuron, 3, activation="tanh", bias=True, init=None, rng=0),
    "nn.Neuron.forward": lambda: call(nn.Neuron(3, rng=0), A[0]),
    "nn.PReLU": lambda: call(nn.PReLU, 3, 0.25, dtype=np.float64),
    "nn.PReLU.forward": lambda: call(nn.PReLU(3), t()),
    "nn.Perceptron": lambda: call(nn.Perceptron, 2, rng=0),
    "nn.Perceptron.forward": lambda: call(nn.Perceptron(2, rng=0), POINTS[1]),
    "nn.Perceptron.fit": lambda: call(nn.Perceptron(2, rng=0).fit, POINTS, POINTS[:, 0] > 0.5, lr=0.5, epochs=20),
    "nn.Perceptron.fit_delta": lambda: call(nn.Perceptron(2, rng=0).fit_delta, POINTS, POINTS[:, 0] > 0.5, lr=0.5, epochs=20),
    "nn.Perceptron.predict": lambda: call(nn.Perceptron(2, rng=0).predict, POINTS),
    "nn.Perceptron.scores": lambda: call(nn.Perceptron(2, rng=0).scores, POINTS),
    "nn.Sequential": lambda: call(nn.Sequential, nn.Linear(3, 2, rng=0), nn.Tanh()),
    "nn.Sequential.forward": lambda: call(model(), t()),
    "nn.Softmax": lambda: call(nn.Softmax, 1),
    "nn.Softmax.forward": lambda: call(nn.Softmax(1), t()),
    **{f"nn.{kind.__name__}": (lambda kind=kind: call(kind)) for kind in (nn.GELU, nn.Identity, nn.ReLU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Step, nn.Tanh)},
    **{f"nn.{kind.__name__}.forward": (lambda kind=kind: call(kind(), t())) for kind in (nn.GELU, nn.Identity, nn.ReLU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Step, nn.Tanh)},
    "nn.Module": lambda: call(nn.Module),
    "nn.Module.forward": lambda: call(nn.Module(), t()),
    "nn.Module.apply": lambda: call(model().apply, lambda module: None),
    "nn.Module.all_entries": lambda: call(lambda prefix: [e.name for e in model().all_entries(prefix)], "a"),
    "nn.Module.named_modules": lambda: call(lambda prefix: list(model().named_modules(prefix)), "a"),
    "nn.Module.train": lambda: call(model().train, False),
    "nn.Module.requires_grad_": lambda: call(model().requires_grad_, False),
    "nn.Module.load_state_dict": lambda: call(model().load_state_dict, model().state_dict(), strict=True),
    **{f"nn.Module.{name}": (lambda name=name: call(getattr(model(), name))) for name in (
        "children", "entries", "eval", "extra_repr", "modules", "named_parameters", "number_of_parameters", "parameters", "rows", "state_children",
        "state_dict", "summary", "zero_grad")},
    "nn.Module.config": lambda: call(nn.Linear(2, 1, rng=0).config),
    # ------------------------------------------------------------------------------- nn: optimisers and training
    "nn.Optimizer": lambda: call(nn.Optimizer, parameters()),
    "nn.SGD": lambda: call(partial(stepping, nn.SGD), parameters(), 0.1, 0.9, True, 0.01),
    "nn.SGD.dampening": lambda: call(nn.SGD, parameters(), 0.1, 0.9, dampening=0.1, maximize=True),
    "nn.Adam": lambda: call(partial(stepping, nn.Adam), parameters(), 0.1, (0.9, 0.99), 1e-8, 0.01, True),
    "nn.AdamW": lambda: call(partial(stepping, nn.AdamW), parameters(), 0.1, (0.9, 0.99), 1e-8, 0.01, True),
    "nn.RMSprop": lambda: call(partial(stepping, nn.RMSprop), parameters(), 0.1, 0.9, 1e-8, 0.01, 0.9, True),
    "nn.Adagrad": lambda: call(partial(stepping, nn.Adagrad), parameters(), 0.1, 0.01, 0.01, 0.1, 1e-10),
    "nn.Adadelta": lambda: call(partial(stepping, nn.Adadelta), parameters(), 0.1, 0.9, 1e-6, 0.01),
    "nn.Optimizer.lr": lambda: call(partial(set_rate, trained()), 0.5),
    "nn.Optimizer.check": lambda: call(trained(nn.RMSprop).check, {"lr": 0.5}),
    "nn.SGD.check": lambda: call(trained().check, {"lr": 0.5, "momentum": 0.5, "nesterov": True}),
    "nn.Adam.check": lambda: call(trained(nn.Adam).check, {"lr": 0.5, "betas": (0.9, 0.99)}),
    "nn.Optimizer.load_state_dict": lambda: call(trained(nn.Adam).load_state_dict, trained(nn.Adam).state_dict()),
    **{f"nn.Optimizer.{name}": (lambda name=name: call(getattr(trained(), name))) for name in ("state_dict", "step", "zero_grad")},
    **{f"nn.{kind.__name__}.update": (lambda kind=kind: call(trained(kind).step)) for kind in (nn.SGD, nn.Adam, nn.RMSprop, nn.Adagrad, nn.Adadelta)},
    "nn.Optimizer.update": lambda: call(trained().step),
    "nn.StepLR": lambda: call(partial(stepped, nn.StepLR), trained(), 1, 0.5),
    "nn.MultiStepLR": lambda: call(partial(stepped, nn.MultiStepLR), trained(), [1, 2], 0.5),
    "nn.ExponentialLR": lambda: call(partial(stepped, nn.ExponentialLR), trained(), 0.5),
    "nn.CosineAnnealingLR": lambda: call(partial(stepped, nn.CosineAnnealingLR), trained(), 5, 0.01),
    "nn.LambdaLR": lambda: call(partial(stepped, nn.LambdaLR), trained(), lambda epoch: 0.5),
    "nn.ReduceLROnPlateau": lambda: call(partial(stepped, nn.ReduceLROnPlateau), trained(), 0.5, 1, 0.01, 0.0),
    "nn.ReduceLROnPlateau.step": lambda: call(nn.ReduceLROnPlateau(trained(), 0.5, 1).step, 0.5),
    **{f"nn.{kind}.rate": (lambda kind=kind, args=args: call(getattr(nn, kind)(trained(), *args).rate, 0.5, 2)) for kind, args in {
        "StepLR": (1, 0.5), "MultiStepLR": ([1],), "ExponentialLR": (0.5,), "CosineAnnealingLR": (5,), "LambdaLR": (lambda epoch: 0.5,), "ReduceLROnPlateau": (0.5,)}.items()},
    "nn.Schedule.step": lambda: call(nn.StepLR(trained(), 1, 0.5).step),
    "nn.Schedule.rate": lambda: call(nn.StepLR(trained(), 1, 0.5).rate, 0.5, 2),
    "nn.Schedule.get_last_lr": lambda: call(nn.StepLR(trained(), 1, 0.5).get_last_lr),
    "nn.Schedule.state_dict": lambda: call(nn.StepLR(trained(), 1, 0.5).state_dict),
    "nn.Schedule.load_state_dict": lambda: call(nn.StepLR(trained(), 1, 0.5).load_state_dict, nn.StepLR(trained(), 1, 0.5).state_dict()),
    "nn.EarlyStopping": lambda: call(nn.EarlyStopping, 2, min_delta=0.1, monitor="loss", restore_best=True),
    "nn.EarlyStopping.reset": lambda: call(nn.EarlyStopping(2).reset),
    "nn.EarlyStopping.restore": lambda: call(nn.EarlyStopping(2).restore, model()),
    "nn.EarlyStopping.seen": lambda: call(nn.EarlyStopping(2).seen, 0.5, model(), 1, larger_is_better=False),
    "nn.History": lambda: call(nn.History),
    "nn.History.append": lambda: call(history().append, {"loss": 0.5}),
    "nn.History.best": lambda: call(history().best, "loss"),
    "nn.History.last": lambda: call(history().last, "loss"),
    "nn.History.from_dict": lambda: call(lambda d: nn.History.from_dict(d)["loss"], history().to_dict()),
    "nn.History.to_dict": lambda: call(history().to_dict),
    "nn.History.plot": lambda: call(closed(history().plot), title="fuzzed"),
    # ------------------------------------------------------------------------------------------- nn: data and init
    "nn.data.Scaler": lambda: call(lambda mean, scale, x: data.Scaler(mean, scale)(x), A[0], P[0], B),
    "nn.data.Scaler.inverse": lambda: call(data.Scaler(A[0], P[0]).inverse, B),
    "nn.data.batches": lambda: call(lambda *a, **k: list(data.batches(*a, **k)), A, Y, 1, rng=0, shuffle=True),
    "nn.data.blobs": lambda: call(data.blobs, 6, classes=3, features=2, spread=0.5, rng=0),
    "nn.data.circles": lambda: call(data.circles, 6, noise=0.1, factor=0.5, rng=0),
    "nn.data.digits": lambda: call(data.digits),
    "nn.data.light_curves": lambda: call(data.light_curves, 3, length=8, noise=0.1, rng=0),
    "nn.data.logic": lambda: call(data.logic, "xor"),
    "nn.data.moons": lambda: call(data.moons, 6, noise=0.1, rng=0),
    "nn.data.one_hot": lambda: call(data.one_hot, CLASSES, 3),
    "nn.data.regression_line": lambda: call(data.regression_line, 6, slope=2.0, offset=1.0, noise=0.1, rng=0),
    "nn.data.sine": lambda: call(data.sine, 6, noise=0.1, low=-1.0, high=1.0, rng=0),
    "nn.data.sklearn_data": lambda: call(data.sklearn_data, "iris"),
    "nn.data.spirals": lambda: call(data.spirals, 6, classes=2, turns=1.5, noise=0.1, rng=0),
    "nn.data.standardize": lambda: call(data.standardize, A, B),
    "nn.data.train_test_split": lambda: call(data.train_test_split, A, Y, test=0.5, stratify=False, rng=0),
    "nn.data.xor": lambda: call(data.xor, 6, noise=0.1, rng=0),
    "nn.init.constant": lambda: call(init.constant, (2, 3), 0.5, rng=0),
    "nn.init.fans": lambda: call(init.fans, (2, 3)),
    "nn.init.kaiming_normal": lambda: call(init.kaiming_normal, (2, 3), 1.5, rng=0),
    "nn.init.kaiming_uniform": lambda: call(init.kaiming_uniform, (2, 3), 1.5, rng=0),
    "nn.init.linear_default": lambda: call(init.linear_default, (2, 3), rng=0),
    "nn.init.normal": lambda: call(init.normal, (2, 3), 0.5, 1.5, rng=0),
    "nn.init.orthogonal": lambda: call(init.orthogonal, (2, 3), 1.5, rng=0),
    "nn.init.resolve": lambda: call(init.resolve, "xavier_normal"),
    "nn.init.rng_of": lambda: call(init.rng_of, 0),
    "nn.init.uniform": lambda: call(init.uniform, (2, 3), -1.0, 1.0, rng=0),
    "nn.init.xavier_normal": lambda: call(init.xavier_normal, (2, 3), 1.5, rng=0),
    "nn.init.xavier_uniform": lambda: call(init.xavier_uniform, (2, 3), 1.5, rng=0),
    "nn.init.zeros": lambda: call(init.zeros, (2, 3), rng=0),
    # ------------------------------------------------------------------------------------------------ nn: pictures
    "nn.plot.activation_gallery": lambda: call(closed(plot.activation_gallery), ["tanh"], columns=2),
    "nn.plot.data_scatter": lambda: call(closed(plot.data_scatter), POINTS, LABELS, title="a", legend=True, size=20.0),
    "nn.plot.decision_boundary": lambda: call(closed(plot.decision_boundary), classifier(), POINTS, LABELS, title="a", resolution=5, threshold=None),
    "nn.plot.image_grid": lambda: call(closed(plot.image_grid), IMAGE[0], ["a", "b"], columns=2, title="a"),
    "nn.plot.layer_histograms": lambda: call(closed(plot.layer_histograms), model(), A, Y[:, None], loss="mse", only_activations=False),
    "nn.plot.loss_curves": lambda: call(closed(plot.loss_curves), history(), title="a", log=True, metrics=True),
    "nn.plot.loss_surface": lambda: call(closed(plot.loss_surface), lambda v: v[0] * v[0] + v[1] * v[1], paths={"a": POINTS}, xlim=(-1.0, 1.0), ylim=(-1.0, 1.0), resolution=5, log=False, title="a"),
    "nn.plot.misclassified": lambda: call(closed(plot.misclassified), nn.Sequential(nn.Linear(4, 2, rng=0)), np.linspace(0, 1, 16).reshape(4, 4), LABELS, most=4, columns=2, title="a"),
    "nn.plot.network": lambda: call(closed(plot.network), model(), by="weight", title="a", most=4, values=False),
    "nn.plot.new_axes": lambda: call(closed(plot.new_axes), None, (2.0, 2.0)),
    "nn.plot.optimizer_paths": lambda: call(plot.optimizer_paths, lambda v: v[0] * v[0] + v[1] * v[1], (1.0, 1.0), {"sgd": lambda p: nn.SGD(p, lr=0.1)}, steps=2),
    "nn.plot.regression_fit": lambda: call(closed(plot.regression_fit), nn.Sequential(nn.Linear(1, 1, rng=0)), A[:, :1], Y[:, None], title="a"),
    "nn.plot.weight_images": lambda: call(closed(plot.weight_images), nn.Linear(4, 2, rng=0), columns=2, most=2, title="a"),
}  # fmt: skip


# --------------------------------------------------------------------------------------- what the table knows
def sample(op: Op) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Operands and parameters to try an operation with."""
    if op.samples is not None:
        return op.samples(np.random.default_rng(0))[0]
    count = 3 if op.variadic else op.arity
    return tuple(A > 0.0 if not op.variadic and op.d[i] is None else P * (1.0 + 0.1 * i) for i in range(count)), {}


def as_node(op: Op, slot: int, x: Any) -> Any:
    """An operand as a leaf, where the operation has a derivative for it."""
    rules = op.d or op.vjp
    return x if not op.variadic and rules[slot] is None else Tensor(x)


def of_tensors(op: Op) -> Call:
    operands, params = sample(op)
    return Call(op, [as_node(op, i, x) for i, x in enumerate(operands)], dict(params))


def of_constants(op: Op) -> Call:
    operands, params = sample(op)
    return Call(op, [Tensor(operands[0]), *operands[1:]] if (op.d or op.vjp)[0] is not None else [operands[0], *map(Tensor, operands[1:])], dict(params))


def of_values(op: Op) -> Call:
    operands, params = sample(op)
    rules = op.d * len(operands) if op.variadic else op.d
    return Call(op, [Value(float(np.ravel(x)[0])) if rule is not None else bool(np.ravel(x)[0]) for x, rule in zip(operands, rules)], dict(params))


def method(op: Op, kind: type) -> Call:
    made = of_values(op) if kind is Value else of_tensors(op)
    first = next(i for i, x in enumerate(made.args) if isinstance(x, kind))
    return Call(getattr(made.args[first], op.name), [x for i, x in enumerate(made.args) if i != first], made.kwargs)


OPS = [op for op in TABLE.values() if built_in(op.name)]
BY_NUMPY = {
    ("np.linalg." if "linalg" in str(getattr(function, "__module__", "")) else "np.") + function.__name__: function for function in (*NUMPY, np.matmul)
}


def derived() -> Iterator[tuple[str, Callable[[], Call]]]:
    """A recipe for everything that is made from the table."""
    for op in OPS:
        yield f"Op {op.name}", lambda op=op: of_tensors(op)
        if len(op.d or op.vjp) > 1:
            yield f"Op {op.name} with constants", lambda op=op: of_constants(op)
        if op.elementwise:
            yield f"Op {op.name} of Values", lambda op=op: of_values(op)
        if op.name in ag.__all__ and op.name not in LISTED:
            yield op.name, lambda op=op: Call(getattr(ag, op.name), of_tensors(op).args, {})
        for kind in (Value, Tensor):
            if op.elementwise and f"{kind.__name__}.{op.name}" not in LISTED and callable(getattr(kind, op.name, None)):
                yield f"{kind.__name__}.{op.name}", lambda op=op, kind=kind: method(op, kind)
        if not op.elementwise and callable(getattr(Tensor, op.name, None)) and f"Tensor.{op.name}" not in LISTED:
            yield f"Tensor.{op.name}", lambda op=op: method(op, Tensor)
        if op.dunder and len(op.d or op.vjp) == 2:
            symbol = getattr(operator, f"__{op.dunder}__")
            yield f"{op.name}: operator", lambda op=op, symbol=symbol: Call(symbol, of_constants(op).args)
            yield f"{op.name}: operator, reflected", lambda op=op, symbol=symbol: Call(symbol, [sample(op)[0][0], Tensor(sample(op)[0][1])])
            if op.elementwise:
                yield f"{op.name}: operator of a Value", lambda op=op, symbol=symbol: Call(symbol, [Value(0.5), 0.25])
    for ufunc, op in UFUNCS.items():
        yield f"np.{ufunc.__name__}", lambda op=op, ufunc=ufunc: Call(ufunc, of_tensors(op).args)
    for name, function in BY_NUMPY.items():
        op = TABLE.get(function.__name__)
        if name not in LISTED and op is not None and not op.elementwise:
            yield name, lambda op=op, function=function: Call(function, of_tensors(op).args, of_tensors(op).kwargs)


DERIVED: dict[str, Callable[[], Call]] = dict(derived())
RECIPES: dict[str, Callable[[], Call]] = {**DERIVED, **LISTED}


# ---------------------------------------------------------------------------------------------- what is public
def public_names() -> dict[str, Any]:
    """Every public function, class, method and settable property, under the name that its recipe must have."""
    found: dict[str, Any] = {}
    for prefix, room in (("", ag), ("nn.", nn), ("nn.data.", data), ("nn.init.", init), ("nn.plot.", plot), ("strategies.", ag.strategies)):
        for name in room.__all__:
            thing = getattr(room, name)
            if isinstance(thing, ModuleType) or not callable(thing) or not hasattr(thing, "__name__") or getattr(thing, "__origin__", None):
                continue
            found[prefix + name] = thing
            if isinstance(thing, type):
                found.update(methods(prefix, thing))
    return found | dict(BY_NUMPY)


def methods(prefix: str, kind: type) -> Iterator[tuple[str, Any]]:
    """The public methods and settable properties of a class, under the class that defines them."""
    for owner in kind.__mro__[:-1]:
        if not owner.__module__.startswith(("autograd_core", "nn")):
            continue
        for name, thing in vars(owner).items():
            if name.startswith("_") or isinstance(thing, type):
                continue
            given = "<locals>" in getattr(thing, "__qualname__", "") and not (name in TABLE and built_in(name))
            if given or overrides_without_arguments(owner, name, thing):
                continue                       # the method of somebody's own operation, or nothing new to fuzz
            settable = (isinstance(thing, property) and thing.fset is not None) or (kind in (Value, Tensor) and inspect.ismemberdescriptor(thing) and name in ("grad", "label", "requires_grad"))
            if callable(thing) or isinstance(thing, (classmethod, staticmethod)) or settable:
                label = kind.__name__ if owner.__name__ in ("Node", "ArrayMethods") else owner.__name__
                if not label.startswith("_"):
                    yield f"{prefix}{label}.{name}", thing


def overrides_without_arguments(owner: type, name: str, thing: Any) -> bool:
    """A method that only answers in its own way what a public method of the base asks, and takes nothing to fuzz."""
    return inspect.isfunction(thing) and len(inspect.signature(thing).parameters) == 1 and any(name in vars(base) for base in owner.__mro__[1:-1])
