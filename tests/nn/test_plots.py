"""Pictures: each is drawn, returns its axes, takes `ax=`, and says what it should; the drawings of the demo are written."""

import inspect
import sys

import numpy as np
import pytest

import nn
from autograd_core.errors import OperandError, ShapeError

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

from nn import plot, plot_model  # noqa: E402
from nn.data import blobs, moons, sine  # noqa: E402


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def texts(ax):
    return " ".join(t.get_text() for t in ax.figure.findobj(matplotlib.text.Text))


def drawn(ax, tmp_path):
    ax.figure.savefig(tmp_path / "x.png", dpi=50)
    assert (tmp_path / "x.png").stat().st_size > 1000
    return texts(ax)


def test_decision_boundary(tmp_path):
    x, y = moons(40, rng=0)
    model = nn.MLP(2, [4, 1], rng=0)
    ax = plot.decision_boundary(model, x, y, resolution=20)
    assert "class 0" in drawn(ax, tmp_path) and "class 1" in texts(ax)
    _, mine = plt.subplots()
    assert plot.decision_boundary(nn.Sequential(nn.Linear(2, 1, rng=0), nn.Sigmoid()), x, y, ax=mine, resolution=20) is mine
    x, y = blobs(30, rng=0)
    assert "class 2" in drawn(plot.decision_boundary(nn.Linear(2, 3, rng=0), x, y, resolution=30), tmp_path)
    plot.decision_boundary(lambda grid: grid[:, 0], x, y, resolution=10)
    with pytest.raises(ShapeError, match=r"expected \(n, 2\)"):
        plot.decision_boundary(model, np.zeros((3, 3)), [0, 1, 0])


def test_loss_curves(tmp_path):
    x, y = moons(60, noise=0.3, rng=0)
    model = nn.Sequential(nn.Linear(2, 32, rng=0), nn.Tanh(), nn.Linear(32, 2, rng=1))
    history = nn.fit(model, x, y, loss="cross_entropy", epochs=15, validation=0.3, metrics="accuracy", early_stopping=4, rng=0)
    said = drawn(history.plot(), tmp_path)
    for word in ("training loss", "validation loss", "training accuracy", "validation accuracy", "best: epoch", "epoch"):
        assert word in said
    with pytest.raises(KeyError, match="history has no 'val_f1'"):
        history["val_f1"]


def test_fits_galleries_and_images_say_what_they_show(tmp_path):
    x, y = sine(30, rng=0)
    model = nn.Sequential(nn.Linear(1, 8, rng=0), nn.Tanh(), nn.Linear(8, 1, rng=1))
    assert "model" in drawn(plot.regression_fit(model, x, y), tmp_path)
    assert "derivative" in drawn(plot.activation_gallery(), tmp_path)
    images = np.random.default_rng(0).random((10, 64))
    classifier = nn.Linear(64, 3, rng=0)
    assert "of 10 wrong" in drawn(plot.misclassified(classifier, images, np.zeros(10, int)), tmp_path)
    assert "none" in drawn(plot.misclassified(classifier, images, nn.predict(classifier, images).argmax(axis=1)), tmp_path)
    assert "orange" in drawn(plot.weight_images(classifier), tmp_path)
    plot.weight_images(nn.Conv2d(1, 4, 3, rng=0))
    with pytest.raises(ShapeError, match="a square number of inputs"):
        plot.weight_images(nn.Linear(5, 2, rng=0))
    with pytest.raises(OperandError, match="received 'softmax', expected functions of one number: (?!.*softmax).*relu"):
        plot.activation_gallery(["softmax"])


def test_network_drawing(tmp_path):
    model = nn.MLP(2, [3, 1], rng=0)
    said = drawn(plot_model.network(model), tmp_path)
    assert "hidden" in said and "hidden 1" not in said, "one needs no number"
    assert all(f"{w.data:+.2f}".replace("-", "−") in said for layer in model.layers for n in layer.neurons for w in n.w)
    model([1.0, 2.0]).backward()
    assert "gradient" in drawn(plot_model.network(model, by="gradient"), tmp_path)
    assert "(18 shown)" not in texts(plot_model.network(nn.Sequential(nn.Linear(40, 5, rng=0)), most=10)) and "(9 shown)" in texts(
        plot_model.network(nn.Sequential(nn.Linear(40, 5, rng=0)), most=10)
    )
    plot_model.network(nn.Neuron(3, rng=0))
    with pytest.raises(OperandError, match="expected 'weight' or 'gradient'"):
        plot_model.network(model, by="size")
    with pytest.raises(OperandError, match="expected an MLP"):
        plot_model.network(nn.ReLU())


def test_histograms(tmp_path):
    x, y = moons(50, rng=0)
    model = nn.Sequential(nn.Linear(2, 8, rng=0), nn.Tanh(), nn.Linear(8, 8, rng=1), nn.ReLU(), nn.Linear(8, 1, rng=2))
    model[0].weight.data = model[0].weight.data * 50.0     # saturates
    model[2].bias.data = np.full(8, -100.0)                # dies
    axes = plot_model.layer_histograms(model, x, y[:, None])
    said = drawn(axes[0, 0], tmp_path)
    assert axes.shape == (2, 2) and "saturated: 9" in said and "dead units: 100%" in said
    assert plot_model.layer_histograms(nn.MLP(2, [3, 1], rng=0), x, y).shape == (2, 2)


def test_histograms_stand_where_they_are_told_to(tmp_path):
    x, y = moons(50, rng=0)
    model = nn.MLP(2, [3, 1], rng=0)
    ax = plt.subplots()[1]
    inner = plot_model.layer_histograms(model, x, y, ax=ax)
    assert inner.shape == (2, 2) and list(inner.flat) == ax.child_axes and all(one.figure is ax.figure for one in inner.flat)
    assert "Activations (top)" in ax.get_title() and "std" in inner[1, 1].get_title() and inner[0, 0].patches
    given = plt.subplots(2, 2)[1]
    assert list(plot_model.layer_histograms(model, x, y, ax=given).flat) == list(given.flat)
    for wrong, shape in ((given[0], r"\(2,\)"), (given.T[:1], r"\(1, 2\)"), ("left", r"\(\)")):
        with pytest.raises(ShapeError, match=rf"received ax= of shape {shape}, expected one axes, or an array of them of shape \(2, 2\)"):
            plot_model.layer_histograms(model, x, y, ax=wrong)


def test_every_picture_takes_the_axes_that_it_is_given():
    no_pictures = {"COLOURS", "MARKERS", "new_axes", "optimizer_paths"}
    assert [name for name in plot.__all__ if name not in no_pictures and "ax" not in inspect.signature(getattr(plot, name)).parameters] == []


def test_a_surface_names_the_paths_over_it(tmp_path):
    def valley(t):
        return t[0] ** 2 + 10.0 * t[1] ** 2

    paths = plot_model.optimizer_paths(valley, [1.5, 1.0], {"SGD": lambda p: nn.SGD(p, lr=0.05), "Adam": lambda p: nn.Adam(p, lr=0.1)}, steps=20)
    said = drawn(plot_model.loss_surface(valley, paths=paths, resolution=15), tmp_path)
    assert "SGD" in said and "Adam" in said and "θ₁" in said
    with pytest.raises(OperandError, match="three-dimensional"):
        plot_model.loss_surface(valley, ax=plt.subplots()[1])


def test_axes_are_tidy():
    for grid in (True, False):
        ax = nn.axes.new_axes(None, (3.0, 2.0))
        assert nn.axes.tidy(ax, "title", "x", "y", grid) is ax
        assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == ("title", "x", "y") and tuple(ax.figure.get_size_inches()) == (3.0, 2.0)
        assert [ax.spines[side].get_visible() for side in ("left", "bottom", "top", "right")] == [True, True, False, False]
        assert ax.xaxis.get_gridlines()[0].get_visible() is grid and (ax.get_axisbelow() is True) is grid
        assert nn.axes.new_axes(ax) is ax and ax.figure.get_layout_engine() is not None
    plt.close("all")


def test_a_surface_is_of_numbers_over_a_plane():
    def valley(t):
        return t[0] ** 2 + 10.0 * t[1] ** 2

    before = plt.get_fignums()
    for call, error, message in (
        (lambda: plot_model.loss_surface(valley, xlim=(1.0, 1.0)), OperandError, r"xlim=\(1.0, 1.0\), expected two numbers, the smaller one first"),
        (lambda: plot_model.loss_surface(valley, ylim=(2.0, 1.0)), OperandError, r"ylim=\(2.0, 1.0\)"),
        (lambda: plot_model.loss_surface(valley, paths={"a": np.ones(3)}), ShapeError, r"a path of shape \(3,\), expected \(steps, 2\)"),
        (lambda: plot_model.loss_surface(valley, paths={"a": np.ones((3, 3))}), ShapeError, r"a path of shape \(3, 3\)"),
        (lambda: plot_model.loss_surface(lambda t: t), ShapeError, r"f gave an array of shape \(2,\), expected a function of two parameters that gives one number"),
        (lambda: plot_model.loss_surface(lambda t: "low"), OperandError, "expected real numbers"),
        (lambda: plot_model.optimizer_paths(valley, [1.0, 1.0], {"SGD": 3}), OperandError, "expected functions that make an optimiser"),
        (lambda: plot_model.layer_histograms(nn.ReLU(), np.ones((2, 2)), np.ones((2, 1))), OperandError, "expected a Sequential or an MLP"),
        (lambda: plot.misclassified(nn.Linear(64, 1, rng=0), np.ones((4, 64)), np.ones(4)), ShapeError, "expected a score for each class"),
    ):
        with pytest.raises(error, match=message):
            call()
    assert plt.get_fignums() == before
    drawn = [plot_model.loss_surface(f, resolution=3, paths={"near": [[0.0, 0.0], [1.0, 1.0]], "far": [[9.0, 9.0]]}) for f in (valley, lambda t: valley(t).item())]
    for ax in drawn:
        assert ax.get_legend_handles_labels()[1] == ["near"] and ax.get_zlim() == drawn[0].get_zlim()
    assert plot_model.loss_surface(valley, resolution=3, paths={"far": [[9.0, 9.0]]}).get_legend() is None
    plt.close("all")


def test_live_in_a_file(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)  # imported by the tests of notebooks: this is none
    x, y = moons(30, rng=0)
    path, sizes = tmp_path / "live.png", []
    history = nn.fit(
        nn.MLP(2, [4, 1], rng=0), x, 2 * y - 1, loss="hinge", epochs=3, live=path, rng=0,
        callbacks=[lambda training: sizes.append(path.exists())],
    )  # fmt: skip
    assert len(history) == 3 and path.stat().st_size > 5000 and sizes == [False, True, True]
    assert [p.name for p in tmp_path.iterdir()] == ["live.png"] and not plt.get_fignums()
    model = nn.MLP(2, [4, 1], rng=0)
    before = model.state_dict()
    with pytest.raises(OperandError, match="live=True needs a notebook or a window"):
        nn.fit(model, x, y, epochs=3, live=True)
    assert all((model.state_dict()[k] == v).all() for k, v in before.items())


def test_live_in_a_notebook(monkeypatch):
    pytest.importorskip("IPython", reason="IPython is not installed")
    import sys

    import IPython.display

    shown = []

    class Handle:
        def update(self, figure):
            shown.append("update")

    def display(figure, display_id):
        shown.append("display")
        return Handle()

    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    monkeypatch.setattr(IPython.display, "display", display)
    x, y = sine(20, rng=0)
    nn.fit(nn.Linear(1, 1, rng=0), x, y, epochs=2, live=True, progress=False)
    assert shown == ["display", "update"] and not plt.get_fignums()


def test_the_pictures_have_one_address():
    assert plot.network is plot_model.network and "loss_surface" in dir(plot)
    with pytest.raises(AttributeError, match="no attribute 'pie'"):
        plot.pie


def test_the_legend_of_a_boundary_hides_nothing():
    x, y = moons(40, rng=0)
    ax = nn.plot.decision_boundary(lambda p: 3 * (p[:, 0] - p[:, 1]), x, 2 * y - 1)
    ax.figure.canvas.draw()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["score 0", "score −1, +1", "class −1", "class 1"]
    assert ax.get_legend().get_window_extent().y1 <= ax.get_window_extent().y0


def overlaps(ax):
    """Pairs of texts in a drawing of a network that lie on each other by more than their edges."""
    ax.figure.canvas.draw()
    boxes = [(t.get_text(), t.get_window_extent()) for t in ax.texts if t.get_text()]
    return [
        (a, b) for k, (a, p) in enumerate(boxes) for b, q in boxes[:k]
        if min(p.x1, q.x1) - max(p.x0, q.x0) > 4 and min(p.y1, q.y1) - max(p.y0, q.y0) > 4
    ]  # fmt: skip


@pytest.mark.parametrize("sizes", [(1, 1), (2, 2, 1), (2, 3, 1), (2, 2, 2), (3, 4, 2), (2, 4, 2), (4, 5), (2, 2, 2, 2, 2), (10, 2), (3, 3, 3)])
def test_the_numbers_of_a_network_stand_beside_each_other(sizes):
    model = nn.MLP(sizes[0], sizes[1:], rng=0)
    assert overlaps(plot_model.network(model)) == []


def test_a_network_shows_its_biases():
    model = nn.MLP(2, [2, 1], rng=0)
    model.load_state_dict({**model.state_dict(), "0.bias": np.array([0.35, -0.25]), "2.bias": np.array([0.6])})
    said = texts(plot_model.network(model))
    assert "b +0.35" in said and "b −0.25" in said and "b +0.60" in said
    assert "b +0.35" not in texts(plot_model.network(model, values=False))
    assert "b " not in texts(plot_model.network(nn.MLP(2, [2, 1], bias=False, rng=0)))
    nn.squared_error(model([1.0, 2.0]), 0.0).backward()
    assert f"b {model.layers[1].neurons[0].b.grad:+.2g}".replace("-", "−") in texts(plot_model.network(model, by="gradient"))


def test_a_perceptron_is_a_network_and_its_boundary_a_straight_line():
    x, y = nn.data.logic("and")
    perceptron = nn.Perceptron(2).fit(x, y)
    said = texts(plot_model.network(perceptron))
    assert "+2.00" in said and "+1.00" in said and "b −2.00" in said
    ax = plot.decision_boundary(perceptron, x, y)
    lines = [path.vertices for c in ax.collections for path in c.get_paths() if c.get_edgecolor().size and len(path.vertices) > 1]
    line = next(v for v in lines if np.allclose(perceptron.scores(v), 0.0, atol=1e-9))
    assert len(line) > 10 and "w·x + b = 0" in texts(ax), "every point of the line is on w·x + b = 0: no staircase"
    assert "w·x" not in texts(plot.decision_boundary(nn.Perceptron(2), x, y)), "before the first step there is none"


def level(ax):
    """The scores of the line that is drawn."""
    return next(t.get_text() for t in ax.get_legend().get_texts() if t.get_text().startswith("score"))


@pytest.mark.parametrize("kind", ["values", "tensors"])
def test_a_boundary_lies_where_the_class_changes_whatever_was_trained_for(kind):
    x, y = moons(60, noise=0.1, rng=0)
    for loss, target, at in (("mse", y, "score 0.5"), ("bce_with_logits", y, "score 0"), ("mse", 2 * y - 1, "score 0"), ("hinge", 2 * y - 1, "score 0")):
        if kind == "values":
            model = nn.MLP(2, [8, 1], rng=0)
            nn.fit(model, x, target, loss=loss, lr=0.05, epochs=60, rng=0)
        else:
            model = nn.Sequential(nn.Linear(2, 8, rng=0), nn.Tanh(), nn.Linear(8, 1, rng=1))
            nn.fit(model, x, target[:, None], loss=loss, lr=0.05, epochs=60, rng=0)
        assert level(plot.decision_boundary(model, x, target, resolution=40)) == at, loss
    assert level(plot.decision_boundary(model, x, y, resolution=40, threshold=0.25)) == "score 0.25"
    barely = nn.Sequential(nn.Linear(2, 8, rng=0), nn.Tanh(), nn.Linear(8, 1, rng=1))
    nn.fit(barely, x, y[:, None], loss="bce_with_logits", lr=0.02, epochs=2, rng=0)
    assert level(plot.decision_boundary(barely, x, y, resolution=40)) == "score 0", "small scores are logits, too"


def test_several_labels_have_no_one_boundary():
    x, y = moons(20, rng=0)
    for call in (lambda labels: plot.data_scatter(x, labels), lambda labels: plot.decision_boundary(nn.Linear(2, 3, rng=0), x, labels)):
        with pytest.raises(ShapeError, match=r"y of shape \(20, 3\), expected .*; of several labels a sample plot one at a time, as in y\[:, 0\]"):
            call(np.ones((20, 3)))
        with pytest.raises(ShapeError, match=r"y of shape \(19,\), expected \(n, 2\) and a class for each of the n samples\.$"):
            call(y[1:])
    plot.data_scatter(x, y[:, None])


def test_a_surface_that_cannot_be_computed_leaves_no_empty_picture():
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        plot_model.loss_surface(lambda a, b: a + b)
    assert plt.get_fignums() == []


def luminance(colour):
    return float(np.dot(matplotlib.colors.to_rgb(colour), (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_lines_and_numbers_stand_out_in_a_light_and_in_a_dark_style(style):
    x, y = moons(40, rng=0)
    gate = nn.data.logic("and")
    valley = lambda t: (t * t).sum()
    paths = plot_model.optimizer_paths(valley, [1.0, 1.5], {name: lambda p: nn.SGD(p, lr=0.1) for name in ("one", "two")}, steps=3)
    with plt.style.context(style):
        drawings = [
            plot.decision_boundary(nn.Linear(2, 1, rng=0), x, y, threshold=0.0), plot.decision_boundary(nn.Linear(2, 3, rng=0), *blobs(30, rng=0)),
            plot.decision_boundary(nn.Perceptron(2).fit(*gate), *gate), plot_model.network(nn.MLP(2, [3, 1], rng=0)),
            plot_model.network(nn.MLP(30, [1], rng=0)), plot.image_grid(np.ones((2, 4)), ["one", "two"]), plot_model.loss_surface(valley, paths=paths, resolution=5),
        ]  # fmt: skip
        for ax in drawings:
            ground = luminance(ax.figure.get_facecolor())
            for text in ax.figure.findobj(matplotlib.text.Text):
                if text.get_text() and text.get_visible():
                    behind = text.get_bbox_patch()
                    assert abs(luminance(text.get_color()) - (ground if behind is None else luminance(behind.get_facecolor()))) > 0.5, text
            for line in ax.get_legend().get_lines() if ax.get_legend() else ():
                assert line.get_linestyle() == "None" or abs(luminance(line.get_color()) - ground) > 0.25, line
            image = ax.images[0].get_array() if ax.images and ax.images[0].get_array().ndim == 3 else None
            assert image is None or abs(image.mean() - ground) < 0.5, "regions are tints of the ground"


def test_small_gradients_on_a_network_have_digits():
    model = nn.MLP(2, [2, 1], rng=0)
    (1e-4 * model([1.0, 2.0])).backward()
    said = texts(plot_model.network(model, by="gradient"))
    assert "0.00 " not in said and f"{model.layers[1].neurons[0].w[0].grad:+.2g}".replace("-", "−") in said


@pytest.mark.parametrize("panels", [1, 2, 3, 4])
def test_legends_of_panels_stand_under_their_own(panels):
    x, y = moons(40, rng=0)
    figure, axes = plt.subplots(1, panels, figsize=(11, 3.2), layout="constrained", squeeze=False)
    for ax in axes[0]:
        plot.decision_boundary(lambda p: 3 * (p[:, 0] - p[:, 1]), x, y, ax=ax, resolution=10, threshold=0.0)
    figure.canvas.draw()
    boxes = [ax.get_legend().get_window_extent() for ax in axes[0]]
    assert all(left.x1 <= right.x0 + 1 for left, right in zip(boxes, boxes[1:], strict=False)), "they lie on each other"
    assert all(box.y1 <= ax.xaxis.label.get_window_extent().y0 + 1 for box, ax in zip(boxes, axes[0], strict=True)), "it lies on the name of the axis"
    assert all(box.y0 >= 0 for box in boxes)


@pytest.mark.parametrize(("held", "named"), [([0.9, 0.8], True), ([0.4, 0.1], False), ([0.4, 0.3], True)])
def test_a_legend_names_the_gap_only_where_there_is_one(held, named):
    """Validation may do better than training, as with dropout: then nothing is shaded."""
    history = nn.History()
    for a, b in zip([0.5, 0.2], held):
        history.append({"loss": a, "val_loss": b})
    ax = nn.plot.loss_curves(history)
    assert ("generalisation gap" in [text.get_text() for text in ax.get_legend().get_texts()]) is named
