"""Site-by-site assimilation: the posterior of the parameters at every profile.

Sites are run in blocks; a block is the unit of work of a worker and of the checkpoint. The random
numbers of a site depend on the seed and on the site's place in the dataset alone, so that results
do not depend on workers, blocks or interruptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.assimilation.checkpoint import Block, Checkpoint
from ctsm_socnn.assimilation.posterior import CPU_SECONDS, SITES_IN_ALL, posterior_dataset
from ctsm_socnn.assimilation.progress import progress_bar
from ctsm_socnn.assimilation.screening import (
    READ_VARIABLES,
    SITES_AT_A_TIME,
    screen_sites,
    site_slices,
)
from ctsm_socnn.assimilation.shards import Shard
from ctsm_socnn.assimilation.site_block import BlockTask, Settings, run_block
from ctsm_socnn.errors import ConfigError, FileError, require_at_least
from ctsm_socnn.executors import open_executor, run_tasks
from ctsm_socnn.netcdf import require_absent, write_in_parts
from ctsm_socnn.provenance import package_version
from ctsm_socnn.schemas import open_file

__all__ = ["site_by_site"]

_SITES_PER_BLOCK: Final = 8
_FEWEST_OBSERVATIONS: Final = 2
"""As published: a profile of one layer is not assimilated."""

_BLOCKS_AHEAD: Final = 3
"""Blocks that each other process of this machine holds: it must not run out of them while this
process computes one, and few should be left to it at the end."""

_BLOCKS_ON_A_CLUSTER: Final = 1000


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
        The sites schema; may be open and not loaded (`open_sites(path, load=False)`), so that
        memory does not grow with the number of sites. Sites that cannot be run get a status that
        says why.
    settings : Settings, optional
        Sampler, likelihood, length of the chains, seed.
    output : str or Path
        The posterior file. During the run finished sites are kept in `OUTPUT.parts`, from which an
        interrupted run continues.
    workers : int
        Processes, this one among them; no more than there are blocks of sites. Results do not
        depend on it.
    scheduler : str, optional
        A dask scheduler that computes instead; see `ctsm_socnn.executors`.
    shard : Shard, optional
        Run this part of the sites only; `merge_posteriors` combines the parts.
    overwrite : bool
        Whether `output` may be replaced.
    progress : bool
        Whether to show progress on standard error.

    Returns
    -------
    xarray.Dataset
        The posterior, opened from `output`: values are read where they are used.

    Raises
    ------
    AssimilationError
        If another run works on `output`, or left unfinished sites of other settings, or of another
        version of this package, there.
    ConfigError
        If the shard has no sites, or there are no workers.
    FileError
        If the output exists or cannot be written.
    KernelError
        If the forcing of every site is out of range.
    WorkerError
        If workers are lost, or the scheduler cannot be reached.
    """
    require_at_least(1, workers=workers)
    output = Path(output)
    settings = settings or Settings()
    shard = shard or Shard(1, 1)
    require_absent(output, overwrite=overwrite)
    blocks = _blocks_of(sites.sizes["site"], shard)
    status = screen_sites(sites, settings.below_bedrock, _FEWEST_OBSERVATIONS)
    attributes = settings.attributes() | {
        "sites_sha256": _digest(sites),
        SITES_IN_ALL: str(sites.sizes["site"]),
    }
    fingerprint = attributes | {"shard": str(shard), "version": package_version()}
    with Checkpoint(output, fingerprint, overwrite=overwrite) as checkpoint:
        cpu_seconds = _cpu_seconds_of_finished(checkpoint, blocks)
        missing = {index: blocks[index] for index in blocks if index not in cpu_seconds}
        n_sites, n_missing = (sum(p.size for p in some.values()) for some in (blocks, missing))
        workers = max(1, min(workers, len(missing)))
        with (
            open_executor(workers, scheduler) as executor,
            progress_bar(n_sites, n_sites - n_missing, show=progress) as bar,
        ):
            tasks = _tasks(sites, status, missing, settings)
            here = scheduler is None
            ahead = _BLOCKS_AHEAD * (workers - 1) if here else _BLOCKS_ON_A_CLUSTER
            for index, block in run_tasks(run_block, tasks, executor, ahead, here=here):
                checkpoint.save(index, block)
                cpu_seconds[index] = float(np.nansum(block["cpu_seconds"]))
                bar.update(block["status"].size)
        attributes[CPU_SECONDS] = f"{sum(cpu_seconds.values()):.1f}"
        parts = _posterior_parts(sites, blocks, checkpoint, settings.seed, attributes)
        write_in_parts(parts, "site", output, overwrite=overwrite)
        checkpoint.finish()
    return open_file(output, load=False)


def _blocks_of(n_sites: int, shard: Shard) -> dict[int, NDArray[np.int64]]:
    """Index of each block of a shard, and the places of its sites."""
    places = np.arange(n_sites)
    chunks = np.split(places, places[_SITES_PER_BLOCK::_SITES_PER_BLOCK])
    blocks = dict(shard.of(list(enumerate(chunks))))
    if not blocks:
        raise ConfigError(
            f"shard {shard} has no sites; there are only {len(chunks)} blocks of them"
        )
    return blocks


def _cpu_seconds_of_finished(
    checkpoint: Checkpoint, blocks: Mapping[int, NDArray[np.int64]]
) -> dict[int, float]:
    """CPU seconds of each block that an earlier run has finished."""
    found = ((index, checkpoint.load(index)) for index in blocks)
    return {i: float(np.nansum(block["cpu_seconds"])) for i, block in found if block is not None}


def _tasks(
    sites: xr.Dataset,
    status: NDArray[np.int8],
    blocks: Mapping[int, NDArray[np.int64]],
    settings: Settings,
) -> Iterator[BlockTask]:
    """Tasks in order, read from the sites as they are asked for."""
    needed = sites[[name for name in READ_VARIABLES if name in sites]]
    for slab in site_slices(status.size):
        inside = {i: p for i, p in blocks.items() if slab.start <= p[0] < slab.stop}
        if inside:
            read = needed.isel(site=slab).load()
        for index, places in inside.items():
            block = read.isel(site=places - slab.start)
            yield BlockTask(index, block, places, status[places], settings)


def _posterior_parts(
    sites: xr.Dataset,
    blocks: Mapping[int, NDArray[np.int64]],
    checkpoint: Checkpoint,
    seed: int,
    attributes: Mapping[str, str],
) -> Iterator[xr.Dataset]:
    """Parts of the posterior file, in the order of the sites."""
    indices, per_part = list(blocks), SITES_AT_A_TIME // _SITES_PER_BLOCK
    for start in range(0, len(indices), per_part):
        some = indices[start : start + per_part]
        places = np.concatenate([blocks[index] for index in some])
        found = [_finished(checkpoint, index) for index in some]
        yield posterior_dataset(
            sites.isel(site=places), places, found, seed=seed, settings=attributes
        )


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
    for name in READ_VARIABLES:
        if name in sites:
            values = sites[name]
            digest.update(f"{name} {values.dtype} {values.shape}".encode())
            for places in site_slices(values.sizes["site"]):
                digest.update(np.ascontiguousarray(values.isel(site=places).values).tobytes())
    return digest.hexdigest()
