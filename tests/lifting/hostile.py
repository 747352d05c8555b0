"""Random scalar programs over the elementwise table, and hostile points to replay them at: ties, zeros, infinities, nan."""

from __future__ import annotations

import math
import random
from typing import Any

from autograd_core import TABLE, Value, weighted_sum

__all__ = ["HostileProgram"]

_SIGN_OF_ZERO = {"arctan2", "div", "reciprocal", "power", "sqrt"}
"""Operations that tell 0 from −0, of which a sum in another order may give either."""
_OTHER = {"strong_mul", "gap", "bce", "bce_with_logits"}
UNARY = [o.name for o in TABLE.values() if o.elementwise and o.arity == 1 and not o.variadic and o.name not in _SIGN_OF_ZERO | _OTHER]
BINARY = [o.name for o in TABLE.values() if o.elementwise and o.arity == 2 and o.name not in _SIGN_OF_ZERO | _OTHER]
TAME = {"tanh", "sin", "cos", "sigmoid", "relu", "abs", "square", "softplus", "leaky_relu", "elu", "clip", "add", "sub", "mul", "maximum", "minimum"}
HOSTILE = [0.0, 1.0, -1.0, 2.0, 0.5, math.inf, -math.inf, math.nan, 1000.0, -1000.0]
OPTIONS: dict[str, list[dict[str, float]]] = {
    "clip": [{"min": -0.5, "max": 0.7}, {"min": 0.0}, {"max": 1.0}], "leaky_relu": [{"slope": 0.01}, {"slope": 0.3}],
    "elu": [{"alpha": 1.0}, {"alpha": 0.4}],
}  # fmt: skip


class HostileProgram:
    """Rows of lanes that compute alike, over shared operands and plain numbers; `points` are leaves to replay it at."""

    def __init__(self, seed: int) -> None:
        rng = self.rng = random.Random(seed)
        self.parameters, self.inputs = rng.randint(1, 6), rng.randint(0, 5)
        leaves = self.parameters + self.inputs
        tame = rng.random() < 0.5
        self.unary = [name for name in UNARY if not tame or name in TAME]
        self.binary = [name for name in BINARY if not tame or name in TAME]
        self.steps: list[tuple[str, Any, Any]] = []
        length = rng.randint(1, 40)
        while len(self.steps) < length:
            self.add_row(range(leaves + len(self.steps)), rng.choice([1, 1, 2, 3, 5]))
        self.weights = [rng.uniform(-1.0, 1.0) for _ in range(rng.randint(1, 6))]
        ordinary = rng.random() < 0.4
        self.points = [[rng.uniform(-2.0, 2.0) if ordinary else rng.choice([rng.uniform(-2.0, 2.0), *rng.sample(HOSTILE, 2)]) for _ in range(leaves)] for _ in range(4)]

    def number(self) -> float:
        return self.rng.choice([self.rng.uniform(-2.0, 2.0), self.rng.uniform(-2.0, 2.0), self.rng.choice(HOSTILE)])

    def add_row(self, have: range, lanes: int) -> None:
        rng = self.rng
        kind = rng.choice(["unary", "unary", "binary", "binary", "dot", "sum", "where", "power", "number"])
        if kind in ("unary", "binary"):
            name = rng.choice(self.unary if kind == "unary" else self.binary)
            options = rng.choice(OPTIONS.get(name, [{}]))
            for _ in range(lanes):
                operands: list[Any] = [rng.choice(have) for _ in range(1 if kind == "unary" else 2)]
                if kind == "binary" and rng.random() < 0.2:
                    operands[rng.randrange(2)] = self.number()
                self.steps.append((name, operands, options))
        elif kind == "power":
            exponent = rng.choice([2.0, 3.0, 0.0, 1.0])
            self.steps += [("power", [rng.choice(have), exponent], {}) for _ in range(lanes)]
        elif kind == "where":
            self.steps += [("where", [rng.random() < 0.5, rng.choice(have), rng.choice(have)], {}) for _ in range(lanes)]
        elif kind == "number":
            self.steps += [(rng.choice(["add", "mul", "sub"]), [rng.choice(have), self.number()], {}) for _ in range(lanes)]
        elif kind == "dot":
            shared = [rng.choice(have) for _ in range(rng.randint(1, 4))]
            fused = rng.random() < 0.5
            self.steps += [("fused" if fused else "dot", shared, [rng.choice(have) for _ in shared]) for _ in range(lanes)]
        else:
            self.steps += [
                ("sum", [(rng.choice(have), rng.choice([1.0, rng.uniform(-2.0, 2.0)])) for _ in range(rng.randint(1, 4))], None) for _ in range(lanes)
            ]

    def __call__(self, leaves: list[Value]) -> Any:
        """The root, recorded on these leaves."""
        v: list[Any] = list(leaves)
        for name, operands, more in self.steps:
            if name == "fused":
                out = weighted_sum([v[i] for i in operands], [v[i] for i in more], 0.0)
            elif name == "dot":
                out = sum(v[i] * v[j] for i, j in zip(operands, more, strict=True))
            elif name == "sum":
                out = sum(v[i] * k for i, k in operands)
            else:
                out = TABLE[name](*(v[x] if type(x) is int else x for x in operands), **more)
            v.append(out)
        return sum(x * w for x, w in zip(v[-len(self.weights) :], self.weights, strict=False))
