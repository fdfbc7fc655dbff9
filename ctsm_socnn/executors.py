"""Where independent tasks run: in this process, in others on this machine, on a cluster."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from multiprocessing import connection
from pathlib import Path
from typing import TypeVar

from ctsm_socnn.errors import ConfigError, WorkerError

__all__ = ["LOCAL_CLUSTER", "open_executor", "run_tasks"]

Task = TypeVar("Task")
Result = TypeVar("Result")

LOCAL_CLUSTER = "local"
"""Name of a dask cluster that is started on this machine."""

_GO_ON = "what is done so far is kept and the same command continues from there"


@contextmanager
def open_executor(workers: int, scheduler: str | None = None) -> Iterator[Executor | None]:
    """Open what computes tasks besides this process; None where nothing does.

    Parameters
    ----------
    workers : int
        Processes on this machine, this one among them.
    scheduler : str, optional
        Address of a dask scheduler (`tcp://host:8786`), the path of its scheduler file, or
        `local` for a dask cluster of `workers` processes on this machine.

    Raises
    ------
    ConfigError
        If dask.distributed is not installed.
    WorkerError
        If the scheduler cannot be reached, or workers are lost for good.
    """
    if scheduler is not None:
        with _dask_executor(workers, scheduler) as executor:
            yield executor
    elif workers > 1:
        with _process_executor(workers - 1) as executor:
            yield executor
    else:
        yield None


def run_tasks(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    executor: Executor | None,
    ahead: int,
    *,
    here: bool,
) -> Iterator[Result]:
    """Results of independent tasks as they are finished, in any order.

    Parameters
    ----------
    function : callable
        Of a module, so that other processes find it.
    tasks : iterable
        Each is asked for when it can be handed out.
    executor : Executor or None
        Of `open_executor`; without one this process computes all.
    ahead : int
        Tasks that the executor holds at a time.
    here : bool
        Whether this process computes one meanwhile, as it has nothing to import before it begins,
        or waits.
    """
    waiting: set[Future[Result]] = set()
    for task in tasks:
        if executor is not None and len(waiting) < ahead:
            waiting.add(executor.submit(function, task))
        else:
            yield function(task)
        if len(waiting) >= ahead:
            patience = 0.0 if here else None
            done, waiting = wait(waiting, patience, return_when=FIRST_COMPLETED)
            yield from _results(done)
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        yield from _results(done)


def _results(done: Iterable[Future[Result]]) -> Iterator[Result]:
    """Give what was computed before the error of what was not, as where a worker was lost."""
    for future in sorted(done, key=lambda future: future.exception() is not None):
        yield future.result()


@contextmanager
def _process_executor(workers: int) -> Iterator[Executor]:
    # Spawned workers inherit neither threads nor the checkpoint's lock.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_begin_worker) as pool:
        _start_deaf_to_interrupts(pool, workers)
        try:
            yield pool
        except BrokenProcessPool as error:
            _let_go_of_tasks(pool)
            raise WorkerError(
                "a worker process ended before its time: killed, out of memory, or started by a "
                f"script without `if __name__ == '__main__':`; {_GO_ON}"
            ) from error
        except BaseException:
            # A batch system that asks to stop waits for seconds, and a block may take minutes.
            for process in multiprocessing.active_children():
                process.terminate()
            _let_go_of_tasks(pool)
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin_worker() -> None:
    """Let a worker compute on one thread, and end when the run is killed.

    It would wait for its next task for ever.
    """
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=[parent.sentinel], daemon=True).start()


def _watch(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _start_deaf_to_interrupts(pool: ProcessPoolExecutor, workers: int) -> None:
    """Start the workers now, with SIGINT blocked, which they inherit.

    Ctrl-C goes to all processes of a terminal; this one ends the pool, and tracebacks of workers
    would hide what it says.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        for _ in range(workers):
            pool.submit(int)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _let_go_of_tasks(pool: ProcessPoolExecutor) -> None:
    """Let a broken pool end although a task is half written to its workers.

    Before 3.11.5, Python waits for ever until some worker reads the rest (CPython issue 94777).
    """
    if sys.version_info < (3, 11, 5):
        pool._call_queue._reader.close()  # type: ignore[attr-defined]


@contextmanager
def _dask_executor(workers: int, scheduler: str) -> Iterator[Executor]:
    try:
        from distributed import Client, KilledWorker, LocalCluster
        from distributed.comm import CommClosedError
    except ImportError as error:
        raise ConfigError(
            "--scheduler needs dask.distributed; install it with pip install 'ctsm-socnn[cluster]'"
        ) from error
    with ExitStack() as held:
        if scheduler == LOCAL_CLUSTER:
            cluster = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
            client = Client(held.enter_context(cluster))
        else:
            try:
                client = Client(_address(scheduler), timeout="30s")
            except (OSError, ValueError) as error:
                raise WorkerError(
                    f"the dask scheduler {scheduler} cannot be reached: {error}"
                ) from error
        held.enter_context(client)
        try:
            yield client.get_executor()
        except (KilledWorker, CancelledError, CommClosedError) as error:
            raise WorkerError(
                f"the dask scheduler {scheduler} or its workers were lost; {_GO_ON}"
            ) from error


def _address(scheduler: str) -> str:
    """Address of a scheduler, which may stand in the file that it has written."""
    if "://" in scheduler:
        return scheduler
    path = Path(scheduler)
    if not path.is_file():
        raise WorkerError(
            f"the dask scheduler file {scheduler} does not exist; is the scheduler running?"
        )
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkerError(
            f"{scheduler} is not a dask scheduler file: it does not name an `address`"
        ) from error
