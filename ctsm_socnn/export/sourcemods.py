"""SourceMods made from the user's own checkout of CTSM.

Three stock files get calls of our Fortran module at fixed anchors, by insertion only; the module
itself is shipped with the package. What the calls do is in `fortran/sourcemods/SocnnMod.F90`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ctsm_socnn.errors import ExportError
from ctsm_socnn.export.checkout import STOCK_FILES, Checkout
from ctsm_socnn.export.fortran_source import FortranSource
from ctsm_socnn.shipped import shipped_directory

__all__ = ["OWN_MODULES", "source_mods"]

OWN_MODULES: Final = ("SocnnEquationsMod.F90", "SocnnMapsMod.F90", "SocnnMod.F90")

_CASCADE, _TRANSPORT, _PROFILE = STOCK_FILES

_INIT: Final = "init_decompcascade_bgc"
_RATES: Final = "decomp_rate_constants_bgc"
_MIXING: Final = "SoilBiogeochemLittVertTransp"
_INPUT: Final = "SoilBiogeochemVerticalProfile"

_MODULE_HEAD: Final = r"^\s*implicit\s+none\b"
_BLOCK_END: Final = r"^\s*end\s+associate\b"
_COLUMNS: Final = "bounds%begc:bounds%endc"
_PATCHES: Final = "bounds%begp:bounds%endp"

_RATE_NAMES: Final = (
    "t_soisno", "w_scalar", "decomp_k", "Q10", "froz_q10", "decomp_depth_efolding",
    "days_per_year", "k_l1", "k_l2_l3", "k_s1", "k_s2", "k_s3", "k_frag",
)  # fmt: skip


def source_mods(checkout: Checkout) -> Mapping[str, bytes]:
    """Files for SourceMods/src.clm: the patched stock files and our modules.

    Parameters
    ----------
    checkout : Checkout

    Returns
    -------
    mapping of file name to content

    Raises
    ------
    ExportError
        If the stock files have local changes, or an anchor is missing or ambiguous.
    FileError
        If a stock file or one of our modules is missing.
    """
    checkout.require_unchanged()
    patched = {
        _CASCADE: _patch_cascade(checkout.fortran(_CASCADE)),
        _TRANSPORT: _patch_transport(checkout.fortran(_TRANSPORT)),
        _PROFILE: _patch_profile(checkout.fortran(_PROFILE)),
    }
    directory = shipped_directory("sourcemods")
    own = {name: (directory / name).read_bytes() for name in OWN_MODULES}
    return own | {name: source.text() for name, source in patched.items()}


def _use(source: FortranSource, names: str) -> None:
    if source.contains(r"\bSocnnMod\b"):
        raise ExportError(f"{source.name} of CTSM {source.version} uses SocnnMod already")
    source.before_first(_MODULE_HEAD, [f"  use SocnnMod, only : {names}"])


def _patch_cascade(source: FortranSource) -> FortranSource:
    matrix = source.contains(r"Ksoil%DM\(")
    names = "socnn_init, socnn_rates, socnn_fractions"
    _use(source, f"{names}, socnn_matrix_rates" if matrix else names)
    source.require_names(_RATES, _RATE_NAMES)
    number = source.argument(_RATES, r"num_(bgc_)?soilc")
    columns = source.argument(_RATES, r"filter_(bgc_)?soilc")
    initialise = [
        "      call socnn_init(bounds, use_century_tfunc, normalize_q10_to_century_tfunc)",
    ]
    rates = [
        f"      call socnn_rates(bounds, {number}, {columns}, &",
        f"           t_soisno({_COLUMNS},1:nlevdecomp), &",
        f"           w_scalar({_COLUMNS},1:nlevdecomp), &",
        "           Q10, froz_q10, decomp_depth_efolding, days_per_year, &",
        "           k_l1, k_l2_l3, k_s1, k_s2, k_s3, k_frag, &",
        f"           decomp_k({_COLUMNS},:,:))",
    ]
    if matrix:
        source.require_names(_RATES, ["Ksoil", "dt", "use_soil_matrixcn"])
        rates += [
            "      if (use_soil_matrixcn) then",
            f"         call socnn_matrix_rates(bounds, {number}, {columns}, &",
            f"              decomp_k({_COLUMNS},:,:), dt, Ksoil%DM({_COLUMNS},:))",
            "      end if",
        ]
    fractions = [
        f"      call socnn_fractions(bounds, rf_decomp_cascade({_COLUMNS},:,:), &",
        f"           pathfrac_decomp_cascade({_COLUMNS},:,:))",
    ]
    calls = {_INIT: initialise, _RATES: rates}
    calls[source.routine_with(r"^\s*pathfrac_decomp_cascade\s*\(", [_INIT, _RATES])] += fractions
    for routine, block in calls.items():
        source.before_last(routine, _BLOCK_END, block)
    return source


def _patch_transport(source: FortranSource) -> FortranSource:
    _use(source, "socnn_diffusivity")
    source.require_names(
        _MIXING,
        ["altmax", "altmax_lastyear", "max_altdepth_cryoturbation", "som_diffus",
         "cryoturb_diffusion_k", "som_diffus_coef"],
    )  # fmt: skip
    number = source.argument(_MIXING, r"num_(bgc_)?soilc")
    columns = source.argument(_MIXING, r"filter_(bgc_)?soilc")
    source.before_only(
        _MIXING,
        r"^\s*dz_node\(1\)\s*=\s*zsoi\(1\)\s*$",
        [
            f"      call socnn_diffusivity(bounds, {number}, {columns}, &",
            f"           altmax({_COLUMNS}), altmax_lastyear({_COLUMNS}), &",
            "           max_altdepth_cryoturbation, som_diffus, cryoturb_diffusion_k, &",
            f"           som_diffus_coef({_COLUMNS},:))",
        ],
    )
    return source


def _patch_profile(source: FortranSource) -> FortranSource:
    _use(source, "socnn_profiles")
    source.require_names(
        _INPUT,
        ["altmax_lastyear_indx", "leaf_prof", "froot_prof", "croot_prof", "stem_prof"],
    )
    number = source.argument(_INPUT, r"num_(soilp|bgc_vegp)")
    patches = source.argument(_INPUT, r"filter_(soilp|bgc_vegp)")
    source.before_last(
        _INPUT,
        _BLOCK_END,
        [
            f"      call socnn_profiles(bounds, {number}, {patches}, &",
            f"           altmax_lastyear_indx({_COLUMNS}), &",
            f"           leaf_prof({_PATCHES},:), froot_prof({_PATCHES},:), &",
            f"           croot_prof({_PATCHES},:), stem_prof({_PATCHES},:))",
        ],
    )
    return source
