"""SourceMods compiled with small stand-ins for CTSM, run on a few columns.

`stock` gives a checkout whose three soil files are ours, shaped like CTSM's; `built` gives
executables of it, as it is and patched.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from ctsm_socnn.export.checkout import STOCK_FILES, Checkout
from ctsm_socnn.export.sourcemods import source_mods
from ctsm_socnn.model import SOIL_GRID

FORTRAN = Path(__file__).resolve().parent / "fortran"
N, FULL, LAYERS, POOLS, STEPS = 6, 25, 20, 7, 10

SHAPES = {
    "decomp_k": (N, FULL, POOLS),
    "rf": (N, FULL, STEPS),
    "pathfrac": (N, FULL, STEPS),
    "diffusivity": (N, FULL),
    "t_scalar": (N, FULL),
    "w_scalar": (N, FULL),
    "matrix_loss": (N, POOLS * LAYERS),
    "leaf": (N, FULL),
    "froot": (N, FULL),
    "croot": (N, FULL),
    "stem": (N, FULL),
}

OLD_NAMES = {
    "num_bgc_soilc": "num_soilc",
    "filter_bgc_soilc": "filter_soilc",
    "num_bgc_vegp": "num_soilp",
    "filter_bgc_vegp": "filter_soilp",
    "ActiveLayerMod": "CanopyStateType",
    "active_layer_type": "canopystate_type",
    "active_layer_inst": "canopystate_inst",
}

SCALARS = {
    "som_diffus": 1e-4 / (86400 * 365),
    "cryoturb_diffusion_k": 5e-4 / (86400 * 365),
    "max_altdepth_cryoturbation": 2.0,
    "q10_mr": 1.5,
    "froz_q10": 1.5,
    "decomp_depth_efolding": 10.0,
    "tau_cwd": 3.33333325386047,
    "rf_cwdl2": 0.0,
    "cwd_flig": 0.24,
    "minpsi_hr": -2.0,
    "maxpsi_hr": -0.002,
    "bgc_tau_l1": 0.0540540553629398,
    "bgc_tau_l2_l3": 0.204081624746323,
    "bgc_tau_s1": 0.136986300349236,
    "bgc_tau_s2": 5.0,
    "bgc_tau_s3": 222.222229003906,
    "bgc_rf_l1s1": 0.55,
    "bgc_rf_l2s1": 0.5,
    "bgc_rf_l3s2": 0.5,
    "bgc_rf_s2s1": 0.55,
    "bgc_rf_s2s3": 0.55,
    "bgc_rf_s3s1": 0.55,
    "bgc_rf_cwdl3": 0.0,
    "bgc_cwd_fcel": 0.76,
    "bgc_initial_Cstocks_depth": 0.3,
    "bgc_cn_s1": 8.0,
    "bgc_cn_s2": 11.0,
    "bgc_cn_s3": 11.0,
}
OLD_SCALARS = {
    "rf_l1s1_bgc": 0.55,
    "rf_l2s1_bgc": 0.5,
    "rf_l3s2_bgc": 0.5,
    "rf_s2s1_bgc": 0.55,
    "rf_s2s3_bgc": 0.55,
    "rf_s3s1_bgc": 0.55,
    "rf_cwdl2_bgc": 0.0,
    "rf_cwdl3_bgc": 0.0,
    "cwd_fcel": 0.76,
    "tau_l1": 0.0540540553629398,
    "tau_l2_l3": 0.204081624746323,
    "tau_s1": 0.136986300349236,
    "tau_s2": 5.0,
    "tau_s3": 222.222229003906,
    "cn_s1_bgc": 8.0,
    "cn_s2_bgc": 11.0,
    "cn_s3_bgc": 11.0,
    "k_frag": 0.001,
}


def write_checkout(root: Path, *, old: bool) -> Path:
    """A checkout with our own stand-ins for the three stock files."""
    soil = root / "src" / "soilbiogeochem"
    soil.mkdir(parents=True)
    names = ("cascade_old" if old else "cascade_new", "transport", "profile")
    for stock, name in zip(STOCK_FILES, names, strict=True):
        text = (FORTRAN / f"{name}.F90").read_text()
        if old:
            for new_word, old_word in OLD_NAMES.items():
                text = text.replace(new_word, old_word)
        (soil / stock).write_text(text)
    return root


OLDEST = ("OLD_CTSM", "THAW_IN_CANOPY")
"""What the stand-ins must be told for release-clm5.0."""


def compile_model(directory: Path, sources: Mapping[str, bytes], defines: Sequence[str]) -> Path:
    """Compile stand-ins, sources and driver; return the executable."""
    compiler = shutil.which("gfortran")
    if compiler is None:
        pytest.skip("needs gfortran")
    directory.mkdir()
    for name, content in sources.items():
        (directory / name).write_bytes(content)
    (directory / "shr_assert.h").write_text("")
    own = ["SocnnEquationsMod.F90", "SocnnMapsMod.F90", "SocnnMod.F90"]
    stock = [name for name in STOCK_FILES if name in sources]
    order = [str(FORTRAN / "standin_base.F90"), str(FORTRAN / "standin_soil.F90")]
    order += [name for name in own if name in sources] + stock + [str(FORTRAN / "driver.F90")]
    # As CTSM's debug builds: bounds checked, floating-point exceptions trapped.
    flags = ["-O1", "-fcheck=bounds", "-ffpe-trap=invalid,zero,overflow", "-ffp-contract=off"]
    flags += ["-ffree-line-length-none", "-I."]
    flags += [f"-D{name}" for name in defines]
    done = subprocess.run(
        [compiler, *flags, *order, "-o", "model"],
        cwd=directory, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return directory / "model"


@dataclass
class Case:
    """Six columns in six gridcells: warm, frozen, dry, thin soils and permafrost."""

    lat: np.ndarray = field(default_factory=lambda: np.array([-30.0, 0.0, 15.0, 42.0, 60.0, 70.0]))
    lon: np.ndarray = field(
        default_factory=lambda: np.array([0.0, 100.0, 260.0, 20.0, 300.0, 90.0])
    )
    altmax: np.ndarray = field(default_factory=lambda: np.array([8.0, 8.0, 8.0, 8.0, 1.2, 0.0]))
    altmax_last: np.ndarray = field(
        default_factory=lambda: np.array([8.0, 8.0, 8.0, 8.0, 1.5, 0.0])
    )
    last_thawed: np.ndarray = field(default_factory=lambda: np.array([20, 20, 20, 20, 10, 0]))
    nbedrock: np.ndarray = field(default_factory=lambda: np.array([20, 20, 20, 8, 16, 20]))
    spinup_state: int = 0
    matrix: bool = False
    skip_cascade: bool = False
    fates: bool = False

    def __post_init__(self) -> None:
        draw = np.random.default_rng(7)
        base = np.array([295.0, 299.0, 303.0, 283.0, 272.0, 262.0])
        self.temperature = base[:, None] + draw.normal(0.0, 3.0, (N, LAYERS))
        self.psi = -(10.0 ** draw.uniform(-4.0, 0.5, (N, LAYERS)))
        self.sand = draw.uniform(0.0, 100.0, (N, LAYERS))

    def write(self, directory: Path) -> None:
        node, width, edge = extended_grid()
        lines = ["&case", f"n = {N}", f"spinup_state = {self.spinup_state}"]
        for name in ("matrix", "skip_cascade", "fates"):
            lines.append(f"{name} = {'.true.' if getattr(self, name) else '.false.'}")
        arrays = {
            "lat": self.lat, "lon": self.lon, "altmax": self.altmax,
            "altmax_last": self.altmax_last, "last_thawed": self.last_thawed,
            "nbedrock": self.nbedrock, "temperature": self.temperature, "psi": self.psi,
            "sand": self.sand, "node": node, "width": width, "edge": edge,
        }  # fmt: skip
        for name, values in arrays.items():
            lines.append(f"{name} = {', '.join(repr(v) for v in np.ravel(values).tolist())}")
        (directory / "case.nml").write_text("\n".join([*lines, "/", ""]))


def extended_grid() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The 20 layers of the kernel and five of rock below."""
    width = np.concatenate([SOIL_GRID.thickness, [2.39, 4.6, 7.6, 11.1, 15.1]])
    edge = np.concatenate([[0.0], np.cumsum(width)])
    edge[:21] = SOIL_GRID.interface_depth
    node = 0.5 * (edge[:-1] + edge[1:])
    node[:20] = SOIL_GRID.node_depth
    return node, width, edge


def write_text_file(
    path: Path, variables: Mapping[str, np.ndarray], attribute: str | None = None
) -> None:
    """The stand-in for netCDF: see ncdio_pio in standin_base.F90."""
    lines = [] if attribute is None else [f"attribute socnn_gridded_file {attribute}"]
    for name, values in variables.items():
        array = np.asarray(values, dtype=float)
        sizes = " ".join(str(n) for n in array.shape)
        lines += [f"variable {name} {array.ndim} {sizes}"]
        lines += [" ".join(repr(v) for v in np.ravel(array).tolist())]
    path.write_text("\n".join(lines) + "\n")


@dataclass(frozen=True)
class Model:
    """An executable and how to run it."""

    executable: Path
    old: bool

    def run(
        self,
        directory: Path,
        case: Case,
        maps: Mapping[str, np.ndarray] | None = None,
        scalars: Mapping[str, float] | None = None,
    ) -> dict[str, np.ndarray]:
        """Run; return what the routines computed. A stop of the model is an AssertionError."""
        done = self.attempt(directory, case, maps, scalars)
        assert done.returncode == 0, done.stderr + done.stdout
        raw = np.fromfile(directory / "result.bin")
        result, start = {}, 0
        for name, shape in SHAPES.items():
            size = int(np.prod(shape))
            result[name] = raw[start : start + size].reshape(shape, order="F")
            start += size
        assert start == raw.size
        return result

    def attempt(
        self,
        directory: Path,
        case: Case,
        maps: Mapping[str, np.ndarray] | None = None,
        scalars: Mapping[str, float] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run and return what happened."""
        values = {
            k: np.float64(v) for k, v in (SCALARS | OLD_SCALARS | dict(scalars or {})).items()
        }
        values["bgc_initial_Cstocks"] = np.full(8, 200.0)
        case.write(directory)
        attribute = None if maps is None else "maps.txt"
        write_text_file(directory / "paramfile.txt", values, attribute)
        if maps is not None:
            write_text_file(
                directory / "maps.txt", {"LATIXY": case.lat, "LONGXY": case.lon} | dict(maps)
            )
        return subprocess.run(
            [str(self.executable)], cwd=directory, capture_output=True, text=True, check=False
        )


@pytest.fixture(params=["old", "new"], scope="session")
def flavour(request: pytest.FixtureRequest) -> str:
    """Shape of the stock files: release-clm5.0's, or ctsm5.2's and later."""
    return str(request.param)


@pytest.fixture(scope="session")
def models(flavour: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Model]:
    """(stock, patched) of one flavour."""
    root, old = tmp_path_factory.mktemp(flavour), flavour == "old"
    checkout = Checkout.open(write_checkout(root / "ctsm", old=old))
    stock = {
        name: (checkout.root / "src/soilbiogeochem" / name).read_bytes() for name in STOCK_FILES
    }
    defines = OLDEST if old else ()
    return (
        Model(compile_model(root / "stock", stock, defines), old),
        Model(compile_model(root / "patched", source_mods(checkout), defines), old),
    )


@pytest.fixture(scope="session")
def patched_new(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Patched model of the newer shape."""
    root = tmp_path_factory.mktemp("patched_new")
    checkout = Checkout.open(write_checkout(root / "ctsm", old=False))
    return Model(compile_model(root / "model", source_mods(checkout), ()), old=False)


@pytest.fixture
def case() -> Case:
    return Case()


@pytest.fixture
def checkout_at(tmp_path: Path) -> Callable[..., Path]:
    """Write a checkout below the test's directory."""

    def write(name: str = "ctsm", *, old: bool = False) -> Path:
        return write_checkout(tmp_path / name, old=old)

    return write


@pytest.fixture
def stock_scalars() -> dict[str, float]:
    """Maps' names and CTSM's own values, as both generations of paramfiles hold them."""
    names = [n for n in SCALARS if n.startswith(("som_", "cryo", "q10", "froz", "decomp", "tau"))]
    names += [n for n in SCALARS if n.startswith("bgc_tau") or n == "cwd_flig"]
    names += ["bgc_rf_l1s1", "bgc_rf_l2s1", "bgc_rf_l3s2", "bgc_rf_s3s1", "bgc_cwd_fcel"]
    return {name: SCALARS[name] for name in names} | {
        "fs2s1": 0.42,
        "fs2s3": 0.03,
        "w_scaling": 1.0,
    }


@pytest.fixture(scope="session")
def build() -> Callable[..., Model]:
    """Compile any sources with the stand-ins."""

    def compiled(directory: Path, sources: Mapping[str, bytes], defines: Sequence[str]) -> Model:
        return Model(compile_model(directory, sources, defines), "OLD_CTSM" in defines)

    return compiled
