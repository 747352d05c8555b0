"""How names that PyTorch, MyGrad and MXNet have are written here: the ends of the errors for those who know them. Nothing here computes."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["ARGUMENTS", "METHODS", "NAMES", "Absent"]


class Absent:
    """A name that a class of another library has: reading it raises an AttributeError that says what is written here."""

    def __init__(self, name: str, written: str) -> None:
        """The name, and what is written in its place."""
        self.name, self.written = name, written

    def __get__(self, owner: Any, kind: type) -> NoReturn:
        """Raise the AttributeError."""
        text = f"{kind.__name__!r} object has no attribute {self.name!r}; here it is written {self.written}"
        raise AttributeError(text, name=self.name, obj=kind if owner is None else owner)


METHODS = {
    "view": "reshape", "permute": "transpose", "unsqueeze": "x[:, None]", "pow": "x ** y", "mm": "x @ y", "bmm": "x @ y", "mv": "x @ y", "t": "x.T",
    "expand": "np.broadcast_to(x, shape)", "tile": "np.tile(x, counts)", "repeat_interleave": "np.repeat(x, counts, axis)", "flip": "np.flip(x, axis)",
    "masked_fill": "np.where(mask, value, x)", "clamp": "clip", "rsqrt": "x ** -0.5", "tril": "np.tril(x)", "triu": "np.triu(x)", "diag": "np.diag(x)",
    "gather": "np.take_along_axis(x, indices, axis)", "index_select": "np.take(x, indices, axis)", "topk": "np.sort(x, axis)", "unbind": "list(x)",
    "chunk": "np.split(x, parts, axis)", "split": "np.split(x, parts, axis)", "numel": "x.size", "nelement": "x.size", "dim": "x.ndim",
    "eq": "x == y", "ne": "x != y", "lt": "x < y", "le": "x <= y", "gt": "x > y", "ge": "x >= y",
    "to": "astype", "float": "astype(np.float32)", "double": "astype(np.float64)", "long": "astype(int)", "int": "astype(int)", "bool": "x != 0",
    "cpu": "x itself", "cuda": "x itself", "contiguous": "x itself", "realize": "x itself", "clone": "x.copy()",
    "requires_grad_": "x.requires_grad = …, for a Tensor", "attach_grad": "Tensor(data)", "zero_grad": "x.grad = None (0.0 for a Value)",
    "is_leaf": "x.op is None", "grad_fn": "x.op", "creator": "x.op", "retain_grad": "x.grad, which results keep", "null_grad": "x.grad = None",
    "add_": "x += y, under no_grad()", "sub_": "x -= y, under no_grad()", "mul_": "x *= y, under no_grad()", "div_": "x /= y, under no_grad()",
    "zero_": "x[...] = 0.0, under no_grad()", "fill_": "x[...] = value, under no_grad()", "copy_": "x[...] = y, under no_grad()",
    "normal_": "x[...] = rng.normal(size=x.shape), under no_grad()", "uniform_": "x[...] = rng.uniform(size=x.shape), under no_grad()",
    "assign": "x[...] = y, under no_grad()",
    "zeros": "Tensor(np.zeros(shape))", "ones": "Tensor(np.ones(shape))", "eye": "Tensor(np.eye(n))", "randn": "Tensor(rng.normal(size=shape))",
    "sort": "np.sort(x), a sorted copy", "partition": "np.partition(x, kth), a copy", "fill": "np.full_like(x, value), a new one",
    "put": "np.where(…), a new one",
    "null_gradients": "x.grad = None", "constant": "not x.requires_grad", "clear_graph": "del x, which frees its graph",
    "moveaxis": "np.moveaxis(x, source, destination)", "flat": "x.ravel()", "detach_": "x.detach()",
}  # fmt: skip
"""Methods of tensors that other libraries have, and of arrays that write into them → what is written here."""

ARGUMENTS = {
    "dim": "axis", "keepdim": "keepdims", "unbiased": "ddof, 1 for n − 1 in the denominator and 0 for n",
    "retain_graph": "backward() alone: the graph stays", "create_graph": "grad(grad(f)), hessian(f) or hvp, of a function f",
}  # fmt: skip
"""Keyword arguments of other libraries → what is written here."""

NAMES = {
    "cat": "np.concatenate", "concat": "np.concatenate", "bmm": "np.matmul", "mm": "np.matmul", "clamp": "clip", "topk": "np.sort",
    "randn": "rng.normal(size=…)", "rand": "rng.uniform(size=…)", "randint": "rng.integers(low, high, size=…)", "randperm": "rng.permutation(n)",
    "multinomial": "rng.choice(len(p), p=p)", "manual_seed": "rng = np.random.default_rng(seed)", "from_numpy": "Tensor", "as_tensor": "Tensor",
    "Variable": "Tensor", "Parameter": "Tensor", "inference_mode": "no_grad", "gradcheck": "check_grads", "Function": "operation", "primitive": "operation",
    "optim": "nn.SGD and its kin", "Module": "nn.Module", "Linear": "nn.Linear", "MLP": "nn.MLP", "cross_entropy": "nn.cross_entropy",
} | {name: f"np.{name}(…), or Tensor(np.{name}(…)) for a leaf" for name in ("zeros", "ones", "eye", "full", "empty", "arange")}  # fmt: skip
"""Names of packages → what is written here."""
