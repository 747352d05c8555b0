"""Random networks, losses, optimisers and schedules, of our modules or of torch's: one seed draws the same on both sides."""

import math

import numpy as np

import autograd_core as ag
import nn

__all__ = ["Draw"]


# ------------------------------------------------------------------------------- modules that both libraries can run as they stand
def last_of(self, x):
    out, state = self.rnn(x)
    first, final = self.rnn.batch_first, state[0] if isinstance(state, tuple) else state
    return {"steps": out, "last": out[:, -1] if first else out[-1], "state": final[-1], "mean": out.mean(axis=1 if first else 0)}[self.how]


def over_time(self, x):
    state = None
    for t in range(x.shape[1]):
        state = self.cell(x[:, t], state)
    return state[0] + state[1] if isinstance(state, tuple) else state


def again_and_again(self, x):
    for _ in range(self.times):
        x = x + self.block(x)
    return x


def attention(self, x):
    n, t, d = x.shape
    q, k, v = (m(x).reshape(n, t, self.heads, d // self.heads).swapaxes(1, 2) for m in (self.q, self.k, self.v))
    weights = (q @ k.swapaxes(-1, -2) / math.sqrt(d // self.heads) + self.mask[:t, :t]).softmax(-1)
    return x + self.o((weights @ v).swapaxes(1, 2).reshape(n, t, d))


def tied(self, indices):
    return self.body(self.table(indices)) @ self.table.weight.T


def mean_over_time(self, x):
    return x.mean(axis=1)


class Draw:
    """One side of a program; the same seed draws the same program on the other side."""

    def __init__(self, seed, torch, theirs):
        self.rng, self.torch, self.theirs = np.random.default_rng(seed), torch, theirs
        self.lib = torch.nn if theirs else nn
        self.dtype = np.float32 if self.chance(0.25) else np.float64

    def pick(self, *items):
        return items[self.rng.integers(len(items))]

    def chance(self, p=0.5):
        return bool(self.rng.random() < p)

    def int(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def array(self, x):
        return self.torch.tensor(np.asarray(x)) if self.theirs else x

    # -- modules
    def own(self, forward, **parts):
        """A module of a class of the user's, around parts."""
        base = self.lib.Module
        made = type(forward.__name__, (base,), {"forward": forward})()
        for name, part in parts.items():
            setattr(made, name, part)
        return made

    def weights(self, name, *sizes, **options):
        seed = int(self.rng.integers(1 << 30))
        if self.theirs:
            return getattr(self.lib, name)(*sizes, **options).to(self.torch.float32 if self.dtype == np.float32 else self.torch.float64)
        random = {} if name in ("LayerNorm", "BatchNorm1d", "BatchNorm2d", "PReLU") else {"rng": seed}
        return getattr(self.lib, name)(*sizes, dtype=self.dtype, **random, **options)

    def linear(self, nin, nout):
        return self.weights("Linear", nin, nout, bias=self.chance(0.85))

    def activation(self, channels=None):
        name = self.pick("Sigmoid", "Tanh", "ReLU", "LeakyReLU", "ELU", "SiLU", "GELU", "Softplus", "PReLU", "Identity", "Softmax")
        if name == "PReLU":
            return self.weights(name, channels or 1, 0.1)
        options = {"LeakyReLU": [0.01, 0.3], "ELU": [1.0, 0.5], "Softmax": [-1]}.get(name)
        return getattr(self.lib, name)(*([] if options is None else [self.pick(*options)]))

    def norm(self, width):
        return self.weights("LayerNorm", width, eps=self.pick(1e-5, 1e-2))

    def batch_norm(self, width):
        return self.weights("BatchNorm1d", width, eps=self.pick(1e-5, 1e-2), momentum=self.pick(0.1, 0.4), affine=self.chance(0.8))

    def mlp(self, nin, nout, depth=None, *, batch=True):
        """Layers from (n, nin) to (n, nout); without `batch`, from (…, nin) to (…, nout)."""
        modules, width = [], nin
        for _ in range(self.int(0, 3) if depth is None else depth):
            kind = self.pick("linear", "linear", "activation", "norm", "batch norm", "nested", "residual", "dropout", "shared")
            if kind == "linear":
                width, before = self.int(2, 6), width
                modules.append(self.linear(before, width))
            elif kind == "activation":
                modules.append(self.activation(width if batch else None))
            elif kind == "norm" and width > 1:
                modules.append(self.norm(width))
            elif kind == "batch norm" and batch:
                modules.append(self.batch_norm(width))
            elif kind == "nested":
                modules.append(self.mlp(width, width, self.int(0, 2), batch=batch))
            elif kind == "residual":
                modules.append(self.own(again_and_again, block=self.mlp(width, width, 1, batch=False), times=self.int(1, 2)))
            elif kind == "dropout":
                modules.append(self.lib.Dropout(0.0))
            elif kind == "shared":
                layer = self.linear(width, width)
                modules += [layer, self.activation(), layer]
        return self.lib.Sequential(*modules, self.linear(width, nout))

    def network(self):
        """(model, shape of the inputs, the number of indices or None, shape of the outputs)."""
        kind, n, k, t = self.pick("mlp", "stack", "image", "rnn", "cell", "attention", "tied", "channels"), self.int(3, 8), self.int(1, 4), self.int(1, 5)
        lib, a = self.lib, self.int(1, 5)
        if kind == "mlp":
            return self.mlp(a, k), (n, a), None, (n, k)
        if kind == "stack":
            return self.mlp(a, k, batch=False), (n, t, a), None, (n, t, k)
        if kind == "channels":
            return lib.Sequential(self.batch_norm(a), self.activation(a), lib.Flatten(), self.mlp(a * t, k)), (n, a, t), None, (n, k)
        if kind == "image":
            return self.image(n, k)
        if kind == "rnn":
            hidden, first = self.int(1, 4), self.chance()
            rnn = self.weights(self.pick("RNN", "GRU", "LSTM"), a, hidden, self.int(1, 2), batch_first=first)
            how = self.pick("steps", "last", "state", "mean")
            read = self.own(last_of, rnn=rnn, how=how)
            out = (n, k) if how != "steps" else (n, t, k) if first else (t, n, k)
            return lib.Sequential(read, self.mlp(hidden, k, batch=how != "steps")), (n, t, a) if first else (t, n, a), None, out
        if kind == "cell":
            hidden, name = self.int(1, 4), self.pick("RNNCell", "GRUCell", "LSTMCell")
            options = {} if name != "RNNCell" else {"nonlinearity" if self.theirs else "activation": self.pick("tanh", "relu")}
            return lib.Sequential(self.own(over_time, cell=self.weights(name, a, hidden, **options)), self.mlp(hidden, k)), (n, t, a), None, (n, k)
        if kind == "attention":
            heads = self.int(1, 2)
            d = heads * self.int(1, 3)
            parts = {name: self.linear(d, d) for name in "qkvo"}
            if self.chance(0.3):
                parts["k"] = parts["q"]
            mask = self.array(np.where(np.tri(5, dtype=bool), 0.0, -np.inf if self.chance() else 0.0).astype(self.dtype))
            read = lib.Sequential(self.own(mean_over_time), self.mlp(d, k)) if self.chance() else self.linear(d, k)
            return lib.Sequential(self.own(attention, heads=heads, mask=mask, **parts), read), (n, t, d), None, (n, k) if isinstance(read, lib.Sequential) else (n, t, k)
        words, width = self.int(2, 6), self.int(1, 4)
        return self.own(tied, table=self.weights("Embedding", words, width), body=self.mlp(width, width, batch=False)), (n, t), words, (n, t, words)

    def image(self, n, k):
        lib, channels, h, w = self.lib, self.int(1, 2), self.int(5, 8), self.int(5, 8)
        modules, given = [], (n, channels, h, w)
        for _ in range(self.int(1, 2)):
            out, size, stride, padding = self.int(1, 3), (self.int(1, 3), self.int(1, 3)), (self.int(1, 2), self.int(1, 2)), (self.int(0, 2), self.int(0, 2))
            modules.append(self.weights("Conv2d", channels, out, size, stride=stride, padding=padding, bias=self.chance()))
            channels, h, w = out, *((m + 2 * p - s) // q + 1 for m, p, s, q in zip((h, w), padding, size, stride, strict=True))
            if self.chance(0.3) and n * h * w > 1:
                modules.append(self.weights("BatchNorm2d", channels, eps=self.pick(1e-5, 1e-2), momentum=self.pick(0.1, 0.4), affine=self.chance(0.8)))
            modules.append(self.activation(channels))
            window, step, border = (self.int(1, 2), self.int(1, 3)), self.pick(None, 1, 2), (0, self.int(0, 1))
            border = (0, min(border[1], window[1] // 2))
            if self.chance() and h >= window[0] and w + 2 * border[1] >= window[1]:
                modules.append(getattr(lib, self.pick("MaxPool2d", "AvgPool2d"))(window, stride=step, padding=border))
                steps = window if step is None else (step, step)
                h, w = ((m + 2 * p - s) // q + 1 for m, p, s, q in zip((h, w), border, window, steps, strict=True))
            if h < 3 or w < 3:
                break
        if self.chance(0.3):
            return lib.Sequential(*modules), given, None, (n, channels, h, w)
        return lib.Sequential(*modules, lib.Flatten(), self.mlp(channels * h * w, k)), given, None, (n, k)

    # -- losses
    def loss(self, shape):
        """A loss of predictions of a shape, with targets and options."""
        kind = self.pick("mse", "squared", "l1", "huber", "hinge", "bce", "logits", *["classes"] * 3, "nll", "probabilities")
        reduction = self.pick("mean", "mean", "sum", "none")
        weight = self.rng.uniform(0.1, 2.0, self.pick(shape, shape[-1:], (1,) * len(shape))) if self.chance(0.3) else None
        loss = {"classes": self.of_classes, "nll": self.of_classes, "probabilities": self.of_classes}.get(kind, self.elementwise)(kind, shape, reduction, weight)
        share = np.linspace(-1.0, 1.5, 4000)

        def reduced(prediction):
            losses = loss(prediction)
            if reduction != "none":
                return losses
            size = math.prod(losses.shape)
            return (losses.reshape(size) * self.array(share[:size].astype(self.dtype))).sum()

        return reduced

    def elementwise(self, kind, shape, reduction, weight):
        f, options = self.torch.nn.functional, {"reduction": reduction}
        if weight is not None and kind != "hinge":
            options["weight"] = self.torch.tensor(np.broadcast_to(weight, shape).astype(self.dtype)) if self.theirs else weight
        if kind == "hinge":
            y = self.array(self.rng.choice([-1.0, 1.0], size=shape).astype(self.dtype))
            reduce = {"mean": lambda e: e.mean(), "sum": lambda e: e.sum(), "none": lambda e: e}[reduction]
            return lambda p: reduce((0.7 - y * p).relu()) if self.theirs else nn.hinge_loss(p, y, margin=0.7, **options)
        if kind in ("bce", "logits"):
            y = self.array(self.pick(self.rng.integers(0, 2, shape), self.rng.uniform(size=shape)).astype(self.dtype))
            ours, reference = (nn.binary_cross_entropy, f.binary_cross_entropy) if kind == "bce" else (nn.binary_cross_entropy_with_logits, f.binary_cross_entropy_with_logits)
            if kind == "logits" and self.chance():
                options["pos_weight"] = self.array(self.rng.uniform(0.5, 3.0, self.pick((), shape[-1:], shape)).astype(self.dtype))
            return lambda p: (reference if self.theirs else ours)(p.sigmoid() * 0.98 + 0.01 if kind == "bce" else p, y, **options)
        y = self.array((self.rng.normal(size=shape) * 2.0).astype(self.dtype))
        if kind == "huber":
            options["delta"] = self.pick(1.0, 0.3, 2.5)
        if self.theirs:
            reference = {"mse": f.mse_loss, "squared": f.mse_loss, "l1": f.l1_loss, "huber": f.huber_loss}[kind]
            return lambda p: reference(p, y, **options) * (0.5 if kind == "squared" else 1.0)
        return lambda p: {"mse": nn.mse_loss, "squared": nn.squared_error, "l1": nn.l1_loss, "huber": nn.huber_loss}[kind](p, y, **options)

    def of_classes(self, kind, shape, reduction, weight):
        turn = self.pick("flat", "turned", "as it is") if len(shape) == 3 else "as it is"
        view = {"flat": (shape[0] * shape[-2], shape[-1]), "turned": (shape[0], shape[-1], shape[-2]), "as it is": shape}[turn]
        classes, ignored = view[1], self.pick(-100, -1, 0)
        options = {"reduction": reduction}
        if self.chance(0.4):
            options["weight"] = self.array(self.rng.uniform(0.2, 2.0, classes).astype(self.dtype))
        if kind != "nll":
            options["label_smoothing"] = self.pick(0.0, 0.0, 0.1, 1.0)
        if kind == "probabilities":
            y = np.moveaxis(self.rng.dirichlet(np.ones(classes), view[:1] + view[2:]), -1, 1).astype(self.dtype)
        else:
            options["ignore_index"] = ignored
            y = np.where(self.rng.random(view[:1] + view[2:]) < 0.3, ignored, self.rng.integers(0, classes, view[:1] + view[2:]))
            y.flat[0] = classes - 1
            if ignored == classes - 1:
                options["ignore_index"] = -100
                y = np.maximum(y, 0)
        y, f = self.array(y), self.torch.nn.functional

        def loss(p):
            p = p.reshape(view) if turn == "flat" else p.swapaxes(1, 2) if turn == "turned" else p
            if kind == "nll":
                return f.nll_loss(f.log_softmax(p, 1), y, **options) if self.theirs else nn.nll_loss(ag.log_softmax(p, 1), y, **options)
            return (f if self.theirs else nn).cross_entropy(p, y, **options)

        return loss

    # -- optimisers, schedules, clipping
    def optimizer(self):
        """(its name, its settings, other settings for some of the parameters); an ε that keeps rounding from being magnified."""
        eps, lr, decay = 1e-2 if self.dtype == np.float32 else self.pick(1e-3, 1e-2), self.pick(0.003, 0.02), self.pick(0.0, 0.0, 0.05)
        name, settings = self.pick("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"), {"lr": lr, "weight_decay": decay, "maximize": self.chance(0.1)}
        other = {"lr": lr * 0.4, "weight_decay": 0.1}
        if name == "SGD":
            momentum = self.pick(0.0, 0.9, 0.5)
            nesterov = momentum > 0.0 and self.chance(0.4)
            settings |= {"momentum": momentum, "nesterov": nesterov, "dampening": 0.0 if nesterov else self.pick(0.0, 0.3)}
        elif name in ("Adam", "AdamW"):
            settings |= {"betas": self.pick((0.9, 0.999), (0.5, 0.9), (0.0, 0.99)), "eps": eps, "amsgrad": self.chance(0.3)}
            other |= {"betas": (0.7, 0.8), "amsgrad": True}
        elif name == "RMSprop":
            settings |= {"alpha": self.pick(0.99, 0.5), "eps": eps, "momentum": self.pick(0.0, 0.8), "centered": self.chance(0.4)}
            other |= {"alpha": 0.7, "momentum": 0.3, "centered": not settings["centered"]}
        elif name == "Adadelta":
            settings |= {"rho": self.pick(0.9, 0.5), "eps": eps}
            other |= {"rho": 0.7}
        else:
            settings |= {"lr_decay": self.pick(0.0, 0.1), "initial_accumulator_value": self.pick(0.0, 0.4), "eps": eps}
            other |= {"lr_decay": 0.3}
        return name, settings, {k: v for k, v in other.items() if self.chance()}

    def schedule(self):
        return self.pick(
            None, ("StepLR", {"step_size": 3, "gamma": 0.5}), ("ExponentialLR", {"gamma": 0.9}), ("CosineAnnealingLR", {"T_max": 8, "eta_min": 1e-3}),
            ("LambdaLR", {"lr_lambda": lambda e: 1.0 / (1.0 + 0.2 * e)}), ("ReduceLROnPlateau", {"factor": 0.5, "patience": 1}),
        )  # fmt: skip
