"""What every test shares: hypothesis profiles, the guard against leaked state, the rule about skipping in CI, and the figures."""

import os
import threading
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import nn  # noqa: F401  (its losses are operations of their own: declare them before anybody counts)
from autograd_core import TABLE, Op
from autograd_core.modes import WATCHED, anomaly_detected, recording, tracing
from autograd_core.walk import LOCK

os.environ["PYTHONUTF8"] = "1"                # programs that the tests start print a ∂ on every system

settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
settings.register_profile("intense", max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


class Figures:
    """What a run has really done: tests say so as they do it, and a passed test of one operation counts by itself."""

    def __init__(self):
        self.sums, self.largest, self.properties = Counter(), {}, defaultdict(set)

    def __call__(self, what, n=1):
        """`n` more of something."""
        self.sums[what] += n

    def most(self, what, n):
        """The largest of something."""
        self.largest[what] = max(n, self.largest.get(what, 0))

    def lines(self):
        """The figures, a line each; nothing that did not run."""
        if self.properties:
            pairs = sum(map(len, self.properties.values()))
            operations = len(set().union(*self.properties.values()))
            yield f"{operations} operations × {len(self.properties)} properties: {pairs:,} pairs checked"
        for what in sorted([*self.sums, *self.largest]):
            yield f"{self.sums.get(what) or self.largest[what]:,} {what}"


FIGURES = Figures()


@pytest.fixture(scope="session")
def count():
    """`count("mutants planted")` as a mutant is planted; printed at the end of the run."""
    return FIGURES


def pytest_runtest_logreport(report):
    """A test that passed with an operation as its parameter is one property of that operation."""
    if report.when == "call" and report.passed:
        for test, op in (value for name, value in report.user_properties if name == "operation"):
            FIGURES.properties[test].add(op)


def pytest_sessionfinish(session):
    """A worker of pytest-xdist hands its figures to the process that prints them."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = dict(FIGURES.sums), FIGURES.largest


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """The figures of a worker, added to those of the others."""
    sums, largest = getattr(node, "workeroutput", {}).get("figures", ({}, {}))
    FIGURES.sums.update(sums)
    for what, n in largest.items():
        FIGURES.most(what, n)


def pytest_terminal_summary(terminalreporter):
    """The figures of this run, whatever was selected."""
    lines = list(FIGURES.lines())
    if lines:
        terminalreporter.section("checked in this run")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def operation_under_test(request):
    """Which operation a test is about, for the figures."""
    op = getattr(request.node, "callspec", None) and request.node.callspec.params.get("op")
    if isinstance(op, Op) and "rules" not in request.node.callspec.params:
        request.node.user_properties.append(("operation", (request.node.originalname, op.name)))


@pytest.fixture(autouse=True)
def no_leaks():
    """A test that leaves a mode on, an operation declared, NumPy's error state changed or a thread running fails."""
    names, errors, threads = set(TABLE), np.geterr(), threading.active_count()
    yield
    assert recording() and not anomaly_detected() and tracing() == 0, "the test left a mode switched on"
    assert WATCHED == [], f"the test left {WATCHED} switched on"
    declared = set(TABLE) - names
    for name in declared:
        TABLE[name].forget()
    assert not declared, f"the test left operations declared: {declared}"
    assert not LOCK._is_owned(), "the test left the lock of the backward pass taken"
    assert np.geterr() == errors, "the test changed NumPy's error state"
    assert threading.active_count() <= threads, "the test left a thread running"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """With CI=true, a skipped oracle or browser test is a failure: what CI claims, CI must have run."""
    outcome = yield
    report = outcome.get_result()
    if os.environ.get("CI") == "true" and report.skipped and {"oracle", "browser"} & {m.name for m in item.iter_markers()}:
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
