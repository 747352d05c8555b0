"""How names that PyTorch and Keras have are written here: the end of the errors for those who know them.

Nothing here computes. `of_a_package` answers for names that a module of Python does not have, `Answers` for methods that a class does not have.
"""

from __future__ import annotations

from difflib import get_close_matches
from inspect import getattr_static

import autograd_core
from autograd_core.elsewhere import Absent

__all__ = ["METHODS", "NAMES", "OF_OPTIMIZERS", "OF_SCHEDULES", "Answers", "of_a_package", "of_an_initialiser"]

NAMES = {
    "BCELoss": "nn.binary_cross_entropy", "BCEWithLogitsLoss": "nn.binary_cross_entropy_with_logits", "CrossEntropyLoss": "nn.cross_entropy",
    "HuberLoss": "nn.huber_loss", "L1Loss": "nn.l1_loss", "MSELoss": "nn.mse_loss", "NLLLoss": "nn.nll_loss",
    "MultiLabelSoftMarginLoss": "nn.binary_cross_entropy_with_logits", "LogSoftmax": "autograd_core.log_softmax", "one_hot": "nn.data.one_hot",
    "Parameter": "a Tensor: self.weight = Tensor(…) is found", "ModuleList": "a list: self.layers = [Linear(…), …] is found",
    "ModuleDict": "a dictionary: self.layers = {…} is found", "ParameterList": "a list: self.weights = [Tensor(…), …] is found",
    "ParameterDict": "a dictionary: self.weights = {…} is found", "DataLoader": "nn.data.batches(x, y, …)", "TensorDataset": "nn.data.batches(x, y, …)",
    "lr_scheduler": "nn.StepLR and its kin", "utils": "nn.clip_grad_norm_", "pad": "np.pad", "LRScheduler": "nn.schedules.Schedule",
    "ChainedScheduler": "step() of each of the schedules, one after the other",
} | {
    name: written for names, written in {
        ("Conv1d", "conv1d"): "nn.Conv2d(nin, nout, (1, size))(x[:, :, None])[:, :, 0]",
        ("MaxPool1d", "max_pool1d"): "nn.MaxPool2d((1, size))(x)",
        ("AvgPool1d", "avg_pool1d"): "nn.AvgPool2d((1, size))(x)",
        ("LogSigmoid", "logsigmoid"): "-autograd_core.softplus(-x)",
        ("Softmin", "softmin"): "autograd_core.softmax(-x)",
        ("Softsign", "softsign"): "x / (1 + np.abs(x))",
        ("Tanhshrink", "tanhshrink"): "x - autograd_core.tanh(x)",
        ("Mish", "mish"): "x * autograd_core.tanh(autograd_core.softplus(x))",
        ("SELU", "selu"): "1.0507009873554805 * autograd_core.elu(x, alpha=1.6732632423543772)",
        ("ReLU6", "relu6"): "np.clip(x, 0, 6)",
        ("Hardtanh", "hardtanh"): "np.clip(x, -1, 1)",
        ("Hardsigmoid", "hardsigmoid"): "np.clip(x / 6 + 0.5, 0, 1)",
        ("Hardswish", "hardswish"): "x * np.clip(x / 6 + 0.5, 0, 1)",
        ("SmoothL1Loss", "smooth_l1_loss"): "nn.huber_loss(x, y, delta=beta) / beta",
        ("HingeEmbeddingLoss", "hinge_embedding_loss"): "np.mean(np.where(y > 0, x, np.maximum(0, 1 - x)))",
        ("KLDivLoss", "kl_div"): "np.mean(y * (np.log(y) - x)), of probabilities y and logarithms x",
        ("GaussianNLLLoss", "gaussian_nll_loss"): "np.mean(np.log(var) + (x - y) ** 2 / var) / 2",
        ("PoissonNLLLoss", "poisson_nll_loss"): "np.mean(np.exp(x) - y * x)",
        ("SoftMarginLoss", "soft_margin_loss"): "np.mean(autograd_core.softplus(-y * x))",
        ("CosineSimilarity", "cosine_similarity"): "np.sum(x * y, axis=1) / (np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1))",
        ("PairwiseDistance", "pairwise_distance"): "np.linalg.norm(x - y, axis=1)",
        ("normalize",): "x / np.linalg.norm(x, axis=1, keepdims=True)",
        ("scaled_dot_product_attention",): "autograd_core.softmax(q @ k.mT / k.shape[-1] ** 0.5) @ v",
        ("AdaptiveAvgPool2d", "adaptive_avg_pool2d"): "np.mean(x, axis=(-2, -1), keepdims=True), for an output of 1 by 1",
        ("AdaptiveMaxPool2d", "adaptive_max_pool2d"): "np.max(x, axis=(-2, -1), keepdims=True), for an output of 1 by 1",
        ("LinearLR",): "nn.LambdaLR(optimizer, lambda epoch: start + (1 - start) * min(epoch, n) / n)",
        ("ConstantLR",): "nn.LambdaLR(optimizer, lambda epoch: factor if epoch < n else 1)",
        ("PolynomialLR",): "nn.LambdaLR(optimizer, lambda epoch: (1 - min(epoch, n) / n) ** power)",
        ("CosineAnnealingWarmRestarts",): "nn.LambdaLR(optimizer, lambda epoch: 0.5 + 0.5 * math.cos(math.pi * (epoch % n) / n))",
        ("CyclicLR", "OneCycleLR", "SequentialLR"): "nn.LambdaLR(optimizer, f), with the factor f(epoch) on the initial rate",
    }.items() for name in names
}  # fmt: skip
"""Names of packages → what is written in their place."""

METHODS = {
    "register_buffer": "self.name = array, with its name in the tuple `buffers` of the class", "register_parameter": "self.name = Tensor(…)",
    "add_module": "self.name = module, or setattr", "register_module": "self.name = module, or setattr", "append": "Sequential(*model, module)",
    "extend": "Sequential(*model, *modules)", "insert": "Sequential(*model[:i], module, *model[i:])",
    "register_forward_hook": "a forward() of your own; model[:i](x) is what the first i modules of a Sequential give",
    "get_parameter": "dict(model.named_parameters())[path]", "get_submodule": "dict(model.named_modules())[path]",
    "named_children": "children(), which gives names and modules", "named_buffers": "state_dict(), where buffers stand beside parameters",
    "to": "with dtype= where a layer is made", "float": "with dtype=np.float32 where a layer is made", "double": "with dtype=np.float64 where a layer is made",
    "cpu": "the module itself", "cuda": "the module itself", "compile": "nn.fit(model, x, y, loss=…, optimizer=…)", "fit": "nn.fit(model, x, y, …)",
    "predict": "nn.predict(model, x)", "evaluate": "nn.evaluate(model, x, y, …)", "save": "nn.save(model, path)",
}  # fmt: skip
"""Methods of modules → what is written in their place."""


OF_OPTIMIZERS = {"add_param_group": 'SGD([{"params": …}, {"params": …, "lr": …}]), a new one with all of them'}
"""Methods of optimisers → what is written in their place."""

OF_SCHEDULES = {"last_epoch": "epoch", "get_lr": "get_last_lr()", "print_lr": "get_last_lr()"}
"""Names of schedules → what is written in their place."""


class Answers:
    """The base of classes with `Absent` names, which are set from a table and do not appear in `dir()`."""

    def __dir__(self) -> list[str]:
        """Without the names that are only there to say what is written in their place."""
        return sorted(name for name in set(super().__dir__()) if not isinstance(getattr_static(self, name, None), Absent))

    @classmethod
    def _answer(cls, table: dict[str, str]) -> None:
        for name, written in table.items():
            setattr(cls, name, Absent(name, written))


def of_a_package(package: str, name: str, ours: list[str]) -> AttributeError:
    """The error for a name that a package does not have: what is written instead, or which of `ours` it may be a misspelling of."""
    hint = ""
    if not name.startswith("_"):               # those are what tools ask of every module
        known = {one.lower(): one for one in ours}
        near = next((known[one] for one in get_close_matches(name.lower(), known, 1, 0.75)), "")
        instead = NAMES.get(name) or (f"nn.{name}" if name in ours else f"autograd_core.{name}" if name in autograd_core.__all__ else "")
        hint = f"; here it is written {instead}" if instead else f"; did you mean nn.{near}?" if near else ""
    return AttributeError(f"module {package!r} has no attribute {name!r}{hint}", name=name)


def of_an_initialiser(name: str, ours: list[str]) -> AttributeError:
    """The error for torch's initialisers, which write into a tensor and have an underscore at the end."""
    if name == "calculate_gain":
        return AttributeError("module 'nn.init' has no attribute 'calculate_gain'; here it is written nn.init.GAINS[name]", name=name)
    near = {"ones": "constant", "zeros": "zeros"}.get(name.rstrip("_"), name.rstrip("_"))
    hint = f"; here it is written weight.data[...] = nn.init.{near}(weight.shape, …)" if name.endswith("_") and near in ours else ""
    return AttributeError(f"module 'nn.init' has no attribute {name!r}{hint}", name=name)
