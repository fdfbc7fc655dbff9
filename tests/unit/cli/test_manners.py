"""What all commands have in common: quiet, verbose, JSON, exit status."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import ctsm_socnn as cs
from ctsm_socnn.cli.main import COMMANDS, EXIT_STATUS, command_parser, main

PRINTS_NO_NUMBERS = {"completion", "ilamb", "report"}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("world")
    cs.make_twin_world(directory, seed=3, n_profiles=12)
    return directory


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_its_exit_status_and_takes_the_common_options(name):
    text = command_parser(name).format_help()
    assert EXIT_STATUS in text
    for option in ("--quiet", "--verbose", "--debug"):
        assert option in text


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - PRINTS_NO_NUMBERS))
def test_every_command_that_prints_numbers_prints_json(name):
    options = (a.option_strings for a in _arguments(command_parser(name)))
    assert ["--json"] in options


@pytest.mark.parametrize("number", ["0", "-1", "two"])
def test_no_command_begins_without_a_process(number, capsys):
    parsers = {name: command_parser(name) for name in COMMANDS}
    sharing = {name: p for name, p in parsers.items() if "--workers" in p.format_help()}
    assert {"assimilate", "build-params", "evaluate", "importance", "train"} < set(sharing)
    for name, parser in sharing.items():
        with pytest.raises(SystemExit) as stop:
            parser.parse_args(["--workers", number])
        assert stop.value.code == 2, name
        assert f"{number} is not a positive number of processes" in capsys.readouterr().err


def test_quiet_leaves_errors_only(tmp_path, capsys):
    assert main(["parameters", "--quiet"]) == 0
    assert main(["show", str(tmp_path / "none.nc"), "--quiet"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("does not exist") == 1


@pytest.mark.parametrize("words", [["--verbose", "paramfile"], ["paramfile", "--verbose"]])
def test_common_options_stand_before_or_after_the_part_of_a_command(words):
    files = ["-i", "a.nc", "-o", "b.nc", "--ctsm", "ctsm5.4"]
    options = command_parser("export").parse_args([*words, *files])
    assert (options.verbose, options.quiet, options.debug) == (True, False, False)


def test_quiet_and_verbose_exclude_each_other(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["parameters", "--quiet", "--verbose"])
    assert stop.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


def test_verbose_names_files_and_cost(world, capsys):
    path = world / "covariates.nc"
    assert main(["show", str(path), "--verbose"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"reads {path}"
    assert "CPU-s" in lines[-1]
    assert main(["show", str(path)]) == 0
    assert capsys.readouterr().err == ""


def test_parameters_as_json(capsys):
    assert main(["parameters", "--json"]) == 0
    assert [p["name"] for p in json.loads(capsys.readouterr().out)] == list(cs.PARAMETER_NAMES)


def test_numbers_of_a_way_as_json(world, tmp_path, capsys):
    """From history to parameters, each command read by a program."""
    columns = cs.load_config(world / "twin.toml")[0].profiles.columns
    described = [f"{quantity}={column}" for quantity, column in columns.items()]
    table, climatology = str(world / "profiles.csv"), str(tmp_path / "climatology.nc")
    sites, fitted = str(tmp_path / "sites.nc"), str(tmp_path / "one_batch.nc")

    def result(*words: str) -> dict:
        assert main([*words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    history = ["--history", str(world / "history/*.nc"), "--surface", str(world / "surfdata.nc")]
    assert result("forcing", *history, "-o", climatology)["months_averaged"] == 24
    counted = result("profiles", "inspect", table, "--columns", *described)
    assert counted["profiles"] == 15
    assert {row["reason"] for row in counted["reasons"]} >= {"layer_upside_down"}
    made = ["--climatology", climatology, "--profiles", table, "--columns", *described]
    told = result("sites", *made, "-o", sites)
    assert told["left_out"] == {"no usable layer": 2, "no land cell near": 1}
    words = ["assimilate", sites, "--method", "one-batch", "--starts", "1", "-o", fitted]
    values = result(*words)["parameters"]
    assert values == dict(
        zip(cs.PARAMETER_NAMES, cs.open_file(fitted)["parameters"].values.tolist(), strict=True)
    )


def test_shards_merged_as_json(world, tmp_path, capsys):
    sites = cs.build_sites(
        cs.read_climatology(sorted((world / "history").glob("*.nc"))),
        cs.read_profiles(
            world / "profiles.csv",
            "generic",
            cs.load_config(world / "twin.toml")[0].profiles.columns,
        ),
    )[0]
    cs.netcdf.write_dataset(sites, tmp_path / "sites.nc")
    short = ["--chains", "2", "--warmup", "100", "--draws", "100", "--workers", "1"]
    parts = [str(tmp_path / f"{number}.nc") for number in (1, 2)]
    for number, part in enumerate(parts, start=1):
        words = ["assimilate", str(tmp_path / "sites.nc"), "--shard", f"{number}/2", "-o", part]
        assert main([*words, *short]) == 0
    capsys.readouterr()
    assert main(["merge", *parts, "-o", str(tmp_path / "posterior.nc"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    with cs.open_file(tmp_path / "posterior.nc") as posterior:
        assert told["converged"] == int((posterior["converged"] == 1).sum())
    assert told["sites"] == sites.sizes["site"]


def _arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for part in action.choices.values():
                yield from _arguments(part)
        else:
            yield action


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_is_explained(name):
    unexplained = [a.dest for a in _arguments(command_parser(name)) if not a.help]
    assert unexplained == []
