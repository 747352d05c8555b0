"""The command line: `python -m nn` (the demo), `python -m nn train …`, `python -m nn predict …`."""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import sys
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from autograd_core.errors import AutogradError
from autograd_core.viz import say

from . import data, plot
from .activations import ELU, GELU, Identity, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from .axes import pyplot
from .history import History
from .inference import is_scalar, predict
from .io import FileError, load, notes_of, save
from .layers import Dropout, Linear, Sequential
from .losses import l2_penalty
from .module import Module
from .neuron import MLP
from .schedules import CosineAnnealingLR
from .setting_up import OPTIMIZERS
from .train import fit

__all__ = ["read_csv", "run"]

MODULES: dict[str, type[Module]] = {
    "tanh": Tanh, "relu": ReLU, "sigmoid": Sigmoid, "identity": Identity, "leaky_relu": LeakyReLU, "elu": ELU, "gelu": GELU, "silu": SiLU,
    "softplus": Softplus,
}  # fmt: skip


class UsageError(AutogradError, ValueError):
    """The command line or an input file is wrong; the message is one line for the user."""


# ------------------------------------------------------------------------------------------------ CSV files
def read_csv(path: str | Path) -> tuple[list[str], np.ndarray]:
    """The column names and the numbers of a CSV file with a heading; a clear error with row and column for anything else."""
    source = Path(path)
    if not source.is_file():
        raise UsageError(f"{source}: there is no such file.")
    try:
        with source.open(newline="", encoding="utf-8-sig") as file:
            lines = [(reader.line_num, row) for reader in [csv.reader(file)] for row in reader if any(cell.strip() for cell in row)]
    except UnicodeDecodeError as error:
        raise UsageError(f"{source}: not a text file in UTF-8 ({error}); spreadsheets offer it as “CSV UTF-8”.") from error
    except csv.Error as error:
        raise UsageError(f"{source}: not a CSV text file ({error}).") from error
    if not lines:
        raise UsageError(f"{source}: the file is empty, expected a line of column names and lines of numbers.")
    names = [name.strip() for name in lines[0][1]]
    other = next((mark for mark in ";\t" if mark in names[0]), None)
    if other is not None and len(names) == 1:
        raise UsageError(f"{source}: line {lines[0][0]} has columns separated by {other!r}, expected commas between them and points in numbers.")
    if all(_is_number(name) for name in names):
        raise UsageError(f"{source}: line {lines[0][0]} has numbers, expected the names of the columns there.")
    if len(lines) < 2:
        raise UsageError(f"{source}: there are no lines of numbers below the column names.")
    numbers = np.empty((len(lines) - 1, len(names)))
    for i, (line, row) in enumerate(lines[1:]):
        if len(row) != len(names):
            raise UsageError(f"{source}: line {line} has {len(row)} columns, expected {len(names)} as in the first line.")
        for j, cell in enumerate(row):
            where = f"{source}: line {line}, column {j + 1} ({names[j]})"
            if not _is_number(cell):
                raise UsageError(f"{where}: {cell.strip()[:30]!r} is not a number.")
            numbers[i, j] = float(cell)
            if not np.isfinite(numbers[i, j]):
                raise UsageError(f"{where}: {cell.strip()} is not a finite number.")
    return names, numbers


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _table(path: str, target: str | None) -> tuple[np.ndarray, np.ndarray, list[str], str]:
    """(x, y, names of the features, name of the target) of a CSV file; the target is the last column unless named."""
    names, numbers = read_csv(path)
    if len(names) < 2:
        raise UsageError(f"{path}: there is one column, expected features and a target.")
    chosen = names[-1] if target is None else target
    if chosen not in names:
        raise UsageError(f"{path}: there is no column {chosen!r}; there are {', '.join(names)}.")
    at = names.index(chosen)
    return np.delete(numbers, at, axis=1), numbers[:, at], [n for i, n in enumerate(names) if i != at], chosen


# --------------------------------------------------------------------------------------------------- commands
class _Parser(argparse.ArgumentParser):
    """Bad arguments give one line."""

    def error(self, message: str) -> NoReturn:
        """The line, and exit code 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m nn", description="Train small neural networks. Without a command: the demo, with pictures in demo_output/.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", metavar="{demo,train,predict}")
    demo = commands.add_parser(
        "demo", help="a scalar network on two moons and a tensor network on handwritten digits", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    demo.add_argument("--output", default="demo_output", help="folder for the pictures")
    demo.add_argument("--seed", type=int, default=0, help="seed of every random number")
    demo.add_argument("--quiet", action="store_true", help="no progress bars")
    train = commands.add_parser(
        "train", help="train a network on a data set or a CSV file", formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="Train a network, print its metrics on a held-out part, and write pictures and the model.",
        epilog="A CSV file has a line of column names, then numbers; the target is the last column, or that of --target. Whole numbers "
        "with at most 20 different values are taken as classes, anything else as numbers to be fitted.",
    )  # fmt: skip
    train.add_argument("data", help=f"{', '.join(data.DATASETS)}, digits, or a CSV file")
    train.add_argument("--hidden", type=int, nargs="*", default=[16, 16], metavar="N", help="neurons of each hidden layer")
    train.add_argument("--activation", choices=sorted(MODULES), default="tanh", help="activation of the hidden layers")
    train.add_argument("--optimizer", choices=sorted(OPTIMIZERS), default="adam", help="how the parameters are updated")
    train.add_argument("--lr", type=float, default=None, help="learning rate; None takes one that suits the optimizer")
    train.add_argument("--epochs", type=int, default=100, help="number of passes over all samples")
    train.add_argument("--batch-size", type=int, default=32, help="samples per update; 0 takes all at once")
    train.add_argument("--scalar", action="store_true", help="compute on Value, one number at a time (slow, and can be drawn)")
    train.add_argument("--samples", type=int, default=400, help="number of samples of a generated set")
    train.add_argument("--noise", type=float, default=None, help="noise of a generated set")
    train.add_argument("--target", default=None, help="the column of a CSV file to be predicted; None takes the last")
    train.add_argument("--task", choices=["auto", "classes", "numbers"], default="auto", help="what the target of a CSV file is")
    train.add_argument("--test", type=float, default=0.2, help="share of the samples that is held out")
    train.add_argument("--dropout", type=float, default=0.0, help="probability of dropping a hidden unit")
    train.add_argument("--l2", type=float, default=0.0, help="strength of the penalty on the squares of the weights")
    train.add_argument("--patience", type=int, default=None, help="early stopping after so many epochs without improvement")
    train.add_argument("--cosine", action="store_true", help="let the learning rate fall along a cosine")
    train.add_argument("--seed", type=int, default=0, help="seed of every random number")
    train.add_argument("--output", default="train_output", help="folder for the pictures and the model")
    train.add_argument("--no-plots", action="store_true", help="write no pictures")
    train.add_argument("--resume", action="store_true", help="go on from the checkpoint in the output folder, if there is one")
    train.add_argument("--quiet", action="store_true", help="no progress bar")
    guess = commands.add_parser("predict", help="apply a saved model to a CSV file", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    guess.add_argument("model", help="a file that train has written")
    guess.add_argument("file", help="a CSV file with the model's feature columns")
    guess.add_argument("--output", default="-", help="a CSV file for the predictions; - prints them")
    return parser


def _data(args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """(x, y, notes): notes keep what predict must know."""
    if args.data in data.DATASETS:
        options = {} if args.noise is None else {"spread" if args.data == "blobs" else "noise": args.noise}
        x, y = data.DATASETS[args.data](args.samples, rng=args.seed, **options)
        return x, y, {"features": ["x1", "x2"], "target": "class", "classes": np.unique(y).tolist()}
    if args.data == "digits":
        x, y = data.digits()
        return x, y, {"features": [f"pixel{i}" for i in range(64)], "target": "digit", "classes": list(range(10))}
    if Path(args.data).suffix.lower() not in (".csv", ".txt", ".tsv") and not Path(args.data).exists():
        raise UsageError(f"{args.data!r} is neither a data set ({', '.join(data.DATASETS)}, digits) nor a file.")
    x, y, names, target = _table(args.data, args.target)
    whole = bool((y == np.round(y)).all())
    classes = args.task == "classes" or (args.task == "auto" and whole and len(np.unique(y)) <= 20)
    if classes and not whole:
        raise UsageError(f"{args.data}: column {target!r} has fractions, so it cannot be class numbers; use --task numbers.")
    notes: dict[str, Any] = {"features": names, "target": target, "classes": None}
    if classes:
        values, y = np.unique(y.astype(int), return_inverse=True)
        notes["classes"] = values.tolist()
        if len(values) < 2:
            raise UsageError(f"{args.data}: column {target!r} has one class only, expected at least two.")
    return x, y, notes


def _checked(args: argparse.Namespace) -> None:
    for name, value, good, expected in (
        ("--hidden", args.hidden, all(n >= 1 for n in args.hidden), "numbers of at least 1"),
        ("--epochs", args.epochs, args.epochs >= 1, "a number of at least 1"),
        ("--batch-size", args.batch_size, args.batch_size >= 0, "a number of at least 0"),
        ("--lr", args.lr, args.lr is None or 0 < args.lr < float("inf"), "a positive number"),
        ("--samples", args.samples, args.samples >= 10, "a number of at least 10"),
        ("--noise", args.noise, args.noise is None or args.noise >= 0, "a number of at least 0"),
        ("--test", args.test, 0 < args.test < 1, "a share between 0 and 1"),
        ("--dropout", args.dropout, 0 <= args.dropout < 1, "a probability from 0 to below 1"),
        ("--l2", args.l2, args.l2 >= 0, "a number of at least 0"),
        ("--patience", args.patience, args.patience is None or args.patience >= 1, "a number of at least 1"),
        ("--seed", args.seed, args.seed >= 0, "a number of at least 0"),
    ):
        if not good:
            raise UsageError(f"{name}: received {value}, expected {expected}.")
    if args.scalar and args.dropout:
        raise UsageError("--dropout works on tensors, not with --scalar.")


def _model(args: argparse.Namespace, nin: int, nout: int) -> Module:
    if args.scalar:
        return MLP(nin, [*args.hidden, nout], activation=args.activation, rng=args.seed)
    sizes = [nin, *args.hidden]
    modules: list[Module] = []
    for i, (a, b) in enumerate(itertools.pairwise(sizes)):
        modules += [Linear(a, b, rng=args.seed + i), MODULES[args.activation]()]
        modules += [Dropout(args.dropout, rng=args.seed + i)] if args.dropout else []
    return Sequential(*modules, Linear(sizes[-1], nout, rng=args.seed + len(sizes)))


def _train(args: argparse.Namespace) -> int:
    _checked(args)
    if not args.no_plots:
        pyplot()                          # if it is missing, say so before the work and not after it
    x, y, notes = _data(args)
    if len(x) < 5:
        raise UsageError(f"{args.data}: there are {len(x)} samples, expected at least 5.")
    classes = notes["classes"]
    x_train, x_test, y_train, y_test = data.train_test_split(x, y, test=args.test, rng=args.seed)
    x_train, x_test, scaler = data.standardize(x_train, x_test)
    notes["mean"], notes["scale"] = scaler.mean.tolist(), scaler.scale.tolist()
    if classes is None:
        middle, width = float(y_train.mean()), float(y_train.std()) or 1.0
        y_train, y_test = (y_train[:, None] - middle) / width, (y_test[:, None] - middle) / width
        notes["y_mean"], notes["y_scale"] = middle, width
    model = _model(args, x.shape[1], len(classes) if classes else 1)
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)  # a folder that cannot be there is no folder to train for
    goal = f"{len(classes)} classes" if classes else "numbers to be fitted"
    say(f"{args.data}: {len(x_train)} samples to train on, {len(x_test)} held out, {x.shape[1]} features, {goal}")
    say(f"{model!r}\n{model.number_of_parameters():,} parameters" if is_scalar(model) else model.summary())
    metric = "accuracy" if classes else "r2"
    history = fit(
        model, x_train, y_train, loss="cross_entropy" if classes else "mse", optimizer=args.optimizer, lr=args.lr, epochs=args.epochs,
        batch_size=args.batch_size or None, validation=(x_test, y_test), metrics=metric, rng=args.seed, early_stopping=args.patience,
        penalty=(lambda m: l2_penalty(m, args.l2)) if args.l2 else None, progress=not args.quiet,
        schedule=(lambda optimizer: CosineAnnealingLR(optimizer, args.epochs)) if args.cosine else None,
        checkpoint=folder / "checkpoint.safetensors", checkpoint_every=max(1, args.epochs // 10), resume=args.resume,
    )  # fmt: skip
    if not len(history):
        say("ended before the first epoch was over; nothing was written.")
        return 1
    at = -1 if history.best_epoch is None else history.best_epoch - 1
    say(
        f"{len(history)} epochs ({history.stopped}): loss {history['loss'][at]:.4f}, held out {history['val_loss'][at]:.4f}; "
        f"{'accuracy' if classes else 'R²'} {history[metric][at]:.4f}, held out {history[f'val_{metric}'][at]:.4f}"
    )
    written = [(save(model, folder / "model.safetensors", notes=notes), "the model; python -m nn predict reads it")]
    written.append((folder / "checkpoint.safetensors", "the state of the run; --resume goes on from there"))
    if not args.no_plots:
        written += _pictures(model, history, x_test, y_test, x_train, y_train, classes, folder)
    say("written:")
    for path, what in written:
        say(f"  {path}  {what}")
    return 0


def _pictures(
    model: Module, history: History, x: np.ndarray, y: np.ndarray, x_train: np.ndarray, y_train: np.ndarray, classes: Any, folder: Path
) -> list[tuple[Path, str]]:
    pyplot().switch_backend("Agg")
    found = [(plot.loss_curves(history), "loss.png", "loss and metric over the epochs")]
    if x.shape[1] == 2 and classes:
        found.append((plot.decision_boundary(model, x_train, y_train), "decision_boundary.png", "what the model answers all over the plane"))
    elif classes and x.shape[1] == 64 and len(classes) == 10:
        found.append((plot.misclassified(model, x, y), "misclassified.png", "the held-out digits it gets wrong"))
    elif not classes and x.shape[1] == 1:
        found.append((plot.regression_fit(model, x_train, y_train), "fit.png", "the fitted curve"))
    written = []
    for ax, name, what in found:
        ax.figure.savefig(folder / name, dpi=130)
        pyplot().close(ax.figure)
        written.append((folder / name, what))
    return written


def _predict(args: argparse.Namespace) -> int:
    model, notes = load(args.model), notes_of(args.model)
    if not {"features", "mean", "scale", "target", "classes"} <= set(notes):
        raise UsageError(f"{args.model}: the file was not written by `python -m nn train`, so the columns it needs are not known.")
    names, numbers = read_csv(args.file)
    missing = [n for n in notes["features"] if n not in names]
    if missing:
        raise UsageError(f"{args.file}: the column {missing[0]!r} is missing; the model needs {', '.join(map(str, notes['features']))}.")
    x = numbers[:, [names.index(n) for n in notes["features"]]]
    out = predict(model, (x - np.array(notes["mean"])) / np.array(notes["scale"]))
    if notes["classes"] is not None:
        share = np.exp(out - out.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        best = share.argmax(axis=1)
        heading = [str(notes["target"]), "probability"]
        rows = [[str(notes["classes"][k]), f"{share[i, k]:.6f}"] for i, k in enumerate(best)]
    else:
        heading, rows = [str(notes["target"])], [[repr(float(v))] for v in out.ravel() * notes["y_scale"] + notes["y_mean"]]
    if args.output == "-":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([heading, *rows])
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        try:
            text.getvalue().encode(encoding)
        except UnicodeEncodeError as error:
            raise UsageError(f"{error.object[error.start : error.end]!r} cannot be printed in {encoding}; --output FILE writes UTF-8.") from error
        say(text.getvalue(), end="")
    else:
        with Path(args.output).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([heading, *rows])
        say(f"{len(rows)} predictions written to {args.output}")
    return 0


def run(arguments: list[str]) -> int:
    """Run a command; returns the exit code: 0, or 2 with one line on the error stream for what is wrong."""
    parser = _parser()
    try:
        args = parser.parse_args(arguments)
        if args.command == "train":
            return _train(args)
        if args.command == "predict":
            return _predict(args)
        from .demo import main

        if args.command == "demo":
            main(args.output, seed=args.seed, progress=not args.quiet)
        else:
            main()
    except SystemExit as error:
        return int(error.code or 0)
    except (UsageError, FileError, AutogradError) as error:
        print(f"python -m nn: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 0
    except OSError as error:
        print(f"python -m nn: {error.filename or 'output'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0
