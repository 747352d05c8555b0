"""How names that PyTorch and Keras have are written here: the end of the errors for those who know them.

Nothing here computes. `of_a_package` answers for names that a module of Python does not have, `Absent` for methods that a class does not have.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import autograd_core

__all__ = ["METHODS", "NAMES", "Absent", "of_a_package", "of_an_initialiser"]

NAMES = {
    "BCELoss": "nn.binary_cross_entropy", "BCEWithLogitsLoss": "nn.binary_cross_entropy_with_logits", "CrossEntropyLoss": "nn.cross_entropy",
    "HingeEmbeddingLoss": "nn.hinge_loss", "HuberLoss": "nn.huber_loss", "L1Loss": "nn.l1_loss", "MSELoss": "nn.mse_loss", "NLLLoss": "nn.nll_loss",
    "SmoothL1Loss": "nn.huber_loss", "smooth_l1_loss": "nn.huber_loss", "LogSoftmax": "autograd_core.log_softmax", "one_hot": "nn.data.one_hot",
    "Parameter": "a Tensor: self.weight = Tensor(…) is found", "ModuleList": "a list: self.layers = [Linear(…), …] is found",
    "ModuleDict": "a dictionary: self.layers = {…} is found", "ParameterList": "a list: self.weights = [Tensor(…), …] is found",
    "ParameterDict": "a dictionary: self.weights = {…} is found", "DataLoader": "nn.data.batches(x, y, …)", "TensorDataset": "nn.data.batches(x, y, …)",
    "lr_scheduler": "nn.StepLR and its kin", "utils": "nn.clip_grad_norm_",
}  # fmt: skip
"""Names of packages → what is written in their place."""

METHODS = {
    "register_buffer": "self.name = array, with its name in the tuple `buffers` of the class", "register_parameter": "self.name = Tensor(…)",
    "add_module": "self.name = module, or setattr", "register_module": "self.name = module, or setattr", "append": "Sequential(*model, module)",
    "named_children": "children(), which gives names and modules",
    "to": "with dtype= where a layer is made", "float": "with dtype=np.float32 where a layer is made", "double": "with dtype=np.float64 where a layer is made",
    "cpu": "the module itself", "cuda": "the module itself", "compile": "nn.fit(model, x, y, loss=…, optimizer=…)", "fit": "nn.fit(model, x, y, …)",
    "predict": "nn.predict(model, x)", "evaluate": "nn.evaluate(model, x, y, …)", "save": "nn.save(model, path)",
}  # fmt: skip
"""Methods of modules → what is written in their place."""


class Absent:
    """A method that a class of another library has: reading it raises an AttributeError that says how it is written here."""

    def __init__(self, name: str) -> None:
        """The name, a key of `METHODS`."""
        self.name = name

    def __get__(self, module: Any, kind: type) -> Any:
        """Never anything."""
        text = f"{kind.__name__!r} object has no attribute {self.name!r}; here it is written {METHODS[self.name]}"
        raise AttributeError(text, name=self.name, obj=kind if module is None else module)


def of_a_package(package: str, name: str, ours: list[str]) -> AttributeError:
    """The error for a name that a package does not have: what is written instead, or which of `ours` it is a slip of the pen for."""
    hint = ""
    if not name.startswith("_"):               # those are what tools ask of every module
        known = {one.lower(): one for one in ours}
        near = next((known[one] for one in get_close_matches(name.lower(), known, 1, 0.75)), "")
        instead = NAMES.get(name) or (f"nn.{name}" if name in ours else f"autograd_core.{name}" if name in autograd_core.__all__ else "")
        hint = f"; here it is written {instead}" if instead else f"; did you mean nn.{near}?" if near else ""
    return AttributeError(f"module {package!r} has no attribute {name!r}{hint}", name=name)


def of_an_initialiser(name: str, ours: list[str]) -> AttributeError:
    """The error for torch's initialisers, which write into a tensor and have an underscore at the end."""
    near = {"ones": "constant", "zeros": "zeros"}.get(name.rstrip("_"), name.rstrip("_"))
    hint = f"; here it is written weight.data[...] = nn.init.{near}(weight.shape, …)" if name.endswith("_") and near in ours else ""
    return AttributeError(f"module 'nn.init' has no attribute {name!r}{hint}", name=name)
