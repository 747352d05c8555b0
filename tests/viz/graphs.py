"""Graphs that the tests of the pictures share, and how they read a page."""

import base64
import json
import random
import re
import zlib

import numpy as np

from autograd_core import Tensor, Value


def data_of(html):
    """The data of a page, with what it keeps compressed in its place."""
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])
    pack = json.loads(zlib.decompress(base64.b64decode(data["pack"]))) if data.get("pack") else []
    if isinstance(data["steps"], int):
        data["steps"] = pack[data["steps"]]
    for scene in data["scenes"]:
        if scene["at"] is not None:
            at, k = scene["at"]
            scene.update(pack[at]["inside"][k], svg="".join(pieces[k] or "" for pieces in pack[at]["svg"]))
        scene["whole"] = None if scene["whole"] is None else pack[scene["whole"]]
    return data


MODULES = {}


def scope(path, kind, inputs, outer=None):
    """What the call of the module of this kind at this path leaves on its outputs."""
    owner = MODULES.setdefault((path, kind), type(kind, (), {"named_modules": lambda _: [(p, m) for (p, _), m in MODULES.items()]})())
    return (owner, tuple(inputs), outer)


def mlp(sizes, seed=0):
    """A scalar network that records its module calls, written out by hand."""
    rng = random.Random(seed)
    layers = [
        [([Value(rng.uniform(-1, 1), label=f"w{i}") for i in range(a)], Value(rng.uniform(-1, 1), label="b")) for _ in range(b)]
        for a, b in zip(sizes, sizes[1:])
    ]

    def call(xs):
        top = scope("", "MLP", xs)
        for i, layer in enumerate(layers):
            inner, out = scope(f"layers.{i}", "Layer", xs, top), []
            for j, (weights, bias) in enumerate(layer):
                s = bias
                for w, x in zip(weights, xs):
                    s = s + w * x
                s = s.tanh()
                s._scope = scope(f"layers.{i}.neurons.{j}", "Neuron", xs, inner)
                out.append(s)
            xs = out
        return xs

    return call


def neuron():
    w, x, b = Value(2.0, label="w"), Value(-1.0, label="x"), Value(0.5, label="b")
    out = (w * x + b).tanh()
    out.label = "out"
    return out, w, x, b


def mlp_loss(*sizes):
    xs = [Value(0.5 * i - 0.3, label=f"x{i}") for i in range(sizes[0])]
    loss = (mlp(sizes)(xs)[0] - 1.0) ** 2
    loss.label = "L"
    return loss


def chain(n, weight=None):
    c, w = Value(0.3, label="x"), weight or Value(1.1, label="w")
    for _ in range(n // 2):
        c = (c * w).sin()
    return c


def tensor_mlp(seed=0):
    rng = np.random.default_rng(seed)
    x = Tensor(rng.normal(size=(16, 4)), requires_grad=False, label="X")
    w1, b1 = Tensor(rng.normal(size=(4, 8)), label="W1"), Tensor(np.zeros(8), label="b1")
    w2, b2 = Tensor(rng.normal(size=(8, 3)), label="W2"), Tensor(np.zeros(3), label="b2")
    z = (x @ w1 + b1).tanh() @ w2 + b2
    loss = -(z.log_softmax()[np.arange(16), rng.integers(0, 3, 16)]).mean()
    loss.label = "L"
    return loss


HOSTILE = [
    '"><script>alert(1)</script>', "</script><img src=x onerror=alert(1)>", "javascript:alert(1)", "]]><svg onload=alert(1)>",
    "a\x00b\x07c\ud800d", "😀 emoji 👩‍👩‍👧", "\u202eright to left override", "العربية", "漢字" * 30, "x" * 10_000, "{a|<f0> b}",
    r"\N \G \l \" \\", "&lt;&amp;&#60;", "</text></svg><svg onload=alert(1)>", "<!-- ", "${alert(1)}", "`", "'", "\n\r\t", "%s {0} {}",
    "</title></head>", "<template>", "z̷̢͚a̸l̶g̸o̵", "\ufffe\uffff", "' onclick='alert(1)", "graph", "subgraph cluster_0 {", "->", "__proto__", "constructor",
]  # fmt: skip
HOSTILE += [f"{a} {b}"[:60] for a in HOSTILE[:10] for b in HOSTILE[::-1][:17]]
