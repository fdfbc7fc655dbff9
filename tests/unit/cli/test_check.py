import json
import re
from pathlib import Path

import pytest

from ctsm_socnn.cli.main import main
from ctsm_socnn.config import load_config
from ctsm_socnn.demo import make_twin_world
from ctsm_socnn.export.checkout import STOCK_FILES
from ctsm_socnn.preview import preview


@pytest.fixture(scope="module")
def configuration(tmp_path_factory) -> Path:
    return make_twin_world(tmp_path_factory.mktemp("twin"), seed=2, n_profiles=5)


def test_every_input_gets_a_line(configuration, capsys):
    assert main(["check", str(configuration), "--workers", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("history: 24 months (2001-01 to 2002-12) in 2 files, ")
    assert lines[1].startswith("profiles: profiles.csv, format generic, ")
    assert lines[1].endswith(" layers of 8 profiles")
    assert lines[2] == "covariates: 10 on 24 x 32 cells"
    assert lines[3] == "model grid: surfdata.nc, 175 of 192 cells are filled"
    assert [line.split()[1] for line in lines[4:6]] == ["twin_clm50:", "twin_ctsm54:"]
    assert all(line.endswith("; maps are not read, its scalars are fitted") for line in lines[4:6])
    assert re.fullmatch(r"cost: about \d+ s with 1 process, and 1\.1 GB of memory", lines[6])


def test_the_same_as_json(configuration, capsys):
    assert main(["check", str(configuration), "--workers", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["history"]["months"] == 24
    assert told["profiles"]["profiles"] == 8
    assert [case["name"] for case in told["cases"]] == ["twin_clm50", "twin_ctsm54"]
    assert told["cost"]["workers"] == 2
    assert 20 <= told["cost"]["seconds"] < 60


def test_cost_grows_with_sites_and_shrinks_with_workers(configuration, tmp_path):
    config, _ = load_config(configuration)
    table = config.profiles.file.read_text().splitlines()
    many = tmp_path / "many.csv"
    more = [f"{n}{line}" for n in range(1, 200) for line in table[1:]]
    many.write_text("\n".join([table[0], *more]) + "\n")

    def cost(config, workers):
        return list(preview(config, workers))[-1].values

    larger = config.model_copy(
        update={"profiles": config.profiles.model_copy(update={"file": many})}
    )
    assert cost(larger, 1)["seconds"] > 2 * cost(config, 1)["seconds"]
    assert cost(larger, 1)["bytes"] > cost(config, 1)["bytes"]
    assert cost(larger, 8)["seconds"] < cost(larger, 1)["seconds"]


def test_cost_tells_longer_trainings(configuration):
    def seconds(**network):
        config, _ = load_config(configuration)
        many = {"method": "end-to-end", "members": 100, "imagined_sites": 16}
        changed = config.network.model_copy(update=many | network)
        chosen = config.model_copy(update={"network": changed})
        return list(preview(chosen, 1))[-1].values["seconds"]

    assert seconds(epochs=64) > 1.5 * seconds(epochs=32)
    assert seconds() > 1.5 * seconds(imagined_sites=4)
    assert seconds(calibrate=5) > 1.3 * seconds()


def test_cost_tells_the_trainings_for_importance(configuration):
    def seconds(**evaluation):
        config, _ = load_config(configuration)
        network = config.network.model_copy(update={"method": "end-to-end", "members": 100})
        judged = config.evaluation.model_copy(update=evaluation)
        chosen = config.model_copy(update={"network": network, "evaluation": judged})
        return list(preview(chosen, 1))[-1].values["seconds"]

    assert seconds(importance=True) > 1.3 * seconds()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("forcing.history=['absent*.nc']", "no file matches"),
        ("forcing.first_year=2050", "do not occur in the history files"),
        ("profiles.file='absent.csv'", "absent.csv does not exist"),
        ("profiles.columns={oc='orgc [g/kg]'}", "orgc"),
        ("covariates.names=['nothing']", "nothing"),
        ("grid.target='absent.nc'", "absent.nc"),
        ("network.epocs=3", "did you mean epochs"),
        ("assimilation.errors='absent.toml'", "absent.toml cannot be read"),
        ("assimilation.one_batch_prior='flat'", "unknown prior 'flat'"),
    ],
)
def test_what_build_params_would_refuse_is_refused(configuration, override, message, capsys):
    assert main(["check", str(configuration), "--set", override]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_covariates_of_the_sites_that_the_map_lacks_are_named_at_once(
    configuration, sites, tmp_path, capsys
):
    """And not at the stage that makes the maps, hours later."""
    sites.to_netcdf(configuration.parent / "sites.nc")
    text = configuration.read_text().replace('file = "profiles.csv"', 'sites = "sites.nc"')
    before, after = text.split("[profiles.columns]")
    own = configuration.parent / "with_sites.toml"
    own.write_text(before + after[after.index("[covariates]") :])
    for command in (["check", str(own)], ["build-params", str(own), "-o", str(tmp_path / "o")]):
        assert main(command) == 2
        assert "has no covariate Land_Cover, noise, warmth" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("checkout", "paramfile", "message"),
    [
        ("absent", "ctsm54_params.nc", "absent is not a checkout of CTSM"),
        ("older", "ctsm54_params.nc", "older reads parameters like CTSM ctsm1.0.dev101"),
        ("", "clm50_params.nc", "this is not a paramfile of CTSM ctsm5.4"),
    ],
)
def test_cases_that_cannot_be_written_are_refused_at_once(
    configuration, tmp_path, capsys, checkout, paramfile, message
):
    """And not at the stage that writes the usermods, hours later."""
    world = configuration.parent
    soil = world / "older" / "src" / "soilbiogeochem"
    soil.mkdir(parents=True, exist_ok=True)
    for name in STOCK_FILES:
        (soil / name).touch()
    case = ["[[case]]", 'name = "mine"', 'version = "ctsm5.4"', f'paramfile = "{paramfile}"']
    case += [f'checkout = "{checkout}"'] if checkout else ['scalars = "map-median"']
    own = world / "with_case.toml"
    own.write_text(configuration.read_text().split("[[case]]")[0] + "\n".join(case) + "\n")
    output = tmp_path / "results"
    for command in (["check", str(own)], ["build-params", str(own), "-o", str(output)]):
        assert main(command) == 2
        assert message in capsys.readouterr().err
    assert not output.exists()


def test_errors_by_source_are_told(configuration, tmp_path, capsys):
    table = tmp_path / "errors.toml"
    table.write_text("[default]\nobservation_sd = 0.3\n[NEON]\nobservation_sd = 0.1\n")
    assert main(["check", str(configuration), "--set", f"assimilation.errors='{table}'"]) == 0
    assert "\nerrors: errors.toml, for default, NEON\n" in capsys.readouterr().out


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("example", "line"),
    [
        ("northeast_us.toml", "sites: 997 in sites.nc"),
        ("conus.toml", "12 months (0661-01 to 0661-12) in 1 files, 3798 land cells"),
    ],
)
def test_the_examples_can_be_run(shared_data, capsys, example, line):
    path = Path(__file__).resolve().parents[3] / "examples" / example
    assert main(["check", str(path), "--data", str(shared_data / "data"), "--workers", "2"]) == 0
    assert line in capsys.readouterr().out
