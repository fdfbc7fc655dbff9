"""Tasks that are shared with an executor."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from itertools import islice
from typing import Any

import pytest

from ctsm_socnn.executors import run_tasks


class _LosesAWorker(Executor):
    """Has done the odd tasks and lost the workers of the even ones when it is looked at."""

    def submit(self, function: Any, /, *arguments: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if arguments[0] % 2 == 0:
            future.set_exception(ChildProcessError("lost"))
        else:
            future.set_result(function(*arguments))
        return future


def test_what_was_done_is_given_before_the_loss_of_a_worker() -> None:
    results = run_tasks(int, range(40), _LosesAWorker(), 40, here=True)
    given = list(islice(results, 20))
    with pytest.raises(ChildProcessError, match="lost"):
        next(results)
    assert sorted(given) == list(range(1, 40, 2))
