"""Layers against torch, forward and gradients, given the same weights."""

import copy
import math
import pickle

import numpy as np
import pytest

import nn
from autograd_core import TABLE, Tensor, check_grads, linear, no_grad, relu, softmax
from autograd_core.errors import OperandError, ShapeError, StructureError


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="torch, the oracle, is not installed")


def assert_equals_torch(torch, mine, theirs, x, tolerance=1e-10, pick=lambda out: out, modes=(True,)):
    """Forward and every gradient are the same, with the weights of `mine` in `theirs`."""
    theirs = theirs.double()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in mine.state_dict().items()})
    for mode in modes:
        mine.train(mode)
        theirs.train(mode)
        mine.zero_grad()
        theirs.zero_grad()
        a, b = Tensor(x), torch.tensor(x, requires_grad=True)
        out, reference = pick(mine(a)), pick(theirs(b))
        np.testing.assert_allclose(out.data, reference.detach().numpy(), rtol=tolerance, atol=tolerance)
        seed = np.random.default_rng(9).normal(size=out.shape)
        out.backward(seed)
        reference.backward(torch.tensor(seed))
        np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=tolerance, atol=tolerance)
        theirs_named = dict(theirs.named_parameters())
        assert len(theirs_named) == len(mine.parameters())
        for name, p in mine.named_parameters():
            name = name.replace("modules_in_order.", "")
            np.testing.assert_allclose(p.grad, theirs_named[name].grad.numpy(), rtol=tolerance, atol=tolerance, err_msg=name)
        for name, array in mine.state_dict().items():
            np.testing.assert_allclose(array, theirs.state_dict()[name].numpy(), rtol=tolerance, err_msg=name)


rng = np.random.default_rng(0)
X = rng.normal(size=(6, 5))


@pytest.mark.oracle
@pytest.mark.parametrize("shape", [(6, 5), (5,), (2, 3, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(torch, shape, bias):
    assert_equals_torch(torch, nn.Linear(5, 3, bias=bias, rng=0), torch.nn.Linear(5, 3, bias=bias), rng.normal(size=shape))


ACTIVATIONS = [
    ("Sigmoid", "Sigmoid", ()), ("Tanh", "Tanh", ()), ("ReLU", "ReLU", ()), ("LeakyReLU", "LeakyReLU", ()), ("LeakyReLU", "LeakyReLU", (0.2,)),
    ("ELU", "ELU", ()), ("ELU", "ELU", (0.7,)), ("SiLU", "SiLU", ()), ("GELU", "GELU", ()), ("Softplus", "Softplus", ()),
    ("Softmax", "Softmax", (1,)), ("PReLU", "PReLU", ()), ("PReLU", "PReLU", (5,)), ("Identity", "Identity", ()),
]  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "theirs", "arguments"), ACTIVATIONS)
def test_activations(torch, name, theirs, arguments):
    assert_equals_torch(torch, getattr(nn, name)(*arguments), getattr(torch.nn, theirs)(*arguments), 3 * X)


@pytest.mark.oracle
@pytest.mark.parametrize("shape", [(), (5,), (0, 5), (3, 5, 2)])
@pytest.mark.parametrize(("name", "theirs", "arguments"), [case for case in ACTIVATIONS if case[0] != "Softmax" and case[2] != (5,)])
def test_activations_of_any_shape(torch, name, theirs, arguments, shape):
    assert_equals_torch(torch, getattr(nn, name)(*arguments), getattr(torch.nn, theirs)(*arguments), np.asarray(rng.normal(size=shape)))


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("make", "shape"),
    [(lambda m: m.Linear(5, 3), (0, 5)), (lambda m: m.LayerNorm(5), (0, 5)), (lambda m: m.MaxPool2d(2), (0, 3, 6, 4)), (lambda m: m.AvgPool2d(2), (0, 3, 6, 4)),
     (lambda m: m.PReLU(5), (0, 5)), (lambda m: m.Softmax(1), (0, 5)), (lambda m: m.BatchNorm1d(5).eval(), (0, 5)), (lambda m: m.BatchNorm2d(3).eval(), (0, 3, 2, 2)),
     (lambda m: m.Sequential(m.Conv2d(2, 3, 2), m.ReLU(), m.MaxPool2d(2), m.Flatten(), m.Linear(12, 1)), (0, 2, 5, 5))],
)  # fmt: skip
def test_a_batch_of_nothing(torch, make, shape):
    mine = make(nn)
    assert_equals_torch(torch, mine, make(torch.nn), np.zeros(shape), modes=(mine.training,))


@pytest.mark.oracle
def test_prelu_of_images(torch):
    assert_equals_torch(torch, nn.PReLU(3), torch.nn.PReLU(3), rng.normal(size=(2, 3, 4, 4)))


@pytest.mark.oracle
@pytest.mark.parametrize("shape", [(6, 5), (4, 5, 3)])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm(torch, shape, affine):
    mine = nn.BatchNorm1d(5, affine=affine)
    if affine:
        mine.weight.data = rng.normal(size=5)
        mine.bias.data = rng.normal(size=5)
    assert_equals_torch(torch, mine, torch.nn.BatchNorm1d(5, affine=affine), rng.normal(size=shape) * 3 + 1, modes=(True, True, False))


@pytest.mark.oracle
@pytest.mark.parametrize("shape", [(4, 3, 5, 2), (1, 3, 1, 2), (2, 3, 1, 1)])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("momentum", [0.1, 1.0])
def test_batch_norm_of_images(torch, shape, affine, momentum):
    mine = nn.BatchNorm2d(3, affine=affine, momentum=momentum)
    if affine:
        mine.weight.data = rng.normal(size=3)
        mine.bias.data = rng.normal(size=3)
    theirs = torch.nn.BatchNorm2d(3, affine=affine, momentum=momentum)
    assert_equals_torch(torch, mine, theirs, rng.normal(size=shape) * 3 + 1, modes=(True, True, False))


@pytest.mark.oracle
@pytest.mark.parametrize("axes", [5, (3, 5)])
def test_layer_norm(torch, axes):
    mine = nn.LayerNorm(axes)
    mine.weight.data = rng.normal(size=mine.shape)
    assert_equals_torch(torch, mine, torch.nn.LayerNorm(axes), rng.normal(size=(4, 3, 5)))


@pytest.mark.oracle
@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"padding": 1}, {"stride": (2, 1), "padding": (1, 2)}, {"bias": False}])
@pytest.mark.parametrize("size", [3, (2, 3)])
@pytest.mark.parametrize("images", [(2,), ()])
def test_convolution(torch, options, size, images):
    assert_equals_torch(torch, nn.Conv2d(2, 3, size, rng=0, **options), torch.nn.Conv2d(2, 3, size, **options), rng.normal(size=(*images, 2, 7, 6)))


@pytest.mark.oracle
@pytest.mark.parametrize("options", [{}, {"stride": 1}, {"stride": (2, 1)}, {"padding": 1}])
@pytest.mark.parametrize("images", [(2,), ()])
@pytest.mark.parametrize("kind", ["MaxPool2d", "AvgPool2d"])
@pytest.mark.parametrize("size", [2, (3, 2)])
def test_pooling(torch, kind, size, options, images):
    assert_equals_torch(torch, getattr(nn, kind)(size, **options), getattr(torch.nn, kind)(size, **options), rng.normal(size=(*images, 3, 6, 5)))


@pytest.mark.oracle
def test_embedding(torch):
    mine, theirs = nn.Embedding(7, 4, rng=0), torch.nn.Embedding(7, 4).double()
    theirs.load_state_dict({"weight": torch.tensor(mine.weight.data)})
    at = np.array([[1, 2, 1], [0, 6, 1]])
    (mine(at) ** 2).sum().backward()
    (theirs(torch.tensor(at)) ** 2).sum().backward()
    np.testing.assert_allclose(mine.weight.grad, theirs.weight.grad.numpy(), rtol=1e-12)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"batch_first": True}])
def test_recurrent(torch, kind, options):
    mine, theirs = getattr(nn, kind)(3, 4, rng=0, **options), getattr(torch.nn, kind)(3, 4, **options)
    assert_equals_torch(torch, mine, theirs, rng.normal(size=(5, 2, 3)), pick=lambda out: out[0])
    last = (lambda out: out[1]) if kind != "LSTM" else (lambda out: out[1][1])
    mine.zero_grad()
    a = Tensor(rng.normal(size=(5, 2, 3)))
    np.testing.assert_allclose(last(mine(a)).data, last(theirs(torch.tensor(a.data))).detach().numpy(), rtol=1e-10)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"batch_first": True}])
@pytest.mark.parametrize("sequences", [(2,), ()])
def test_recurrent_from_a_state(torch, kind, options, sequences):
    mine, theirs = getattr(nn, kind)(3, 4, rng=0, **options), getattr(torch.nn, kind)(3, 4, **options).double()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in mine.state_dict().items()})
    x = rng.normal(size=(*sequences, 5, 3) if "batch_first" in options else (5, *sequences, 3))
    starts = [rng.normal(size=(options.get("num_layers", 1), *sequences, 4)) for _ in range(1 if kind != "LSTM" else 2)]
    a, b = [Tensor(v) for v in (x, *starts)], [torch.tensor(v, requires_grad=True) for v in (x, *starts)]
    (out, last), (expected, expected_last) = mine(a[0], a[1] if kind != "LSTM" else tuple(a[1:])), theirs(b[0], b[1] if kind != "LSTM" else tuple(b[1:]))
    if kind == "LSTM":
        last, expected_last = np.concatenate(last), torch.cat(expected_last)
    assert out.shape == tuple(expected.shape) and last.shape == tuple(expected_last.shape)
    ((out * out).sum() + last.sum()).backward()
    ((expected * expected).sum() + expected_last.sum()).backward()
    for got, want in zip(a, b, strict=True):
        np.testing.assert_allclose(got.grad, want.grad.numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.oracle
def test_cells_equal_torch(torch):
    x, h, c = rng.normal(size=(2, 3)), rng.normal(size=(2, 4)), rng.normal(size=(2, 4))
    assert_equals_torch(torch, nn.RNNCell(3, 4, rng=0), torch.nn.RNNCell(3, 4), x)
    assert_equals_torch(torch, nn.LSTMCell(3, 4, rng=0), torch.nn.LSTMCell(3, 4), x, pick=lambda out: out[1])
    assert_equals_torch(torch, nn.GRUCell(3, 4, rng=0), torch.nn.GRUCell(3, 4), x)
    mine, theirs = nn.GRUCell(3, 4, rng=0), torch.nn.GRUCell(3, 4).double()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in mine.state_dict().items()})
    np.testing.assert_allclose(mine(x, h).data, theirs(torch.tensor(x), torch.tensor(h)).detach().numpy(), rtol=1e-12)
    mine, theirs = nn.LSTMCell(3, 4, rng=0), torch.nn.LSTMCell(3, 4).double()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in mine.state_dict().items()})
    a, b = mine(x, (h, c)), theirs(torch.tensor(x), (torch.tensor(h), torch.tensor(c)))
    np.testing.assert_allclose(a[0].data, b[0].detach().numpy(), rtol=1e-12)


@pytest.mark.oracle
def test_a_whole_network(torch):
    mine = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, rng=0), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 8, rng=1), nn.BatchNorm1d(8), nn.GELU(), nn.Linear(8, 3, rng=2)
    )
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(64, 8),
        torch.nn.BatchNorm1d(8), torch.nn.GELU(), torch.nn.Linear(8, 3),
    )
    assert_equals_torch(torch, mine, theirs, rng.normal(size=(5, 1, 8, 8)))


class Attention(nn.Module):
    """Self-attention with several heads (Vaswani et al. 2017), of parts that are here, with the names of `torch.nn.MultiheadAttention`."""

    def __init__(self, width, heads):
        self.heads = heads
        self.in_proj_weight, self.in_proj_bias = Tensor(np.zeros((3 * width, width))), Tensor(np.zeros(3 * width))
        self.out_proj = nn.Linear(width, width, rng=0)

    def forward(self, x, mask):
        n, steps, width = x.shape
        parts = np.split(linear(x, self.in_proj_weight, self.in_proj_bias), 3, axis=-1)
        q, k, v = (part.reshape(n, steps, self.heads, width // self.heads).swapaxes(1, 2) for part in parts)
        scores = np.where(mask, q @ k.mT / math.sqrt(width // self.heads), -np.inf)
        return self.out_proj((softmax(scores) @ v).swapaxes(1, 2).reshape(n, steps, width))


class Block(nn.Module):
    """A layer of an encoder: attention, then a network for each step, each with a way around it."""

    def __init__(self, width, heads, hidden):
        self.self_attn = Attention(width, heads)
        self.linear1, self.linear2 = nn.Linear(width, hidden, rng=1), nn.Linear(hidden, width, rng=2)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x, mask):
        x = self.norm1(x + self.self_attn(x, mask))
        return self.norm2(x + self.linear2(relu(self.linear1(x))))


@pytest.mark.oracle
def test_a_block_of_a_transformer_takes_the_weights_of_torchs_and_has_its_numbers(torch):
    theirs, mine = torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True).double(), Block(8, 2, 16)
    mine.load_state_dict(theirs.state_dict())
    assert list(mine.state_dict()) == list(theirs.state_dict())
    x, past = np.random.default_rng(0).normal(size=(2, 5, 8)), np.tril(np.ones((5, 5), bool))
    a, b = Tensor(x), torch.tensor(x, requires_grad=True)
    out, expected = mine(a, past), theirs(b, src_mask=torch.tensor(~past))
    np.testing.assert_allclose(out.data, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    (out**2 * np.arange(8.0)).sum().backward()
    (expected**2 * torch.arange(8.0)).sum().backward()
    np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-10, atol=1e-11)
    for name, p in theirs.named_parameters():
        np.testing.assert_allclose(dict(mine.named_parameters())[name].grad, p.grad.numpy(), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("make", [
    lambda: nn.Linear(5, 2, rng=0), lambda: nn.LayerNorm(5), lambda: nn.Sequential(nn.Linear(5, 3, rng=0), nn.Tanh()),
    lambda: nn.BatchNorm1d(5),
])  # fmt: skip
def test_gradients_are_checked_to_second_order(make):
    module = make()
    weights = rng.normal(size=module(X).shape)
    check_grads(lambda x: (module(x) * weights).sum(), (X,), order=2)


def test_convolution_to_second_order():
    conv = nn.Conv2d(1, 2, 2, stride=2, rng=0)
    check_grads(lambda x: (conv(x) ** 2).sum(), (rng.normal(size=(1, 1, 4, 4)),), order=2)


def test_dropout_keeps_the_mean():
    drop = nn.Dropout(0.3, rng=0)
    x = Tensor(np.ones((200, 100)))
    out = drop(x)
    kept = out.data != 0
    assert abs(kept.mean() - 0.7) < 0.01
    np.testing.assert_allclose(out.data[kept], 1 / 0.7)
    out.sum().backward()
    np.testing.assert_allclose(x.grad, out.data)
    assert drop.eval()(x) is x
    assert nn.Dropout(1.0)(x).data.sum() == 0.0
    assert nn.Dropout(0.0)(x) is x
    a, b = nn.Dropout(0.5, rng=3), nn.Dropout(0.5, rng=3)
    assert (a(x).data == b(x).data).all()


def test_float32_stays_float32():
    x = rng.normal(size=(3, 5)).astype(np.float32)
    for module in (nn.Linear(5, 4, dtype=np.float32, rng=0), nn.Dropout(0.5, rng=0), nn.LayerNorm(5, dtype=np.float32),
                   nn.BatchNorm1d(5, dtype=np.float32), nn.ReLU(), nn.GELU(), nn.Softmax(), nn.ELU()):
        assert module(Tensor(x)).dtype == np.float32, module
    image = Tensor(rng.normal(size=(1, 1, 4, 4)).astype(np.float32))
    for pool in (nn.MaxPool2d(2), nn.AvgPool2d(2)):
        assert pool(nn.BatchNorm2d(2, dtype=np.float32)(nn.Conv2d(1, 2, 3, padding=1, dtype=np.float32, rng=0)(image))).dtype == np.float32
    model = nn.Sequential(nn.Linear(5, 3, dtype=np.float32, rng=0), nn.Tanh())
    loss = nn.cross_entropy(model(Tensor(x)), [0, 1, 2])
    loss.backward()
    assert loss.dtype == np.float32 and model[0].weight.grad.dtype == np.float32
    for loss in (nn.cross_entropy(model(x), [0, 1, 2], weight=[1.0, 2.0, 3.0]), nn.nll_loss(model(x), [0, 1, 2], weight=[1.0, 2.0, 3.0])):
        assert loss.dtype == np.float32
    assert nn.RNNCell(5, 2, dtype=np.float32, rng=0)(x).dtype == nn.GRUCell(5, 2, dtype=np.float32, rng=0)(x).dtype == np.float32
    assert nn.LSTMCell(5, 2, dtype=np.float32, rng=0)(x)[1].dtype == np.float32


NARROW = {
    "Linear": (lambda: nn.Linear(4, 3, dtype=np.float32), (2, 4)), "PReLU": (lambda: nn.PReLU(4, dtype=np.float32), (2, 4)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4, dtype=np.float32), (3, 4)), "BatchNorm1d of sequences": (lambda: nn.BatchNorm1d(4, dtype=np.float32), (2, 4, 3)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3, dtype=np.float32), (2, 3, 4, 2)),
    "LayerNorm": (lambda: nn.LayerNorm(4, dtype=np.float32), (2, 4)), "Conv2d": (lambda: nn.Conv2d(1, 2, 3, dtype=np.float32), (2, 1, 4, 4)),
    "RNNCell": (lambda: nn.RNNCell(4, 2, dtype=np.float32), (3, 4)), "LSTMCell": (lambda: nn.LSTMCell(4, 2, dtype=np.float32), (3, 4)),
    "GRUCell": (lambda: nn.GRUCell(4, 2, dtype=np.float32), (3, 4)), "GRU": (lambda: nn.GRU(4, 2, dtype=np.float32), (5, 3, 4)),
    "RNN": (lambda: nn.RNN(4, 2, dtype=np.float32), (5, 3, 4)), "LSTM": (lambda: nn.LSTM(4, 2, dtype=np.float32), (5, 3, 4)),
}  # fmt: skip


@pytest.mark.parametrize("name", NARROW)
@pytest.mark.parametrize("training", [False, True])
def test_a_narrow_layer_is_narrow_throughout(name, training):
    """Parameters, what is remembered, results, gradients; in evaluation also before the first batch."""
    make, shape = NARROW[name]
    module, x = make(), Tensor(rng.normal(size=shape).astype(np.float32))
    kept = {key: array.dtype for key, array in module.state_dict().items() if array.dtype.kind == "f"}
    assert kept and set(kept.values()) == {np.dtype(np.float32)}
    results = module.train(training)(x)
    for out in (results if isinstance(results, tuple) else [results]):
        for part in (out if isinstance(out, tuple) else [out]):
            assert part.dtype == np.float32
    first = results[0] if isinstance(results, tuple) else results
    (first * first).sum().backward()
    assert {p.grad.dtype for p in (x, *module.parameters()) if p.grad is not None} == {np.dtype(np.float32)}


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.GRUCell, nn.LSTMCell, nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("nhid", [4, 25])
def test_recurrent_weights_start_within_torchs_bounds_and_fill_them(kind, nhid):
    """Uniform from −1/√nhid to 1/√nhid."""
    module, bound = kind(9, nhid, rng=0), 1.0 / math.sqrt(nhid)
    for p in module.parameters():
        assert 0.6 * bound < np.abs(p.data).max() <= bound
        assert p.data.min() < 0.0 < p.data.max()


@pytest.mark.parametrize(
    ("make", "fan_in"),
    [
        (lambda **options: nn.Linear(7, 400, rng=0, **options), 7),
        (lambda **options: nn.Conv2d(3, 400, (2, 5), rng=0, **options), 30),
        (lambda **options: nn.Conv2d(1, 400, 3, rng=0, **options), 9),
    ],
)
def test_weights_and_biases_start_within_torchs_bounds_and_fill_them(make, fan_in):
    """Uniform from −1/√fan_in to 1/√fan_in; a bias is 0 where an initialiser is given."""
    layer, bound = make(), 1.0 / math.sqrt(fan_in)
    for p in (layer.weight, layer.bias):
        assert -bound <= p.data.min() < -0.98 * bound and 0.98 * bound < p.data.max() <= bound
        assert abs(p.data.mean()) < 0.1 * bound
    given = make(init=lambda shape, rng: np.ones(shape))
    assert (given.weight.data == 1.0).all() and (given.bias.data == 0.0).all() and make(bias=False).bias is None


@pytest.mark.parametrize("size", [(2, 3), (1, 1), (3, 2)])
@pytest.mark.parametrize("padding", [(0, 0), (0, 1), (1, 0)])
@pytest.mark.parametrize("make", [lambda size, padding: nn.Conv2d(1, 2, size, padding=padding, rng=0), lambda size, padding: nn.MaxPool2d(size, stride=1, padding=padding)])
def test_images_are_at_least_as_large_as_the_window(make, size, padding):
    if isinstance(make((4, 4), (0, 0)), nn.MaxPool2d) and (2 * padding[0] > size[0] or 2 * padding[1] > size[1]):
        size = (size[0] + 1, size[1] + 1)
    layer, least = make(size, padding), tuple(max(s - 2 * p, 1) for s, p in zip(size, padding, strict=True))
    for h in range(1, 5):
        for w in range(1, 5):
            for images in ((2,), ()):
                x = np.ones((*images, 1, h, w))
                if h >= least[0] and w >= least[1]:
                    assert layer(x).shape[-2:] == (h + 2 * padding[0] - size[0] + 1, w + 2 * padding[1] - size[1] + 1)
                else:
                    with pytest.raises(ShapeError, match=rf"images of {h} × {w} with padding \({padding[0]}, {padding[1]}\) are smaller than the window"):
                        layer(x)


def test_what_layers_say_of_themselves():
    said = {
        "Conv2d(1, 2, (3, 3))": nn.Conv2d(1, 2, 3), "Conv2d(1, 2, (2, 3), stride=(2, 2))": nn.Conv2d(1, 2, (2, 3), stride=2),
        "Conv2d(1, 2, (3, 3), padding=(0, 1))": nn.Conv2d(1, 2, 3, padding=(0, 1)), "MaxPool2d(2)": nn.MaxPool2d(2), "MaxPool2d((2, 3))": nn.MaxPool2d((2, 3)),
        "AvgPool2d(2)": nn.AvgPool2d(2, stride=1), "BatchNorm2d(4)": nn.BatchNorm2d(4),
        "BatchNorm1d(4)": nn.BatchNorm1d(4), "LayerNorm(4)": nn.LayerNorm(4), "LayerNorm((2, 3) = 6)": nn.LayerNorm((2, 3)),
    }  # fmt: skip
    assert {repr(layer): type(layer) for layer in said.values()} == {text: type(layer) for text, layer in said.items()}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.Conv2d(1, 1, (1, 2, 3)), r"Conv2d: received size=\(1, 2, 3\), expected an integer or 2 integers"),
        (lambda: nn.Conv2d(1, 1, (True, 2)), r"received size=\(True, 2\)"),
        (lambda: nn.Conv2d(1, 1, 0), r"Conv2d: size: received 0, expected an integer of at least 1, or two of them \(height, width\)"),
        (lambda: nn.Conv2d(1, 1, 2, stride=(1, 0)), r"Conv2d: stride: received \(1, 0\)"),
        (lambda: nn.Conv2d(1, 1, 2, padding=-1), "Conv2d: padding: received -1, expected an integer of at least 0"),
        (lambda: nn.MaxPool2d(2, stride=0), "MaxPool2d: stride: received 0"),
        (lambda: nn.AvgPool2d((0, 2)), r"AvgPool2d: size: received \(0, 2\)"),
        (lambda: nn.AvgPool2d(2, padding=2), "AvgPool2d: received padding=2, expected at most half of the window"),
        (lambda: nn.BatchNorm2d(2)(np.ones((3, 2, 2))), r"BatchNorm2d: received shape \(3, 2, 2\), expected \(n, 2, height, width\)\."),
        (lambda: nn.BatchNorm2d(2)(np.ones((1, 2, 1, 1))), "BatchNorm2d: received 1 value per feature in training"),
        (lambda: nn.BatchNorm2d(2, momentum=2.0), "BatchNorm2d: momentum: received 2.0"),
        (lambda: nn.LayerNorm(()), r"LayerNorm: received shape \(\), expected the lengths of the last axes"),
        (lambda: nn.LayerNorm((2, 0)), r"LayerNorm: received shape \(2, 0\)"),
        (lambda: nn.BatchNorm1d(2)(np.ones((3, 4))), r"received shape \(3, 4\), expected \(n, 2\) or \(n, 2, length\)"),
        (lambda: nn.BatchNorm1d(2)(np.ones(2)), r"received shape \(2,\), expected \(n, 2\)"),
        (lambda: nn.BatchNorm1d(2)(np.ones((3, 2, 2, 2))), r"received shape \(3, 2, 2, 2\)"),
        (lambda: nn.LayerNorm((2, 3))(np.ones((2, 2))), r"received shape \(2, 2\), expected the last axes to be \(2, 3\)"),
    ],
)
def test_sizes_that_no_layer_has(call, message):
    with pytest.raises((OperandError, ShapeError), match=message):
        call()


def test_batches_are_counted_from_none():
    norm = nn.BatchNorm1d(2)
    assert norm.num_batches_tracked == 0
    norm(np.array([[1.0, 2.0], [3.0, 5.0]]))
    norm.eval()(np.array([[1.0, 2.0]]))
    assert norm.num_batches_tracked == 1


def test_running_averages_keep_their_dtype():
    norm = nn.BatchNorm1d(2, dtype=np.float32)
    norm(np.array([[1.0, 2.0], [3.0, 5.0]]))   # a batch of float64
    assert norm.running_mean.dtype == norm.running_var.dtype == np.float32
    norm.load_state_dict({name: array.astype(float) for name, array in norm.state_dict().items()})
    assert norm.running_mean.dtype == np.float32 and norm.num_batches_tracked.dtype.kind == "i"
    assert norm.eval()(np.ones((3, 2), np.float32)).dtype == np.float32


def test_a_module_in_two_places(torch):
    layer, theirs = nn.Linear(3, 3, rng=0), torch.nn.Linear(3, 3)
    tied, torchs = nn.Sequential(layer, nn.ReLU(), layer), torch.nn.Sequential(theirs, torch.nn.ReLU(), theirs)
    assert list(tied.state_dict()) == list(torchs.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert len(tied.parameters()) == 2 and tied.number_of_parameters() == 12
    tied.load_state_dict({name: array.detach().numpy() for name, array in torchs.state_dict().items()})
    x = rng.normal(size=(4, 3)).astype(np.float32)
    assert np.allclose(tied(x).data, torchs(torch.tensor(x)).detach().numpy(), atol=1e-6)
    layer.itself = layer                       # a module that holds itself is no endless walk
    assert len(tied.state_dict()) == 4


def test_a_state_that_fits_in_part_is_taken_over_where_that_is_asked_for():
    trained, model = (nn.Sequential(nn.Linear(4, 8, rng=seed), nn.BatchNorm1d(8), nn.Linear(8, out, rng=seed)) for seed, out in ((0, 3), (1, 2)))
    trained(X[:, :4])
    before, state = model.state_dict(), trained.state_dict()
    body = {name: array for name, array in state.items() if not name.startswith("2.")}
    with pytest.raises(StructureError, match=r"missing: 2\.bias, 2\.weight; not expected: head"):
        model.load_state_dict({**body, "head": np.ones(2)})
    with pytest.raises(ShapeError, match=r"'2\.weight' is an array of float64 of shape \(3, 8\), expected real numbers of shape \(2, 8\)"):
        model.load_state_dict(state, strict=False)
    assert all(np.array_equal(model.state_dict()[name], array) for name, array in before.items())
    assert model.load_state_dict({**body, "head": "anything"}, strict=False) is model
    for name, array in model.state_dict().items():
        assert np.array_equal(array, body.get(name, before[name])), name
    assert model.load_state_dict({}, False) is model
    with pytest.raises(OperandError, match="strict"):
        model.load_state_dict(before, strict="no")


def test_a_module_is_frozen_and_thawed_as_a_whole():
    inner = nn.Sequential(nn.Linear(5, 3, rng=0), nn.PReLU())
    model = nn.Sequential(inner, nn.Linear(3, 2, rng=1))
    assert inner.requires_grad_(requires_grad=False) is inner
    model(X).sum().backward()
    assert [p.grad is None for p in model.parameters()] == [True, True, True, False, False]
    assert model.number_of_parameters() == 8
    model.requires_grad_()
    assert all(p.requires_grad for p in model.parameters()) and model.number_of_parameters() == 27
    scalar = nn.MLP(2, [1], rng=0)
    assert scalar.requires_grad_() is scalar
    with pytest.raises(OperandError, match="requires_grad_: MLP computes on Values, which always get their gradients"):
        scalar.requires_grad_(False)


def test_state_dict_and_structure():
    model = nn.Sequential(nn.Linear(4, 8, rng=0), nn.ReLU(), nn.Linear(8, 3, rng=1))
    assert {k: v.shape for k, v in model.state_dict().items()} == {"0.weight": (8, 4), "0.bias": (8,), "2.weight": (3, 8), "2.bias": (3,)}
    assert model.number_of_parameters() == 67 and len(model) == 3 and isinstance(model[1], nn.ReLU)
    before = model.state_dict()
    with pytest.raises(StructureError, match="missing: 2.bias; not expected: 2.bais"):
        model.load_state_dict({**{k: v for k, v in before.items() if k != "2.bias"}, "2.bais": before["2.bias"]})
    with pytest.raises(ShapeError, match=r"'0.weight' is an array of float64 of shape \(4, 8\), expected real numbers of shape \(8, 4\)"):
        model.load_state_dict({**before, "0.weight": before["0.weight"].T, "2.bias": np.ones(3)})
    assert all((model.state_dict()[k] == v).all() for k, v in before.items())
    assert "Linear(4, 8)" in repr(model) and "67" in model.summary() and "<table>" in model._repr_html_()


def test_bad_input():
    with pytest.raises(ShapeError, match=r"Linear: received shape \(2, 3\), expected \(…, 5\)"):
        nn.Linear(5, 2)(np.ones((2, 3)))
    with pytest.raises(OperandError, match="Linear: received nin=0, expected an integer of at least 1"):
        nn.Linear(0, 2)
    with pytest.raises(OperandError, match="^LSTM: received nhid=0, expected an integer of at least 1"):   # by a method that it shares with RNN
        nn.LSTM(2, 0)
    with pytest.raises(OperandError, match=r"as in ReLU\(\)"):
        nn.Sequential(nn.ReLU)
    with pytest.raises(OperandError, match="p=1.5, expected a probability"):
        nn.Dropout(1.5)
    with pytest.raises(OperandError, match="indices from 0 to 9, expected 0 to 6"):
        nn.Embedding(7, 2)([0, 9])
    with pytest.raises(OperandError, match="expected integers"):
        nn.Embedding(7, 2)([0.5])
    with pytest.raises(ShapeError, match="at least 2"):
        nn.BatchNorm1d(2)(np.ones((1, 2)))
    with pytest.raises(ShapeError, match=r"Conv2d: received shape \(1, 3, 8, 8\), expected \(n, 1, height, width\)"):
        nn.Conv2d(1, 2, 3)(np.ones((1, 3, 8, 8)))
    with pytest.raises(ShapeError, match=r"received shape \(3, 8, 8\), .* or, for one image, \(1, height, width\)"):
        nn.Conv2d(1, 2, 3)(np.ones((3, 8, 8)))
    with pytest.raises(ShapeError, match="smaller than the window"):
        nn.Conv2d(1, 2, 3)(np.ones((1, 1, 2, 2)))
    with pytest.raises(ShapeError, match="LSTM: received shape"):
        nn.LSTM(3, 4)(np.ones((5, 2)))
    with pytest.raises(ShapeError, match=r"LSTM: received a state of shape \(1, 2, 4\), expected \(1, 4\)"):
        nn.LSTM(3, 4)(np.ones((5, 3)), (np.ones((1, 2, 4)), np.ones((1, 2, 4))))
    with pytest.raises(ShapeError, match=r"GRU: received a state of shape \(2, 4\), expected \(1, 2, 4\)"):
        nn.GRU(3, 4)(np.ones((5, 2, 3)), np.ones((2, 4)))
    with pytest.raises(ShapeError, match=r"GRUCell: received a state of shape \(4,\), expected \(2, 4\)"):
        nn.GRUCell(3, 4)(np.ones((2, 3)), np.ones(4))
    with pytest.raises(OperandError, match="expected a function"):
        nn.Linear(2, 2, init="xavier")


@pytest.mark.parametrize(("kind", "axes"), [(nn.RNNCell, (1, 2)), (nn.GRUCell, (1, 2)), (nn.LSTMCell, (1, 2)), (nn.RNN, (2, 3)), (nn.GRU, (2, 3)), (nn.LSTM, (2, 3))])
def test_what_a_recurrent_layer_takes(kind, axes):
    layer = kind(3, 2, rng=0)
    for shape in ((3,), (2, 3), (4, 2, 3), (5, 4, 2, 3), (2, 4), (4,)):
        if len(shape) in axes and shape[-1] == 3:
            out = layer(np.ones(shape))
            assert (out[0] if isinstance(out, tuple) else out).shape == (*shape[:-1], 2)
        else:
            with pytest.raises(ShapeError, match=rf"{kind.__name__}: received shape .*, expected {axes[0]} or {axes[1]} axes, the last of length 3"):
                layer(np.ones(shape))
    assert repr(layer) == f"{kind.__name__}(3, 2)"


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_a_sequence_has_a_step(kind):
    for shape, batch_first in (((0, 2, 3), False), ((0, 3), False), ((2, 0, 3), True)):
        with pytest.raises(ShapeError, match="received a sequence of no steps, expected at least one"):
            kind(3, 2, batch_first=batch_first)(np.ones(shape))
    assert kind(3, 2)(np.ones((2, 0, 3)))[0].shape == (2, 0, 2)
    assert repr(kind(3, 2, 2)) == f"{kind.__name__}(3, 2, num_layers=2)"
    assert kind(3, 2, 2, dtype=np.float32).config()["dtype"] == "float32"


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("shape", [(4, 2, 3), (4, 3)])
def test_sequences_may_be_lists(kind, batch_first, shape):
    x = np.random.default_rng(0).normal(size=shape)
    layer = kind(3, 2, batch_first=batch_first, rng=0)
    np.testing.assert_array_equal(layer(x.tolist())[0].data, layer(x)[0].data)


@pytest.mark.parametrize(("size", "padding"), [(2, 2), (3, 2), (1, 1), ((2, 3), (2, 0)), ((3, 2), (0, 2))])
def test_a_border_that_would_hold_whole_windows_is_refused(size, padding):
    with pytest.raises(OperandError, match=r"MaxPool2d: received padding=.*, expected at most half of the window"):
        nn.MaxPool2d(size, padding=padding)
    assert np.isfinite(nn.MaxPool2d((2, 4), stride=1, padding=(1, 2))(np.ones((1, 1, 1, 1))).data).all()


@pytest.mark.parametrize("wrong", [{"eps": -1.0}, {"eps": math.nan}, {"momentum": 1.5}, {"momentum": -0.5}, {"momentum": math.nan}])
def test_settings_of_a_normalisation_are_within_bounds(wrong):
    (name,) = wrong
    with pytest.raises(OperandError, match=f"BatchNorm1d: {name}: received"):
        nn.BatchNorm1d(2, **wrong)
    if name == "eps":
        with pytest.raises(OperandError, match="LayerNorm: eps: received"):
            nn.LayerNorm(2, **wrong)


def test_what_is_no_module():
    with pytest.raises(OperandError, match=r"make one with brackets, as in ReLU\(\)"):
        nn.Sequential(nn.Linear(2, 3), nn.ReLU)
    with pytest.raises(OperandError, match=r"without the brackets of a list, or as Sequential\(\*modules\)"):
        nn.Sequential([nn.Linear(2, 3), nn.ReLU()])


@pytest.mark.parametrize("bias", [True, False])
def test_convolution_of_no_images(torch, bias):
    mine = nn.Conv2d(2, 3, (2, 3), stride=(1, 2), padding=1, bias=bias, rng=0)
    assert_equals_torch(torch, mine, torch.nn.Conv2d(2, 3, (2, 3), stride=(1, 2), padding=1, bias=bias), np.zeros((0, 2, 5, 6)))


def test_frozen_parameters_are_not_trained_and_stay_in_the_state(tmp_path):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh(), nn.Linear(3, 2, rng=1))
    names, full = list(model.state_dict()), model.state_dict()
    for parameter in model[0].parameters():
        parameter.requires_grad = False
    assert model.number_of_parameters() == 8 and nn.l2_penalty(model, 1.0).item() == pytest.approx(np.sum(full["2.weight"] ** 2))
    for copied in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert list(copied.state_dict()) == names == [name for name, _ in copied.named_parameters()]
        assert [p.requires_grad for p in copied.parameters()] == [False, False, True, True]
    nn.fit(model, X[:, :2], np.arange(6) % 2, loss="cross_entropy", epochs=3, progress=False, checkpoint=tmp_path / "run.safetensors", rng=0)
    for name, array in model.state_dict().items():
        assert np.array_equal(array, full[name]) == name.startswith("0."), name
    nn.save(model, tmp_path / "model.safetensors")
    again = nn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again(X[:, :2]).data, model(X[:, :2]).data)
    model.load_state_dict({name: array + 1.0 for name, array in full.items()})
    np.testing.assert_array_equal(model[0].weight.data, full["0.weight"] + 1.0)
    with pytest.raises(OperandError, match="fit: Linear has no parameters to train"):
        nn.fit(model[0], X[:, :2], np.zeros((6, 3)), epochs=1, progress=False)


def test_constants_that_a_module_keeps_are_no_state():
    class Keeping(nn.Module):
        def __init__(self):
            self.inner, self.table, self.last = nn.Linear(5, 2, rng=0), Tensor(np.eye(2), requires_grad=False), None

        def forward(self, x):
            out = self.inner(x) @ self.table
            self.last = out.detach()
            return out

    model = Keeping()
    model(X)
    with no_grad():
        model.last_of_all = model(X)
    for copied in (model, copy.deepcopy(model)):
        assert list(copied.state_dict()) == ["inner.weight", "inner.bias"]


def test_what_a_model_remembers_is_no_parameter_where_its_name_says_so():
    class Cell(nn.Module):
        def __init__(self):
            self.w, self._h, self.c = Tensor(np.ones(3)), Tensor(np.zeros(3)), Tensor(np.zeros(3), requires_grad=False)
            self.kept = {"gain": Tensor(2.0), "name": "cell"}

        def forward(self, x):
            self._h = (self.w * x + self._h).tanh()
            self.c = self._h * self.kept["gain"]
            return self.c

    cell = Cell()
    assert [name for name, _ in cell.named_parameters()] == ["w", "kept.gain"]
    cell(1.0)
    assert not np.array_equal(cell(1.0).data, cell(1.0).data)
    cell.kept = {"gain": Tensor(3.0), "name": "other"}          # words and numbers beside parameters are no mistake
    cell.kept = {}
    with pytest.raises(OperandError, match=r"Cell.w is a parameter.*if its name begins with _"):
        cell.w = cell.w * 0.5


def test_another_module_in_a_place_of_a_sequence():
    model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Tanh(), nn.Linear(4, 2, rng=1))
    first, last = model[0], nn.Linear(4, 5, rng=2)
    model[-1] = last
    model[1] = np.tanh
    assert model[0] is first and model[2] is last and model(np.ones((6, 3))).shape == (6, 5)
    assert [p is q for p, q in zip(model.parameters(), [*first.parameters(), *last.parameters()], strict=True)] == [True] * 4
    with pytest.raises(OperandError, match="place 1 received .* expected a module or a function; make one with brackets"):
        model[1] = nn.ReLU
    with pytest.raises(IndexError):
        model[3] = nn.ReLU()
    assert model[1] is np.tanh and len(model) == 3


def test_functions_between_modules_are_shown_by_their_names():
    """Those of one's own, plain ones and operations of the table, each in its place."""
    def doubled(x):
        return 2.0 * x

    model = nn.Sequential(nn.Linear(2, 3, rng=0), np.tanh, TABLE["softplus"], nn.Sequential(doubled), nn.ReLU())
    assert repr(model) == "Sequential(\n  (0): Linear(2, 3)\n  (1): tanh\n  (2): softplus\n  (3): Sequential(\n    (0): doubled\n  )\n  (4): ReLU()\n)"


def test_a_function_is_applied_to_every_module():
    """Those inside first, in order, each once, however deep; what it writes is there, and the model comes back."""
    shared = nn.Linear(3, 3)
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Tanh(), shared), shared, nn.Linear(3, 1))
    seen = []
    assert model.apply(seen.append) is model
    assert [id(m) for m in seen] == [id(m) for m in (model[0], model[1][0], shared, model[1], model[3], model)]

    def start(module):
        if type(module) is nn.Linear:
            module.weight.data[...] = 0.25
            module.bias.data.fill(1.0)

    model.apply(start)
    assert {float(p) for name, a in model.state_dict().items() for p in a.ravel() if name.endswith("weight")} == {0.25}
    assert all((a == 1.0).all() for name, a in model.state_dict().items() if name.endswith("bias"))
    deep = nn.Tanh()
    for _ in range(2000):
        deep = nn.Sequential(deep)
    seen.clear()
    deep.apply(seen.append)
    assert len(seen) == 2001
    with pytest.raises(OperandError, match="apply: received f=3"):
        model.apply(3)
