"""Text for a terminal, a pipe or a file that cannot hold every character: ∂ is written d there and × is *, and nothing raises.

Python prints in UTF-8 on most systems, but in the code page where a program's output goes into a file or a pipe on Windows.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import sys
import unicodedata
from collections.abc import Callable

__all__ = ["adapt", "as_command", "plain", "say"]

_PLAIN = {
    "∂": "d", "−": "-", "×": "*", "·": "*", "÷": "/", "±": "+-", "√": "sqrt ", "∛": "cbrt ", "∫": "integral ", "Σ": "sum ", "Φ": "Phi",
    "α": "alpha", "π": "pi", "σ": "sigma", "∞": "inf", "≠": "!=", "≥": ">=", "≤": "<=", "≈": "~", "‖": "||", "⌊": "floor(", "⌋": ")",
    "→": "->", "←": "<-", "─": "-", "│": "|", "′": "'", "⁺": "^+", "⁻": "^-", "ᵀ": "^T", "ⁿ": "^n", "ˣ": "^x", "ʸ": "^y",
    **{power: f"^{n}" for n, power in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
}  # fmt: skip
_HANDLER = "autograd_core.plain"


def _in_plain_words(error: UnicodeError) -> tuple[str | bytes, int]:
    """The replacement for a character that an encoding lacks; a byte of a file name that could not be decoded stays that byte."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":
        return bytes([ord(character) - 0xDC00]), error.start + 1
    simple = "".join(c for c in unicodedata.normalize("NFKD", character) if c.isascii())
    combining = unicodedata.combining(character)
    return _PLAIN.get(character, simple or ("" if combining else "?")), error.start + 1


codecs.register_error(_HANDLER, _in_plain_words)


def plain(text: str, encoding: str) -> str:
    """The text, with other words for the characters that `encoding` lacks.

    >>> print(plain("∂out/∂x = −2·10⁻³", "ascii"))
    dout/dx = -2*10^-^3
    >>> plain("∂x", "utf-8")
    '∂x'
    """
    return text.encode(encoding, _HANDLER).decode(encoding, "replace")


def adapt() -> None:
    """From now on `print` writes what it can, in this process: for a program, not for a library."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors=_HANDLER)


def say(text: str, end: str = "\n") -> None:
    """Print a line, also to a terminal that cannot write a ∂; once the reader has gone away, all further output is discarded."""
    try:
        try:
            print(text, end=end, flush=True)
        except UnicodeEncodeError:
            print(plain(text, getattr(sys.stdout, "encoding", None) or "ascii"), end=end, flush=True)
    except OSError as problem:
        with contextlib.suppress(OSError, AttributeError):
            sys.stdout.close()                 # with what it still holds: the interpreter would try to write that at its end, and report the failure again
        sys.stdout = None                      # to which print prints nothing
        if not isinstance(problem, BrokenPipeError) and problem.errno != errno.EINVAL:
            raise                              # not a reader that has seen enough, as `head` has (EINVAL on Windows)


def as_command(main: Callable[[], int]) -> int:
    """Run a program that prints, and return its exit status. If output was lost, and not because the reader has gone away, a line says so."""
    adapt()
    try:
        try:
            status = main()
        except SystemExit as ended:            # argparse has printed, without asking whether that arrives
            status = int(ended.code or 0)
        say("", end="")
    except OSError as problem:
        print(f"error: {problem.strerror or problem}", file=sys.stderr)
        return 2
    return status
