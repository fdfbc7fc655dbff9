from pathlib import Path

import pytest

from ctsm_socnn.cli.main import main
from ctsm_socnn.demo import make_twin_world


@pytest.fixture(scope="module")
def configuration(tmp_path_factory) -> Path:
    return make_twin_world(tmp_path_factory.mktemp("twin"), seed=2, n_profiles=5)


def test_every_input_gets_a_line(configuration, capsys):
    assert main(["check", str(configuration)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("history: 24 months (2001-01 to 2002-12) in 2 files, ")
    assert lines[1] == "profiles: profiles.csv, format generic"
    assert lines[2] == "covariates: 10 on 24 x 32 cells"
    assert lines[3] == "model grid: surfdata.nc, 175 of 192 cells are filled"
    assert [line.split()[1] for line in lines[4:]] == ["twin_clm50:", "twin_ctsm54:"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("forcing.history=['absent*.nc']", "no file matches"),
        ("forcing.first_year=2050", "do not occur in the history files"),
        ("profiles.file='absent.csv'", "absent.csv does not exist"),
        ("covariates.names=['nothing']", "nothing"),
        ("grid.target='absent.nc'", "absent.nc"),
        ("network.epocs=3", "did you mean epochs"),
    ],
)
def test_what_build_params_would_refuse_is_refused(configuration, override, message, capsys):
    assert main(["check", str(configuration), "--set", override]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


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
