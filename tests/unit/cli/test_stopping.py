from __future__ import annotations

import importlib
import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from xarray.backends.locks import CombinedLock

from ctsm_socnn.assimilation.checkpoint import Checkpoint
from ctsm_socnn.cli.stopping import stopped_by_signals
from ctsm_socnn.interruption import Terminated, stop_if_asked
from ctsm_socnn.stages import Stage, run_stages

STOPS = [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]


@pytest.fixture(autouse=True)
def _asked_by_ctrl_c():
    """A shell starts what runs in the background, these tests perhaps, deaf to Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class _SwallowsAStop:
    """What comes while an object is destroyed, Python throws away."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.kill(os.getpid(), self.number)
        signal.pthread_sigmask(signal.SIG_BLOCK, ())  # lets Python run the handler here


def _lose_a_stop(number: int) -> None:
    swallows = _SwallowsAStop(number)
    del swallows


@pytest.mark.parametrize(("number", "kind"), STOPS)
def test_a_stop_that_a_destructor_swallows_comes_again(number, kind, capsys):
    with stopped_by_signals():
        _lose_a_stop(number)
        with pytest.raises(KeyboardInterrupt) as stop:
            stop_if_asked()
    assert stop.type is kind
    assert capsys.readouterr().err == ""
    stop_if_asked()


@pytest.mark.parametrize(("number", "kind"), STOPS)
def test_a_stop_in_an_import_comes_after_it(number, kind, tmp_path, monkeypatch):
    """Compiled modules make an `ImportError` of it, which ended as a failed check, with a traceback."""
    module = tmp_path / f"stopped_by_{number}.py"
    module.write_text(
        "import os, signal\n"
        "try:\n"
        f"    os.kill(os.getpid(), {number})\n"
        "    signal.pthread_sigmask(signal.SIG_BLOCK, ())\n"
        "except BaseException as error:\n"
        "    raise ImportError('initialization failed') from error\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def work() -> None:
        importlib.import_module(module.stem)
        time.sleep(5.0)

    with stopped_by_signals(), pytest.raises(KeyboardInterrupt) as stop:
        work()
    assert stop.type is kind


class _TakenAsTheStopComes:
    """One of the locks of a netCDF file."""

    def __init__(self, number: int) -> None:
        self.real, self.number = threading.Lock(), number

    def acquire(self, blocking: bool = True) -> bool:
        taken = self.real.acquire(blocking)
        os.kill(os.getpid(), self.number)
        signal.pthread_sigmask(signal.SIG_BLOCK, ())  # lets Python run the handler here
        return taken

    def release(self) -> None:
        self.real.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


@pytest.mark.parametrize(("number", "kind"), STOPS)
def test_a_stop_leaves_no_lock_of_a_netcdf_file_shut(number, kind):
    lock = _TakenAsTheStopComes(number)

    def use_the_file() -> None:
        with CombinedLock([lock]):
            pass
        time.sleep(60.0)

    with stopped_by_signals(), pytest.raises(KeyboardInterrupt) as stop:
        use_the_file()
    assert stop.type is kind
    assert not lock.real.locked()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize(("number", "kind"), STOPS)
def test_stages_stop_when_the_one_that_swallowed_it_is_done(tmp_path, number, kind):
    def first(path: Path) -> str:
        _lose_a_stop(number)
        path.write_text("done")
        return "done"

    def second(path: Path) -> str:
        raise AssertionError("it should have stopped")

    stages = [Stage("first", "", "first.txt", first), Stage("second", "", "second.txt", second)]
    with stopped_by_signals(), pytest.raises(KeyboardInterrupt) as stop:
        run_stages(stages, tmp_path)
    assert stop.type is kind
    states = json.loads((tmp_path / "stages.json").read_text())
    assert {name: entry["state"] for name, entry in states.items()} == {"first": "done"}


@pytest.mark.parametrize(("number", "kind"), STOPS)
def test_an_error_that_a_library_makes_of_a_stop_is_the_stop(number, kind):
    def library() -> None:
        try:
            os.kill(os.getpid(), number)
            signal.pthread_sigmask(signal.SIG_BLOCK, ())
        except KeyboardInterrupt as error:
            raise SystemError("returned a result with an exception set") from error

    with pytest.raises(KeyboardInterrupt) as stop, stopped_by_signals():
        library()
    assert stop.type is kind
    with pytest.raises(SystemError), stopped_by_signals():
        raise SystemError("of its own")


def test_a_block_is_kept_before_the_stop(tmp_path):
    with stopped_by_signals(), Checkpoint(tmp_path / "result.nc", {}) as checkpoint:
        _lose_a_stop(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(0, {"values": np.arange(3)})
        np.testing.assert_array_equal(checkpoint.load(0)["values"], np.arange(3))


def test_what_ignores_ctrl_c_goes_on_ignoring_it():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stopped_by_signals():
        os.kill(os.getpid(), signal.SIGINT)
        stop_if_asked()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
