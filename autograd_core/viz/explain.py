"""`explain(root)`: the chain rule in steps, as the engine's own backward pass ran it.

Every step is one product: the gradient that comes in at a node, times the local derivative of the node, is what one
use adds to the gradient of one operand. Nothing is computed a second time: the steps are those that the engine emits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np

from autograd_core.arguments import as_numbers, checked
from autograd_core.backward import backpropagate
from autograd_core.errors import NotScalarError, OperandError
from autograd_core.node import Node
from autograd_core.sweeps import Step
from autograd_core.walk import LOCK

from .animation import animation
from .boxes import brief, grad_text, unsigned
from .derivatives import derivative_symbol, pulled_shapes, shape_text, summed_axes
from .drawing import check_nodes, check_options, check_root
from .fold import View, view_of
from .headers import header_of, partial_of
from .network import Network, Use, read
from .notebook import bundle
from .page import page
from .scene import SHOW, Scene, picture, scenes
from .svg import Direction, svg
from .theme import Theme, attributed

__all__ = ["ChainStep", "Explanation", "explain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStep:
    """One product of the chain rule: `contribution = incoming · local`, and `after = before + contribution`.

    `symbol` is the local derivative as the rule writes it (for a structural operation the pull-back of the incoming
    gradient g; there `local` is None), and `partial` its name, "∂u/∂x". `path` of `paths`: which of the operand's uses this is.
    """

    node: Node
    operand: Node
    slot: int
    incoming: Any
    symbol: str
    local: Any
    contribution: Any
    before: Any
    after: Any
    path: int = 1
    paths: int = 1
    names: tuple[str, str, str] = ("", "", "")  # of the node, the operand, the root
    numbers: tuple[int, int, int] = (0, 0, 0)  # of the node, the operand, the use
    shapes: tuple[str, ...] = field(default=())
    partial: str = ""

    @property
    def formula(self) -> str:
        """The step as a formula: "x.grad += ∂L/∂u × ∂u/∂x", or with its pull-back."""
        out, operand, root = self.names
        if self.local is None:
            return f"{operand}.grad += {self.symbol or f'the pull-back of g = ∂{root}/∂{out}'}"
        return f"{operand}.grad += ∂{root}/∂{out} × {self.partial}"

    @property
    def sentence(self) -> str:
        """The step in words, with its numbers."""
        operand = self.names[1]
        if np.ndim(self.contribution) or self.local is None or np.ndim(self.local):
            text = f"{self.formula}; {operand}.grad is now {brief(self.after, 4)}"
        else:
            product = f"({brief(self.incoming)}) × ({brief(self.local)}) = {brief(self.contribution)}"
            text = f"{operand}.grad += {product}, now {brief(self.after)}"
        return text + (f" (path {self.path} of {self.paths})" if self.paths > 1 else "")


def explain(
    root: Node,
    *,
    seed: Any = None,
    direction: Direction = "right",
    theme: Theme = "auto",
    depth: int | None = None,
    parameters: Iterable[Node] = (),
    limit: int = 60,
) -> Explanation:
    """The backward pass from `root` in steps; the gradients of the nodes stay as they are.

    Args:
        root: A `Value` or `Tensor`.
        seed: The gradient of the root, 1 where it is None; needed for a tensor of several elements.
        direction: Where the forward computation runs in the picture: "right", "down", "left" or "up".
        theme: "light", "dark", or "auto" for what the reader's system asks for.
        depth: How many levels of module calls are open in the picture.
        parameters: Leaves to show as parameters.
        limit: How many boxes the picture may have before it is folded.

    Returns:
        An `Explanation`: iterate over its steps, print it, save it as a page, or let a notebook show it.

    Raises:
        OperandError: `root` is not a node, or an option is not one of those above.
        NotScalarError: The root has several elements, and there is no `seed`.

    Example:
        >>> from autograd_core import Value, explain
        >>> x = Value(3.0, label="x")
        >>> for step in explain(x * x):
        ...     print(step.sentence)
        x.grad += (+1) × (+3) = +3, now +3 (path 1 of 2)
        x.grad += (+1) × (+3) = +3, now +6 (path 2 of 2)
        >>> x.grad
        0.0
    """
    check_root(root, "explain")
    check_options("explain", direction=direction, theme=theme, depth=depth, limit=limit)
    if seed is not None:
        as_numbers(seed, "explain", "seed")
    if seed is None and np.size(root._value) != 1:
        raise NotScalarError(
            f"explain: received a tensor of shape {np.shape(root._value)}, expected one element; explain a sum or a mean of it, "
            "or pass seed= with an array of the same shape."
        )
    network = read(root, check_nodes("explain", parameters))
    with LOCK:
        saved = [(node, node.grad if node._flowed else None) for node in network.nodes if isinstance(node, Node)]
        emitted: list[Step] = []
        try:
            for node, _ in saved:
                _set_gradient(node, None)
            backpropagate(root, seed, emit=emitted.append)
            start = root.grad
        finally:
            for node, old in saved:
                _set_gradient(node, old)
    return Explanation(network, start, _steps(network, emitted), direction=direction, theme=theme, depth=depth, limit=limit)


def _set_gradient(node: Node, gradient: Any) -> None:
    """Put a gradient back; None takes away what has flowed."""
    node.grad = gradient if gradient is not None else node._UNREACHED


def _steps(network: Network, emitted: list[Step]) -> tuple[ChainStep, ...]:
    """The emitted steps with names, symbols, and which path each is."""
    number_of = {(use.node, use.slot): k for k, use in enumerate(network.uses)}
    ends = [(network.index[id(step.node)], network.index[id(step.operand)]) for step in emitted]
    total: dict[int, int] = {}
    for _, operand in ends:
        total[operand] = total.get(operand, 0) + 1
    seen: dict[int, int] = {}
    found: list[ChainStep] = []
    root = network.names[network.root]
    for step, (node, operand) in zip(emitted, ends, strict=True):
        seen[operand] = seen.get(operand, 0) + 1
        use = number_of[node, step.slot]
        found.append(
            ChainStep(
                node=step.node, operand=step.operand, slot=step.slot, incoming=step.incoming, local=step.local,
                symbol=derivative_symbol(network, network.uses[use]), contribution=step.contribution,
                before=step.before, after=step.after, path=seen[operand], paths=total[operand],
                names=(network.names[node], network.names[operand], root), numbers=(node, operand, use),
                shapes=_shapes(network, step, network.uses[use]), partial=partial_of(network, use),
            )
        )
    return tuple(found)


def _shapes(network: Network, step: Step, use: Use) -> tuple[str, ...]:
    """How shapes meet in a step on tensors, and the axes that un-broadcasting sums over."""
    out, operand = np.shape(step.node._value), np.shape(step.operand._value)
    if not out and not operand:
        return ()
    here, there, pulled = shape_text(out), shape_text(operand), shape_text(step.pulled)
    axes = summed_axes(step.pulled, operand)
    undone = (f"broadcasting undone: sum over {_in_words(axes)}, {pulled} → {there}",) if axes else ()
    if step.local is not None:
        return (f"{there} += {here} × {shape_text(np.shape(step.local))}", *undone)
    if formula := pulled_shapes(network, use):
        return (f"{there} += {formula}", *undone)
    if undone and step.pulled == out:
        return undone
    return (f"{there} += {here}" if out == operand else f"{here} → {there}", *undone)


def _in_words(axes: tuple[int, ...]) -> str:
    return f"{'axis' if len(axes) == 1 else 'axes'} {', '.join(map(str, axes))}"


def _listed(row: tuple[str, ...], width: int) -> list[str]:
    """One row of the table in lines of their own."""
    number_, formula, what, incoming, local, contribution, after = row
    product = f"{incoming} × {local} = {contribution}" if local else contribution
    found = ["", f"{number_:>4}  {formula}"[:width]]
    for line in (what, product, after):
        found += wrap(line, width, initial_indent="      ", subsequent_indent="        ")
    return found


def _count(products: int) -> str:
    return "1 product" if products == 1 else f"{products} products"


class Explanation:
    """The chain rule in steps; iterate over it, print it, save it, or let a notebook show it."""

    def __init__(
        self,
        network: Network,
        seed: Any,
        steps: tuple[ChainStep, ...],
        *,
        direction: Direction = "right",
        theme: Theme = "auto",
        depth: int | None = None,
        limit: int = 60,
    ) -> None:
        """Made by `explain`."""
        self._network, self.seed, self.steps = network, seed, steps
        self._direction, self._theme, self._depth, self._limit = direction, theme, depth, limit

    def __len__(self) -> int:
        """How many products there are."""
        return len(self.steps)

    def __iter__(self) -> Iterator[ChainStep]:
        """The steps in the order in which they ran."""
        return iter(self.steps)

    def __getitem__(self, index: int) -> ChainStep:
        """One step."""
        return self.steps[index]

    def __repr__(self) -> str:
        """What is explained."""
        return f"<Explanation of {self._network.names[self._network.root]}: {len(self)} steps>"

    def __str__(self) -> str:
        """The chain rule as a table of text."""
        return self.table()

    def table(self, most: int = 2000, *, width: int | None = None) -> str:
        """The chain rule as a table, its first `most` steps; as a list where the table is wider than `width` characters."""
        root = self._network.names[self._network.root]
        head = ("", "operation", "local derivative", "incoming", "× local", "= contribution", "accumulated")
        rows: list[tuple[str, ...]] = [head, ("seed", root, f"∂{root}/∂{root}", "", "", "", f"{root}.grad = {brief(self.seed, 4)}")]
        for k, step in enumerate(self.steps[:most], 1):
            out, operand, _ = step.names
            number_ = step.numbers[0]
            formula = f"{out} {header_of(self._network, number_)}"
            what = f"{step.partial} = {step.symbol}".removesuffix(" = ") if step.local is not None else f"{operand}.grad += {step.symbol or '…'}"
            local = "" if step.local is None else brief(step.local, 4)
            paths = f"  path {step.path} of {step.paths}" if step.paths > 1 else ""
            undone = "".join(f"  {line}" for line in step.shapes if line.startswith("broadcasting undone"))
            after = f"{operand}.grad = {brief(step.after, 4)}{paths}{undone}"
            rows.append((str(k), formula, what, brief(step.incoming, 4), local, brief(step.contribution, 4), after))
        widths = [min(40, max(len(row[c]) for row in rows)) for c in range(len(head))]
        numeric = {0, 3, 4, 5}
        lines = [
            "  ".join(t.rjust(w) if c in numeric else t.ljust(w) for c, (t, w) in enumerate(zip(row, widths, strict=True)))
            for row in rows
        ]
        title = f"The chain rule for {root} = {unsigned(self._network.data(self._network.root), 4)}: {_count(len(self))}"
        if width is not None and max(map(len, lines)) > width:
            table = [*wrap(title, width), *(line for row in rows[1:] for line in _listed(row, max(width, 20)))]
        else:
            table = [title, "", lines[0].rstrip(), "─" * max(map(len, lines[:most])), *(line.rstrip() for line in lines[1:])]
        if len(self.steps) > most:
            table.append(f"… and {len(self.steps) - most} more")
        return "\n".join(table)

    def gradients(self) -> dict[str, Any]:
        """The gradient that each node has at the end, by name.

        >>> from autograd_core import Value
        >>> explain(Value(3.0, label="x") ** 2).gradients()
        {'out': 1.0, 'x': 6.0}
        """
        return {self._network.names[i]: gradient for i, gradient in self._final().items()}

    @cached_property
    def _view(self) -> View:
        """What is folded; every box gets room for all gradients that its node has in turn."""
        widest = self._network.widest
        for step in self.steps:
            i = step.numbers[1]
            widest[i] = max(widest.get(i, ""), grad_text(step.after)[0], key=len)
        return view_of(self._network, depth=self._depth, limit=self._limit)

    @cached_property
    def _scenes(self) -> list[Scene]:
        self._network.gradients = {}
        return scenes(self._network, self._view, SHOW, limit=self._limit)

    @cached_property
    def svg(self) -> str:
        """The picture with the gradients that the steps lead to."""
        self._network.gradients = self._final()
        try:
            return attributed(svg(picture(self._network, self._view), direction=self._direction, theme=self._theme), self._theme)
        finally:
            self._network.gradients = {}

    def _final(self) -> dict[int, Any]:
        found = {self._network.root: self.seed}
        for step in self.steps:
            found[step.numbers[1]] = step.after
        return found

    @cached_property
    def html(self) -> str:
        """The page on which the chain rule is stepped through."""
        return page(self._scenes, self, direction=self._direction, theme=self._theme)

    @checked
    def save(self, path: str | Path) -> Path:
        """Write the steps to a file: .html is the page (one file, offline), .svg an animation without script, .txt the table.

        Raises:
            OperandError: The ending is none of these.
        """
        target = Path(path)
        writers = {
            ".html": lambda: self.html,
            ".svg": lambda: animation(self._scenes[0].graph, self, direction=self._direction, theme=self._theme),
            ".txt": lambda: str(self) + "\n",
        }
        writer = writers.get(target.suffix.lower())
        if writer is None:
            raise OperandError(f"save: received {target.name!r}, expected a name ending in .html, .svg or .txt.")
        target.write_text(writer(), encoding="utf-8", newline="\n")
        return target

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        """What a notebook shows: the page over the still picture; never raises."""

        def small_page() -> str:
            return page(self._scenes, self, direction=self._direction, theme=self._theme, most=1000)

        return bundle(lambda: self.svg, small_page, lambda: self.table(200), repr(self)[1:-1])


