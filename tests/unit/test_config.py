from __future__ import annotations

from pathlib import Path

import pytest

from ctsm_socnn.config import Config, load_config, parse_config
from ctsm_socnn.configured import network_settings
from ctsm_socnn.errors import ConfigError

MINIMAL = """
[forcing]
history = ["run/*.nc"]
[profiles]
file = "profiles.csv"
[covariates]
file = "covariates.nc"
"""


def load(tmp_path: Path, text: str, **options: object) -> Config:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return load_config(path, **options)[0]  # type: ignore[arg-type]


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL)
    assert config.profiles.file == tmp_path / "profiles.csv"
    assert config.forcing.history == [tmp_path / "run/*.nc"]


def test_paths_are_relative_to_the_data_directory_where_given(tmp_path: Path) -> None:
    data = tmp_path / "elsewhere"
    grid = '[grid]\ntarget = "mesh.nc"\nmask = "surfdata.nc"\n'
    config = load(tmp_path, MINIMAL + grid, data=data)
    assert config.covariates.file == data / "covariates.nc"
    assert config.grid.target == str(data / "mesh.nc")
    assert config.grid.mask == data / "surfdata.nc"


def test_grid_names_are_not_paths(tmp_path: Path) -> None:
    assert load(tmp_path, MINIMAL + '[grid]\ntarget = "f19"\n').grid.target == "f19"


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        (
            "[assimilation]\nchain = 3\n",
            r"unknown key assimilation.chain \(did you mean chains\?\)",
        ),
        ("[asimilation]\nchains = 3\n", r"unknown key asimilation \(did you mean assimilation\?\)"),
        ("[assimilation]\nprior_of = {q10 = [9.0, 0.1]}\n", "prior of q10 has its centre at 9"),
        ('[assimilation]\nsampler = "gibbs"\n', "unknown sampler 'gibbs'"),
        ('[assimilation]\nlikelihood = "l1"\n', "unknown likelihood 'l1'"),
        ('[assimilation]\nsampler = "published"\n', "goes with the published likelihood"),
        ('[assimilation]\none_batch_cost = "l1"\n', "unknown one_batch_cost 'l1'"),
        ('[assimilation]\none_batch_prior = "flat"\n', "unknown prior 'flat'"),
        ("[assimilation]\none_batch_prior_of = {q11 = [1.5, 0.1]}\n", "q11"),
        ('[evaluation]\nalso = ["hierarchical"]\n', "hierarchical needs `classes`"),
        ("[assimilation]\nchains = 1\n", "assimilation.chains: .*greater than or equal to 2"),
        ('[[case]]\nname = "a b"\nversion = "x"\nparamfile = "p.nc"\n', "case.0.name"),
        ('[[case]]\nname = "a"\nversion = "x"\n', "case.0.paramfile is missing"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, addition: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, MINIMAL + addition)


def test_case_names_differ(tmp_path: Path) -> None:
    case = '[[case]]\nname = "a"\nversion = "x"\nparamfile = "p.nc"\n'
    with pytest.raises(ConfigError, match="a appears twice"):
        load(tmp_path, MINIMAL + case + case)


def test_profiles_have_one_source(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give either `file`"):
        load(tmp_path, MINIMAL.replace('file = "profiles.csv"', ""))


def test_invalid_toml_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not valid TOML"):
        load(tmp_path, "seed = ")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "absent.toml")


def test_overrides_take_toml_values_and_plain_words(tmp_path: Path) -> None:
    config = load(
        tmp_path, MINIMAL, overrides=["seed=7", "grid.target=f19", "assimilation.chains=3"]
    )
    assert (config.seed, config.grid.target, config.assimilation.chains) == (7, "f19", 3)


@pytest.mark.parametrize("override", ["seed", "=3", "seed.deep=3"])
def test_malformed_overrides(tmp_path: Path, override: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        load(tmp_path, MINIMAL.replace("[forcing]", "seed = 1\n[forcing]", 1), overrides=[override])


def test_the_text_records_the_overrides(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(MINIMAL)
    _, text = load_config(path, overrides=["seed=7"])
    assert text.endswith("# --set seed=7\n")


def test_a_table_can_be_parsed_without_a_file(tmp_path: Path) -> None:
    table = {
        "forcing": {"history": ["h.nc"]},
        "profiles": {"sites": "s.nc"},
        "covariates": {"file": "c.nc"},
    }
    assert (
        parse_config(table, where="table", directory=tmp_path).profiles.sites == tmp_path / "s.nc"
    )


def test_only_what_the_file_says_counts_as_given(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL + "[network]\nmembers = 2\n")
    assert config.network.model_fields_set == {"members"}


def test_bounds_of_one_parameter_keep_the_least_efolding_depth(tmp_path: Path) -> None:
    network = (
        '[network]\nmethod = "end-to-end"\n[network.parameters]\nbounds = {q10 = [1.3, 2.0]}\n'
    )
    bounds = network_settings(load(tmp_path, MINIMAL + network), "end-to-end").parameters.bounds
    assert bounds == {"efolding": (0.1, 1.0), "q10": (1.3, 2.0)}
    other = MINIMAL + network.replace("q10 = [1.3, 2.0]", "efolding = [0.2, 0.9]")
    bounds = network_settings(load(tmp_path, other), "end-to-end").parameters.bounds
    assert bounds == {"efolding": (0.2, 0.9)}
