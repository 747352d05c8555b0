"""Small data sets with an explicit random generator; batches, splits, standardising, one-hot.

Every set gives (x, y): x of shape (n, features), y class numbers of shape (n,) or numbers to be fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from autograd_core.arguments import Count, Numbers, as_numbers, checked, plain_numbers
from autograd_core.errors import MissingExtraError, OperandError, ShapeError

from .init import Generator, rng_of

__all__ = [
    "DATASETS", "Scaler", "batches", "blobs", "circles", "digits", "light_curves", "logic", "moons", "one_hot", "regression_line", "sine",
    "sklearn_data", "spirals", "standardize", "train_test_split", "xor",
]  # fmt: skip

Data = tuple[np.ndarray, np.ndarray]


_GATES = {
    "and": (0, 0, 0, 1), "or": (0, 1, 1, 1), "xor": (0, 1, 1, 0), "nand": (1, 1, 1, 0), "nor": (1, 0, 0, 0), "xnor": (1, 0, 0, 1),
}  # fmt: skip


@checked
def logic(gate: str) -> Data:
    """The truth table of a logic gate: "and", "or", "not", "xor", "nand", "nor", "xnor".

    >>> logic("xor")[1]
    array([0, 1, 1, 0])
    """
    name = gate.lower() if isinstance(gate, str) else gate
    if name == "not":
        return np.array([[0.0], [1.0]]), np.array([1, 0])
    if name not in _GATES:
        raise OperandError(f"logic: received {gate!r}, expected one of not, {', '.join(_GATES)}.")
    return np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array(_GATES[name])


@checked
def moons(n: Count = 100, *, noise: float = 0.1, rng: Generator = None) -> Data:
    """Two half circles that interlock; classes 0 and 1, in random order.

    >>> x, y = moons(100, rng=0)
    >>> x.shape, int(y.sum())
    ((100, 2), 50)
    """
    generator, n = rng_of(rng), int(n)
    first = n // 2
    a, b = np.linspace(0.0, np.pi, first), np.linspace(0.0, np.pi, n - first)
    x = np.concatenate([np.column_stack([np.cos(a), np.sin(a)]), np.column_stack([1.0 - np.cos(b), 0.5 - np.sin(b)])])
    return _shuffled(x + noise * generator.normal(size=x.shape), np.repeat([0, 1], [first, n - first]), generator)


@checked
def circles(n: Count = 100, *, noise: float = 0.08, factor: float = 0.5, rng: Generator = None) -> Data:
    """A circle inside another; `factor` is the ratio of their radii. x of shape (n, 2), classes 0 (outside) and 1.

    >>> x, y = circles(100, noise=0.0, rng=0)
    >>> np.unique(np.linalg.norm(x, axis=1).round(6)).tolist()
    [0.5, 1.0]
    """
    generator, n = rng_of(rng), int(n)
    first = n // 2
    angles = np.concatenate([np.linspace(0, 2 * np.pi, k, endpoint=False) for k in (first, n - first)])
    radii = np.repeat([1.0, factor], [first, n - first])
    x = np.column_stack([radii * np.cos(angles), radii * np.sin(angles)])
    return _shuffled(x + noise * generator.normal(size=x.shape), np.repeat([0, 1], [first, n - first]), generator)


@checked
def spirals(n: Count = 150, *, classes: Count = 2, turns: float = 1.5, noise: float = 0.05, rng: Generator = None) -> Data:
    """Interleaved arms of a spiral, one for each class; x of shape (n, 2).

    >>> x, y = spirals(90, classes=3, rng=0)
    >>> x.shape, np.bincount(y).tolist()
    ((90, 2), [30, 30, 30])
    """
    generator, n = rng_of(rng), int(n)
    y = np.arange(n) % classes
    radius = np.sqrt(generator.uniform(0.02, 1.0, n))
    angle = 2 * np.pi * (turns * radius + y / classes)
    x = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return _shuffled(x + noise * generator.normal(size=x.shape), y, generator)


@checked
def blobs(n: Count = 150, *, classes: Count = 3, features: Count = 2, spread: float = 0.6, rng: Generator = None) -> Data:
    """A normal cloud for each class, with centres spread evenly on a circle (or at random in more dimensions).

    >>> x, y = blobs(90, classes=3, features=5, rng=0)
    >>> x.shape, np.bincount(y).tolist()
    ((90, 5), [30, 30, 30])
    """
    generator, n = rng_of(rng), int(n)
    y = np.arange(n) % classes
    angle = 2 * np.pi * np.arange(classes) / classes + np.pi / 2
    centres = 2.5 * np.column_stack([np.cos(angle), np.sin(angle)]) if features == 2 else generator.normal(size=(classes, features)) * 2.5
    return _shuffled(centres[y] + spread * generator.normal(size=(n, features)), y, generator)


@checked
def xor(n: Count = 200, *, noise: float = 0.15, rng: Generator = None) -> Data:
    """Clouds around the four corners of a square, with the classes of XOR: no line separates them.

    >>> x, y = xor(200, noise=0.0, rng=0)
    >>> bool((y == (x[:, 0] != x[:, 1])).all())
    True
    """
    generator, n = rng_of(rng), int(n)
    corners = generator.integers(0, 2, size=(n, 2))
    return corners + noise * generator.normal(size=(n, 2)), corners[:, 0] ^ corners[:, 1]


@checked
def sine(n: Count = 100, *, noise: float = 0.1, low: float = -3.0, high: float = 3.0, rng: Generator = None) -> Data:
    """y = sin x + noise, to be fitted; x, in ascending order, and y of shape (n, 1).

    >>> x, y = sine(50, noise=0.0, rng=0)
    >>> x.shape, bool((y == np.sin(x)).all())
    ((50, 1), True)
    """
    generator, n = rng_of(rng), int(n)
    if not low < high or not np.isfinite(high - low):
        raise OperandError(f"sine: received low={low!r} and high={high!r}, expected finite numbers, the smaller one first.")
    x = np.sort(generator.uniform(low, high, (n, 1)), axis=0)
    return x, np.sin(x) + noise * generator.normal(size=x.shape)


@checked
def regression_line(n: Count = 50, *, slope: float = 2.0, offset: float = -1.0, noise: float = 0.3, rng: Generator = None) -> Data:
    """y = slope·x + offset + noise; x and y of shape (n, 1).

    >>> x, y = regression_line(50, slope=3.0, offset=1.0, noise=0.0, rng=0)
    >>> bool((y == 3.0 * x + 1.0).all())
    True
    """
    generator, n = rng_of(rng), int(n)
    x = generator.uniform(-2.0, 2.0, (n, 1))
    return x, slope * x + offset + noise * generator.normal(size=x.shape)


@checked
def light_curves(n: Count = 200, *, length: Count = 64, noise: float = 0.3, rng: Generator = None) -> Data:
    """Brightness of periodic variable stars: (noisy, clean) curves of shape (n, length), two periods of a base wave with overtones.

    >>> noisy, clean = light_curves(20, length=32, noise=0.1, rng=0)
    >>> noisy.shape, bool(abs((noisy - clean).std() - 0.1) < 0.01)
    ((20, 32), True)
    """
    generator, n = rng_of(rng), int(n)
    phase = np.linspace(0.0, 4.0 * np.pi, length, endpoint=False)
    shift = generator.uniform(0.0, 2.0 * np.pi, (n, 1))
    strength = generator.uniform(0.6, 1.2, (n, 1))
    overtone = generator.uniform(0.0, 0.5, (n, 1))
    clean = strength * (np.sin(phase + shift) + overtone * np.sin(2.0 * (phase + shift) + 0.5))
    return clean + noise * generator.normal(size=clean.shape), clean


@checked
def sklearn_data(name: str) -> Data:
    """A real data set that scikit-learn carries: "digits", "iris", "wine", "breast_cancer", "diabetes"."""
    try:
        from sklearn import datasets
    except ImportError as error:
        raise MissingExtraError(
            f'the data set {name!r} comes with scikit-learn, which is not installed; pip install "autograd-core[demo]"'
        ) from error
    loader = getattr(datasets, f"load_{name}", None)
    if loader is None or name not in ("digits", "iris", "wine", "breast_cancer", "diabetes"):
        raise OperandError(f"sklearn_data: received {name!r}, expected digits, iris, wine, breast_cancer or diabetes.")
    x, y = loader(return_X_y=True)
    return np.asarray(x, dtype=float), np.asarray(y)


@checked
def digits() -> Data:
    """The 1,797 handwritten digits of scikit-learn: x of shape (1797, 64) from 0 to 1, y from 0 to 9."""
    x, y = sklearn_data("digits")
    return x / 16.0, y


DATASETS: dict[str, Callable[..., Data]] = {"moons": moons, "circles": circles, "spirals": spirals, "blobs": blobs, "xor": xor}
"""The two-dimensional sets of the command line."""


def _shuffled(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Data:
    order = rng.permutation(len(x))
    return x[order], y[order]


# ------------------------------------------------------------------------------------------------- preparing
def _same_length(x: Any, y: Any, who: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        x, y = np.asarray(x), np.asarray(y)
    except ValueError:
        raise ShapeError(f"{who}: received ragged lists, expected rows of one length.") from None
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise ShapeError(f"{who}: received x of shape {x.shape} and y of shape {y.shape}, expected as many samples of each.")
    return x, y


@checked
def train_test_split(x: Any, y: Any, *, test: float = 0.2, stratify: bool = False, rng: Generator = None) -> tuple[np.ndarray, ...]:
    """(x_train, x_test, y_train, y_test), in random order; `stratify` keeps the share of each class.

    >>> a, b, c, d = train_test_split(np.arange(10), np.arange(10), test=0.3, rng=0)
    >>> len(a), len(b)
    (7, 3)
    """
    x, y = _same_length(x, y, "train_test_split")
    if not 0.0 < test < 1.0:
        raise OperandError(f"train_test_split: received test={test!r}, expected a share between 0 and 1.")
    generator = rng_of(rng)
    held: np.ndarray = np.zeros(len(x), dtype=bool)
    groups = [np.flatnonzero(y == c) for c in np.unique(y)] if stratify else [np.arange(len(x))]
    for group in groups:
        held[generator.permutation(group)[: round(test * len(group))]] = True
    order = generator.permutation(len(x))
    train, out = order[~held[order]], order[held[order]]
    if not len(train) or not len(out):
        raise ShapeError(f"train_test_split: received {len(x)} samples and test={test}, which leaves one side empty; expected at least one on each.")
    return x[train], x[out], y[train], y[out]


@checked
def batches(
    x: Any, y: Any, size: Count | None = None, *, rng: Generator = None, shuffle: bool = True, drop_last: bool = False
) -> Iterator[Data]:
    """Parts of `size` samples (all at once where it is None), in a new random order.

    The last part may be smaller; `drop_last` leaves it out, as torch's `DataLoader` does.

    >>> [len(part) for part, _ in batches(np.arange(7), np.arange(7), 3, rng=0)]
    [3, 3, 1]
    >>> [part.tolist() for part, _ in batches(np.arange(7), np.arange(7), 3, shuffle=False, drop_last=True)]
    [[0, 1, 2], [3, 4, 5]]
    """
    x, y = _same_length(x, y, "batches")
    n = len(x)
    step = int(size or max(n, 1))
    order = rng_of(rng).permutation(n) if shuffle else np.arange(n)
    parts = (order[start : start + step] for start in range(0, n - n % step if drop_last else n, step))
    return ((x[part], y[part]) for part in parts)


class Scaler(NamedTuple):
    """The mean and scale of each feature of the training set, as `standardize` finds them.

    >>> scaler = Scaler(np.array([1.0, 10.0]), np.array([2.0, 5.0]))
    >>> scaler([[3.0, 0.0]]), scaler.inverse([[1.0, -2.0]])
    (array([[ 1., -2.]]), array([[3., 0.]]))
    """

    mean: np.ndarray
    scale: np.ndarray

    @checked
    def __call__(self, x: Numbers) -> np.ndarray:
        """(x − mean) / scale."""
        return np.asarray((self._features(x) - self.mean) / self.scale)

    @checked
    def inverse(self, x: Numbers) -> np.ndarray:
        """Back to the first units."""
        return np.asarray(self._features(x) * self.scale + self.mean)

    def _features(self, x: Any) -> np.ndarray:
        instead = "write (x - mean) / scale with NumPy"
        array, mean, scale = (
            plain_numbers(v, "Scaler", name, instead).astype(float) for v, name in ((x, "x"), (self.mean, "mean"), (self.scale, "scale"))
        )
        if mean.shape != scale.shape or array.shape[array.ndim - mean.ndim :] != mean.shape:
            count = mean.shape[0] if mean.ndim else "any number of"
            raise ShapeError(f"Scaler: received x of shape {array.shape}, expected {count} features along the last axis.")
        return array


@checked
def standardize(x: Numbers, *others: Any) -> tuple[Any, ...]:
    """(x, *others, scaler) with mean 0 and standard deviation 1 per feature of the first; a constant feature is only centred.

    >>> train, test, scaler = standardize([[0.0], [2.0]], [[4.0]])
    >>> train.ravel(), test.ravel()
    (array([-1.,  1.]), array([3.]))
    """
    data = plain_numbers(x, "standardize", "x", "write it with np.mean and np.std").astype(float)
    if data.ndim != 2 or not len(data):
        raise ShapeError(f"standardize: received shape {data.shape}, expected (samples, features).")
    scale = data.std(axis=0)
    scaler = Scaler(data.mean(axis=0), np.where(scale == 0.0, 1.0, scale))
    return (*(scaler(part) for part in (data, *others)), scaler)


@checked
def one_hot(y: Numbers, classes: Count | None = None) -> np.ndarray:
    """Class numbers as rows with a single 1.

    >>> one_hot([0, 2])
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    labels = as_numbers(y, "one_hot", "y")
    if labels.dtype.kind not in "iu" or (labels.size and labels.min() < 0):
        raise OperandError(f"one_hot: received {labels.dtype} from {labels.min() if labels.size else '?'}, expected class numbers from 0.")
    count = int(labels.max(initial=-1)) + 1 if classes is None else int(classes)
    if labels.size and labels.max() >= count:
        raise OperandError(f"one_hot: received class {labels.max()}, expected numbers below {count}.")
    return np.asarray(np.eye(count)[labels])
