"""Site-by-site assimilation: the posterior of the parameters at every profile.

Sites are run in blocks; a block is the unit of work of a worker and of the checkpoint. The random
numbers of a site depend on the seed and on the site's place in the dataset alone, so that results
do not depend on workers, blocks or interruptions.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, as_completed
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from tqdm import tqdm

from ctsm_socnn.assimilation.checkpoint import Block, Checkpoint
from ctsm_socnn.assimilation.executors import open_executor
from ctsm_socnn.assimilation.posterior import posterior_dataset
from ctsm_socnn.assimilation.screening import MODEL_FORCING, screen_sites
from ctsm_socnn.assimilation.shards import Shard
from ctsm_socnn.assimilation.site_block import BlockTask, Settings, run_block
from ctsm_socnn.errors import ConfigError, FileError
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.netcdf import require_absent, write_dataset

__all__ = ["site_by_site"]

_SITES_PER_BLOCK: Final = 8
_FEWEST_OBSERVATIONS: Final = 2
"""As published: a profile of one layer is not assimilated."""

_NEEDED: Final = (
    *MODEL_FORCING,
    "soc",
    "soc_depth",
    "soc_top",
    "soc_bottom",
    "soc_sd",
    "soc_flag",
)


def site_by_site(
    sites: xr.Dataset,
    settings: Settings | None = None,
    *,
    output: str | Path,
    workers: int = 1,
    scheduler: str | None = None,
    shard: Shard | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> xr.Dataset:
    """Sample the posterior of the parameters at every site and write it.

    Parameters
    ----------
    sites : xarray.Dataset
        The sites schema. Sites that cannot be run get a status that says why.
    settings : Settings, optional
        Sampler, likelihood, length of the chains, seed.
    output : str or Path
        The posterior file. While the run is under way finished sites lie in `OUTPUT.parts`; a run
        that was stopped goes on from them.
    workers : int
        Processes. Results do not depend on it.
    scheduler : str, optional
        A dask scheduler that computes instead; see `ctsm_socnn.assimilation.executors`.
    shard : Shard, optional
        Run this part of the sites only; `merge_posteriors` puts the parts together.
    overwrite : bool
        Whether `output` may be replaced.
    progress : bool
        Whether to show a progress bar (on a terminal only).

    Returns
    -------
    xarray.Dataset
        The posterior, as written.

    Raises
    ------
    AssimilationError
        If another run works on `output`, or left unfinished sites of other settings there.
    ConfigError
        If the shard has no sites.
    FileError
        If the output exists or cannot be written.
    KernelError
        If the forcing of every site is out of range.
    """
    output = Path(output)
    settings = settings or Settings()
    shard = shard or Shard(1, 1)
    attributes = settings.attributes() | {"sites_sha256": _digest(sites)}
    fingerprint = attributes | {"shard": str(shard)}
    require_absent(output, overwrite=overwrite)
    tasks = _tasks(sites, settings, shard)
    with Checkpoint(output, fingerprint, overwrite=overwrite) as checkpoint:
        missing = [task for task in tasks if checkpoint.load(task.index) is None]
        n_sites, n_missing = (sum(t.site_index.size for t in some) for some in (tasks, missing))
        with (
            open_executor(workers if len(missing) > 1 else 1, scheduler) as executor,
            tqdm(
                total=n_sites,
                initial=n_sites - n_missing,
                desc="sites",
                unit="site",
                disable=None if progress else True,
            ) as bar,
        ):
            for index, block in _run(missing, executor):
                checkpoint.save(index, block)
                bar.update(block["status"].size)
        blocks = [_finished(checkpoint, task.index) for task in tasks]
        places = np.concatenate([task.site_index for task in tasks])
        posterior = posterior_dataset(
            sites.isel(site=places), places, blocks, seed=settings.seed, settings=attributes
        )
        write_dataset(posterior, output, overwrite=overwrite)
        checkpoint.finish()
    return posterior


def _tasks(sites: xr.Dataset, settings: Settings, shard: Shard) -> list[BlockTask]:
    operator = ObservationOperator.from_sites(sites, settings.below_bedrock)
    status = screen_sites(sites, operator, _FEWEST_OBSERVATIONS)
    needed = sites[[name for name in _NEEDED if name in sites]]
    places = np.arange(status.size)
    chunks = np.split(places, places[_SITES_PER_BLOCK::_SITES_PER_BLOCK])
    mine = shard.of(list(enumerate(chunks)))
    if not mine:
        raise ConfigError(
            f"shard {shard} has no sites; there are only {len(chunks)} blocks of them"
        )
    return [
        BlockTask(index, needed.isel(site=chunk), chunk, status[chunk], settings)
        for index, chunk in mine
    ]


def _run(tasks: list[BlockTask], executor: Executor | None) -> Iterator[tuple[int, Block]]:
    """Blocks as they are finished, in any order."""
    if executor is None:
        yield from map(run_block, tasks)
        return
    for future in as_completed([executor.submit(run_block, task) for task in tasks]):
        yield future.result()


def _finished(checkpoint: Checkpoint, index: int) -> Block:
    block = checkpoint.load(index)
    if block is None:
        raise FileError(
            f"block {index} of the checkpoint has become unreadable; "
            "run the same command again: it computes that block anew"
        )
    return block


def _digest(sites: xr.Dataset) -> str:
    """Checksum of all that decides the result, so that a checkpoint of other sites is refused."""
    digest = sha256()
    for name in _NEEDED:
        if name in sites:
            values = np.ascontiguousarray(sites[name].values)
            digest.update(f"{name} {values.dtype} {values.shape}".encode())
            digest.update(values.tobytes())
    return digest.hexdigest()
