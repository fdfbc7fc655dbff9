import json

import pandas as pd
import pytest

from ctsm_socnn.cli.main import main
from ctsm_socnn.config import load_config


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    directory = tmp_path_factory.mktemp("demo of one")
    words = ["demo", "-o", str(directory), "--seed", "3", "--profiles", "25", "--world-only"]
    assert main(words) == 0
    return directory


def test_the_world_holds_the_profiles_asked_for_and_nothing_is_run(world):
    assert sorted(path.name for path in world.iterdir()) == ["world"]
    table = pd.read_csv(world / "world" / "profiles.csv")
    assert table.loc[table["profile_id"].str.startswith("twin"), "profile_id"].nunique() == 25
    assert load_config(world / "world" / "twin.toml")[0].seed == 3


def test_the_next_command_is_named_and_can_be_pasted(world, capsys):
    words = ["demo", "-o", str(world), "--seed", "3", "--profiles", "25", "--world-only"]
    assert main(words) == 0
    assert f"build-params '{world / 'world' / 'twin.toml'}'" in capsys.readouterr().out


def test_the_configuration_as_json(world, capsys):
    words = ["demo", "-o", str(world), "--seed", "3", "--profiles", "25", "--world-only", "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out) == {
        "configuration": str(world / "world" / "twin.toml")
    }


@pytest.mark.parametrize(("option", "value"), [("seed", "4"), ("profiles", "26")])
def test_a_world_made_otherwise_is_refused(world, option, value, capsys):
    chosen = {"seed": "3", "profiles": "25"} | {option: value}
    words = [word for name, given in chosen.items() for word in (f"--{name}", given)]
    assert main(["demo", "-o", str(world), *words, "--world-only"]) == 2
    message = capsys.readouterr().err
    assert f"{option} {'3' if option == 'seed' else '25'}, not {value}" in message


def test_no_profiles_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["demo", "--profiles", "0"])
    assert "not a positive number of profiles" in capsys.readouterr().err
