from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.forcing_summary import FORCING_SUMMARIES, forcing_summaries
from ctsm_socnn.network.inputs import InputTransform
from ctsm_socnn.network.settings import InputSettings

PLAIN = InputSettings(forcing_summaries=False)


def names(transform: InputTransform) -> list[str]:
    return [item.name for item in transform.numeric]


def test_numbers_are_scaled_with_the_training_mean_and_spread(sites: xr.Dataset) -> None:
    inputs = InputTransform.fit(sites, PLAIN)(sites)
    np.testing.assert_allclose(inputs.numeric.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(inputs.numeric.std(axis=0), 1.0)


def test_min_max_scaling_spans_zero_to_one(sites: xr.Dataset) -> None:
    settings = InputSettings(forcing_summaries=False, scaling="minmax")
    numeric = InputTransform.fit(sites, settings)(sites).numeric
    np.testing.assert_allclose(numeric.min(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(numeric.max(axis=0), 1.0)


def test_scaling_does_not_look_at_the_sites_it_is_applied_to(sites: xr.Dataset) -> None:
    transform = InputTransform.fit(sites, PLAIN)
    alone = transform(sites.isel(site=[3])).numeric
    np.testing.assert_array_equal(alone[0], transform(sites).numeric[3])


def test_classes_are_found_by_name_and_counted(sites: xr.Dataset) -> None:
    transform = InputTransform.fit(sites, PLAIN)
    assert [item.name for item in transform.categorical] == ["cov_Land_Cover"]
    assert transform.class_counts == (4,)
    assert set(transform(sites).classes[:, 0]) == {1, 2, 3}


def test_a_class_of_as_many_sites_as_are_asked_for_is_not_rare(sites: xr.Dataset) -> None:
    count = InputSettings().rare_class
    sites["cov_Land_Cover"][:count] = 99.0
    assert 99 in InputTransform.fit(sites, PLAIN).categorical[0].classes


def test_classes_may_be_named_without_prefix_or_declared_by_the_file(sites: xr.Dataset) -> None:
    def classes(of: xr.Dataset, *patterns: str) -> list[str]:
        settings = PLAIN.model_copy(update={"categorical": patterns})
        return [item.name for item in InputTransform.fit(of, settings).categorical]

    assert classes(sites, "Land_Cover") == ["cov_Land_Cover"]
    assert classes(sites, "other") == []
    sites["cov_Land_Cover"].attrs["categorical"] = 1
    assert classes(sites, "other") == ["cov_Land_Cover"]
    assert classes(sites) == []


def test_rare_missing_and_unseen_classes_share_class_zero(sites: xr.Dataset) -> None:
    sites["cov_Land_Cover"][0] = 99.0
    transform = InputTransform.fit(sites, PLAIN)
    other = sites.isel(site=[0, 1, 2]).copy(deep=True)
    other["cov_Land_Cover"][1] = 1234.0
    other["cov_Land_Cover"][2] = np.nan
    assert transform(other).classes[:, 0].tolist() == [0, 0, 0]


def test_a_missing_number_takes_the_training_median(sites: xr.Dataset) -> None:
    transform = InputTransform.fit(sites, PLAIN)
    median = float(np.median(sites["cov_warmth"].values))
    gap, filled = sites.isel(site=[4]).copy(deep=True), sites.isel(site=[4]).copy(deep=True)
    gap["cov_warmth"][0] = np.nan
    filled["cov_warmth"][0] = median
    np.testing.assert_array_equal(transform(gap).numeric, transform(filled).numeric)
    assert transform(gap).usable.all()


def test_a_site_that_lacks_most_covariates_is_unusable(sites: xr.Dataset) -> None:
    transform = InputTransform.fit(sites, PLAIN)
    sites["cov_warmth"][6] = np.nan
    sites["cov_noise"][6] = np.nan
    usable = transform(sites).usable
    assert not usable[6]
    assert usable.sum() == len(usable) - 1


def test_a_site_that_has_half_of_its_covariates_is_usable(sites: xr.Dataset) -> None:
    four = sites.assign(cov_more=sites["cov_noise"] * sites["cov_warmth"])
    transform = InputTransform.fit(four, PLAIN)
    four["cov_warmth"][6] = four["cov_noise"][6] = np.nan
    assert transform(four).usable.all()


def test_forcing_does_not_stand_in_for_covariates(sites: xr.Dataset) -> None:
    transform = InputTransform.fit(sites, InputSettings())
    assert (len(transform.covariates), len(transform.numeric)) == (3, 5)
    sites["cov_warmth"][6] = sites["cov_noise"][6] = np.nan
    sites["cov_warmth"][7] = np.nan
    usable = transform(sites).usable
    assert not usable[6]
    assert usable.sum() == len(usable) - 1


def test_constant_covariates_are_left_out(sites: xr.Dataset) -> None:
    sites["cov_constant"] = sites["cov_warmth"] * 0.0 + 3.0
    assert names(InputTransform.fit(sites, PLAIN)) == ["cov_noise", "cov_warmth"]


def test_rounding_of_single_precision_is_no_variation(sites: xr.Dataset) -> None:
    share = np.random.default_rng(0).uniform(0.3, 0.4, sites.sizes["site"])
    rounded = 0.336 * share.astype(np.float32).astype(np.float64) / share
    assert np.ptp(rounded) > 0.0
    sites["cov_share"] = ("site", rounded)
    assert "cov_share" not in names(InputTransform.fit(sites, InputSettings()))


def test_nothing_that_varies_is_an_error(sites: xr.Dataset) -> None:
    bare = sites.drop_vars(["cov_warmth", "cov_noise", "cov_Land_Cover"])
    with pytest.raises(NetworkError, match="nothing to learn from"):
        InputTransform.fit(bare, PLAIN)


def test_missing_covariates_are_named(sites: xr.Dataset) -> None:
    transform = InputTransform.fit(sites, PLAIN)
    with pytest.raises(NetworkError, match="2 of the model's inputs: cov_noise, cov_Land_Cover"):
        transform(sites.drop_vars(["cov_noise", "cov_Land_Cover"]))


@pytest.mark.parametrize("values", [["a"] * 40, np.arange(40).astype("datetime64[D]")])
def test_text_and_dates_are_no_covariates(sites: xr.Dataset, values: object) -> None:
    transform = InputTransform.fit(sites, PLAIN)
    other = sites.assign(cov_warmth=("site", values))
    for prepare in (lambda: InputTransform.fit(other, PLAIN), lambda: transform(other)):
        with pytest.raises(NetworkError, match="cov_warmth: text or dates instead of numbers"):
            prepare()


def test_forcing_summaries_and_location_can_be_added(sites: xr.Dataset) -> None:
    transform = InputTransform.fit(sites, InputSettings(location=True))
    assert transform.needs_forcing
    assert {"forcing_TSOI_top", "forcing_nbedrock", "lon", "lat"} <= set(names(transform))
    assert not InputTransform.fit(sites, PLAIN).needs_forcing


def test_lack_of_forcing_is_named(sites: xr.Dataset) -> None:
    transform = InputTransform.fit(sites, InputSettings())
    with pytest.raises(NetworkError, match="lacks TSOI, W_SCALAR"):
        transform(sites.drop_vars(["TSOI", "W_SCALAR"]))


def test_forcing_summaries_are_what_they_say(sites: xr.Dataset) -> None:
    summary = dict(zip(FORCING_SUMMARIES, forcing_summaries(sites).T, strict=True))
    np.testing.assert_allclose(summary["TSOI_top"], sites["TSOI"].values[:, :, 0].mean(axis=1))
    np.testing.assert_allclose(summary["log_carbon_input"], np.log(12 * 40.0))
    np.testing.assert_allclose(summary["share_CWD_INPUT"], 3.0 / 40.0)
    np.testing.assert_allclose(summary["TSOI_range"], 16.0)
    np.testing.assert_array_equal(summary["nbedrock"], sites["nbedrock"].values)


def test_forcing_summaries_are_of_layers_1_to_6_and_7_to_14(sites: xr.Dataset) -> None:
    layer = np.arange(1.0, 21.0)
    sites["W_SCALAR"] = xr.zeros_like(sites["W_SCALAR"]) + xr.DataArray(layer, dims="layer")
    sites["CELLSAND"] = xr.zeros_like(sites["CELLSAND"]) + xr.DataArray(layer, dims="layer")
    summary = dict(zip(FORCING_SUMMARIES, forcing_summaries(sites).T, strict=True))
    for name in ("W_SCALAR", "sand"):
        np.testing.assert_allclose(summary[f"{name}_top"], 3.5)
        np.testing.assert_allclose(summary[f"{name}_deep"], 10.5)
    np.testing.assert_allclose(summary["W_SCALAR_range"], 0.0)


def test_json_keeps_every_bit(sites: xr.Dataset) -> None:
    transform = InputTransform.fit(sites, InputSettings(location=True))
    copy = InputTransform.from_json(json.loads(json.dumps(transform.to_json())))
    assert copy == transform
