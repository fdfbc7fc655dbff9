from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from ctsm_socnn import processor
from ctsm_socnn.cli.main import main
from ctsm_socnn.errors import KernelError
from ctsm_socnn.parameters import lower_bounds, upper_bounds


def test_an_installed_build_runs_here() -> None:
    builds = processor.runnable_builds()
    assert builds[-1].level == "baseline"
    assert processor.load_kernel().__name__ == f"ctsm_socnn.{builds[0].module}"


def test_a_processor_of_unknown_features_gets_the_baseline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(processor, "_CPU_INFO", tmp_path / "absent")
    assert [build.level for build in processor.runnable_builds()] == ["baseline"]


def test_features_decide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cpu_info = tmp_path / "cpuinfo"
    cpu_info.write_text(
        f"processor : 0\nflags\t\t: {' '.join(sorted(processor.BUILDS[1].needs))}\n"
    )
    monkeypatch.setattr(processor, "_CPU_INFO", cpu_info)
    assert "v4" not in [build.level for build in processor.runnable_builds()]


def test_a_build_may_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTSM_SOCNN_SIMD", "baseline")
    assert processor.load_kernel().__name__ == "ctsm_socnn._kernel"
    monkeypatch.setenv("CTSM_SOCNN_SIMD", "v9")
    with pytest.raises(
        KernelError, match=r"CTSM_SOCNN_SIMD is 'v9'; this processor can run .*baseline"
    ):
        processor.load_kernel()


def test_all_builds_give_the_same_bits() -> None:
    generator = np.random.default_rng(3)
    rows = 50
    climate = np.asfortranarray(generator.uniform(0.0, 1.0, (20, 12, 4, rows)))
    climate[:, :, 0] -= 2.0
    exchange = np.asfortranarray(generator.uniform(0.0, 1e3, (20, 6, rows)))
    inputs = np.asfortranarray(generator.uniform(0.0, 300.0, (5, rows)))
    parameters = (
        lower_bounds()[:, np.newaxis]
        + generator.uniform(0.0, 1.0, (21, rows)) * (upper_bounds() - lower_bounds())[:, np.newaxis]
    )
    column = np.arange(1, rows + 1, dtype=np.int32)
    soc_bar = np.asfortranarray(generator.standard_normal((20, rows)))
    results = []
    for build in processor.runnable_builds():
        result = [np.empty((rows, size)).T for size in (20, 21, 4)]
        importlib.import_module(f"ctsm_socnn.{build.module}").proda_gradient(
            climate, exchange, inputs, parameters, column, soc_bar, 1, *result
        )
        results.append(result)
    assert np.isfinite(results[0][0]).all()
    for other in results[1:]:
        for ours, theirs in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_all_builds_take_exponentials_alike() -> None:
    """Vector functions of the C library would give other last bits for other register sizes."""
    generator = np.random.default_rng(4)
    first = 1 + 8 * np.arange(201)
    depth, observed = generator.uniform(0.0, 3.0, 1600), generator.uniform(1e2, 1e5, 1600)
    weights = [
        importlib.import_module(f"ctsm_socnn.{build.module}").published_weights(
            first, depth, observed
        )
        for build in processor.runnable_builds()
    ]
    assert np.ptp(weights[0]) > 1.0
    for other in weights[1:]:
        np.testing.assert_array_equal(weights[0], other)


def test_command_line_says_what_is_wrong_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(name: str) -> None:
        raise KernelError(f"no kernel for {name}")

    monkeypatch.setattr("ctsm_socnn.cli.main.command_parser", fail)
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err.splitlines() == ["ctsm-socnn doctor: no kernel for doctor"]
