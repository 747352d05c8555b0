"""What every test shares: hypothesis profiles, the guard against leaked state, and the rule about skipping in CI."""

import os
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import nn  # noqa: F401  (its losses are operations of their own: declare them before anybody counts)
from autograd_core import TABLE
from autograd_core.modes import WATCHED, anomaly_detected, recording, tracing
from autograd_core.node import LOCK

settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
settings.register_profile("intense", max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


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
