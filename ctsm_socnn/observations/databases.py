"""Where the public profile databases keep each quantity.

Each is described, not programmed: which tables are joined on which keys, and which columns hold
which quantity in which unit. A quantity may have several columns, best first; a column marked
with `~` is an indirect value, and the layer gets a note where it is used. A column may be a sum of
products of others (`computed_columns`). docs/profiles.md says where names and units come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["DATABASES", "INDIRECT", "Database", "Source"]

INDIRECT: Final = "~"
"""Marks a column whose values are indirect."""


@dataclass(frozen=True)
class Source:
    """One table of a database.

    Attributes
    ----------
    name : str
        Part of the file name, or of the table's name in an SQLite file or GeoPackage.
    keys : tuple of str
        Columns by which it is joined to the tables before it; empty for the first.
    rename : mapping of str to str
        Columns that bear another name in the tables before, or the same name as other values.
    prefer : mapping of str to str
        Column -> value of the rows that come first: they win where a key or a layer repeats.
    required : bool
        Whether the database is useless without it.
    in_parts : bool
        Whether it may come in several files, each with some of the rows.
    """

    name: str
    keys: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    prefer: Mapping[str, str] = field(default_factory=dict)
    required: bool = True
    in_parts: bool = False


@dataclass(frozen=True)
class Database:
    """Tables and columns of one database.

    Attributes
    ----------
    meaning : str
        One line for the user.
    sources : tuple of Source
        The first holds the layers.
    columns : mapping of str to tuple of str
        Quantity -> `"column [unit]"`, best first.
    identity : tuple of str
        Columns that name a profile only together.
    """

    meaning: str
    sources: tuple[Source, ...]
    columns: Mapping[str, tuple[str, ...]]
    identity: tuple[str, ...] = ()


_WOSIS_DEPTHS: Final = {"top": ("upper_depth [cm]",), "bottom": ("lower_depth [cm]",)}

DATABASES: Final[Mapping[str, Database]] = {
    "wosis-2019": Database(
        meaning="WoSIS snapshot of September 2019: directory with the tables profiles, "
        "layers_chemical and layers_physical (TSV), or the GeoPackage",
        sources=(
            Source("layers_chemical"),
            Source("layers_physical", keys=("profile_id", "profile_layer_id"), required=False),
            Source("profiles", keys=("profile_id",)),
        ),
        columns={
            **_WOSIS_DEPTHS,
            "profile_id": ("profile_id",),
            "lon": ("longitude",),
            "lat": ("latitude",),
            "source": ("dataset_id",),
            "position_accuracy": ("geom_accuracy",),
            "litter": ("litter",),
            "oc": ("orgc_value_avg [g/kg]",),
            "bulk_density": (
                "bdfiod_value_avg [kg/dm3]",
                "bdfi33_value_avg [kg/dm3]",
                "~bdwsod_value_avg [kg/dm3]",
                "~bdws33_value_avg [kg/dm3]",
            ),
            "coarse_fragments": ("cfvo_value_avg [%]",),
            "coarse_fragments_weight": ("cfgr_value_avg [%]",),
        },
    ),
    "wosis-2023": Database(
        meaning="WoSIS snapshot of December 2023: directory with the tables orgc, bdfiod, cfvo (TSV), "
        "or the GeoPackage",
        sources=(
            Source("_orgc", rename={"value_avg": "orgc"}),
            *(
                Source(f"_{name}", ("profile_id", "layer_id"), {"value_avg": name}, required=False)
                for name in ("bdfiod", "bdfi33", "bdwsod", "bdws33", "cfvo", "cfgr")
            ),
        ),
        columns={
            **_WOSIS_DEPTHS,
            "profile_id": ("profile_id",),
            "lon": ("longitude",),
            "lat": ("latitude",),
            "source": ("dataset_code",),
            "date": ("date",),
            "position_accuracy": ("positional_uncertainty",),
            "litter": ("litter",),
            "oc": ("orgc [g/kg]",),
            "bulk_density": (
                "bdfiod [kg/dm3]",
                "bdfi33 [kg/dm3]",
                "~bdwsod [kg/dm3]",
                "~bdws33 [kg/dm3]",
            ),
            "coarse_fragments": ("cfvo [%]",),
            "coarse_fragments_weight": ("cfgr [%]",),
        },
    ),
    "iscn3": Database(
        meaning="ISCN generation 3: the layer table (CSV or Excel), or the directory of its parts",
        sources=(Source("layer", in_parts=True),),
        identity=("dataset_name_sub", "site_name", "profile_name"),
        columns={
            "lon": ("long (dec. deg)",),
            "lat": ("lat (dec. deg)",),
            "source": ("dataset_name_sub",),
            "date": ("observation_date (YYYY-MM-DD)",),
            "top": ("layer_top (cm) [cm]",),
            "bottom": ("layer_bot (cm) [cm]",),
            "oc": ("oc (percent) [%]", "~c_tot (percent) [%]"),
            "bulk_density": (
                "bd_samp (g cm-3) [g/cm3]",
                "~bd_whole (g cm-3) [g/cm3]",
                "~bd_tot (g cm-3) [g/cm3]",
            ),
            "coarse_fragments_weight": ("wpg2 (percent) [%]",),
        },
    ),
    "kssl": Database(
        meaning="NCSS/KSSL laboratory data mart: SQLite file or GeoPackage, or directory with the "
        "tables lab_layer, lab_chemical_properties, lab_physical_properties, "
        "lab_combine_nasis_ncss and lab_site (CSV)",
        sources=(
            Source("lab_layer"),
            Source("lab_chemical_properties", ("labsampnum",), prefer={"prep_code": "S"}),
            Source(
                "lab_physical_properties",
                ("labsampnum",),
                prefer={"prep_code": "S"},
                required=False,
            ),
            Source("lab_combine_nasis_ncss", ("pedon_key",)),
            Source("lab_site", ("site_key",), required=False),
        ),
        columns={
            "profile_id": ("pedon_key",),
            "lon": ("longitude_decimal_degrees", "longitude_std_decimal_degrees"),
            "lat": ("latitude_decimal_degrees", "latitude_std_decimal_degrees"),
            "date": ("site_obsdate",),
            "top": ("hzn_top [cm]",),
            "bottom": ("hzn_bot [cm]",),
            "oc": (
                "estimated_organic_carbon [%]",
                "organic_carbon_walkley_black [%]",
                "~total_carbon_ncs - 0.12 * caco3_lt_2_mm [%]",
            ),
            "bulk_density": (
                "bulk_density_oven_dry [g/cm3]",
                "bulk_density_third_bar [g/cm3]",
            ),
            "coarse_fragments_weight": ("total_frag_wt_pct_gt_2_mm_ws [%]",),
        },
    ),
    "raca": Database(
        meaning="Rapid Carbon Assessment: directory with RaCA_samples and RaCa_general_location (CSV)",
        sources=(
            Source("raca_samples"),
            Source("raca_general_location", ("rcasiteid",), {"RaCA_Id": "rcasiteid"}),
        ),
        columns={
            "profile_id": ("upedonid",),
            "lon": ("Gen_long",),
            "lat": ("Gen_lat",),
            "top": ("TOP [cm]",),
            "bottom": ("BOT [cm]",),
            "oc": ("c_tot_ncs - 0.12 * caco3 [%]", "~SOC_pred1 [%]"),
            # BDmeasured is no number: it says "measured" or "modeled".
            "bulk_density": (
                "Measure_BD [g/cm3]",
                "~Model_BD [g/cm3]",
                "~Bulkdensity [g/cm3]",
            ),
            "coarse_fragments": ("fragvolc [%]",),
        },
    ),
    "neon": Database(
        meaning="NEON megapits (DP1.00096.001, stacked): directory with the tables "
        "mgp_perbiogeosample, mgp_perbulksample and mgp_permegapit (CSV)",
        sources=(
            Source("mgp_perbiogeosample", prefer={"biogeoSampleType": "Regular"}),
            Source(
                "mgp_perbulksample",
                ("horizonID",),
                prefer={"bulkDensSampleType": "Regular"},
                required=False,
            ),
            Source("mgp_permegapit", ("pitID",)),
        ),
        columns={
            "profile_id": ("pitID",),
            "lon": ("decimalLongitude",),
            "lat": ("decimalLatitude",),
            "date": ("collectDate",),
            "flag": ("biogeoSampleType",),
            "top": ("biogeoTopDepth [cm]",),
            "bottom": ("biogeoBottomDepth [cm]",),
            "oc": ("estimatedOC [g/kg]", "~carbonTot - 0.12 * caco3Conc [g/kg]"),
            "bulk_density": ("bulkDensExclCoarseFrag [g/cm3]",),
            "coarse_fragments_weight": ("coarseFrag2To5 + coarseFrag5To20 [g/kg]",),
        },
    ),
    "israd": Database(
        meaning="ISRaD: the flattened layer table (CSV)",
        sources=(Source("layer"),),
        identity=("entry_name", "site_name", "pro_name"),
        columns={
            "lon": ("pro_long", "site_long"),
            "lat": ("pro_lat", "site_lat"),
            "source": ("entry_name",),
            "date": ("lyr_obs_date_y",),
            "top": ("lyr_top [cm]",),
            "bottom": ("lyr_bot [cm]",),
            "oc": ("lyr_c_org [%]", "~lyr_c_tot - lyr_c_inorg [%]"),
            # Fine earth per volume of whole soil, as ISRaD's own stocks (ISRaD.extra.Cstocks) take
            # it: no fragments are left to subtract.
            "bulk_density": (
                "lyr_bd_samp [g/cm3]",
                "~lyr_bd_tot - 0.01 * lyr_bd_tot * lyr_coarse_tot [g/cm3]",
            ),
            "coarse_fragments": ("0 * lyr_top [%]",),
        },
    ),
}
"""Name of a format -> its description."""
