"""Parameters at sites: one-batch, site-by-site and random-sampling assimilation."""

from ctsm_socnn.assimilation.chains import SamplingPlan
from ctsm_socnn.assimilation.diagnostics import Limits
from ctsm_socnn.assimilation.hierarchical import class_labels, hierarchical, parameters_by_class
from ctsm_socnn.assimilation.likelihood import LIKELIHOODS, make_likelihood
from ctsm_socnn.assimilation.one_batch import one_batch
from ctsm_socnn.assimilation.pooled_costs import ONE_BATCH_COSTS
from ctsm_socnn.assimilation.posterior import random_sampling
from ctsm_socnn.assimilation.prior import PRIOR_WIDTH, PRIORS, Prior, make_prior
from ctsm_socnn.assimilation.samplers import SAMPLERS
from ctsm_socnn.assimilation.screening import SiteStatus
from ctsm_socnn.assimilation.shards import Shard, merge_posteriors
from ctsm_socnn.assimilation.site_block import Settings
from ctsm_socnn.assimilation.site_by_site import site_by_site
from ctsm_socnn.assimilation.source_errors import read_source_errors, with_source_errors

__all__ = [
    "LIKELIHOODS",
    "ONE_BATCH_COSTS",
    "PRIORS",
    "PRIOR_WIDTH",
    "SAMPLERS",
    "Limits",
    "Prior",
    "SamplingPlan",
    "Settings",
    "Shard",
    "SiteStatus",
    "class_labels",
    "hierarchical",
    "make_likelihood",
    "make_prior",
    "merge_posteriors",
    "one_batch",
    "parameters_by_class",
    "random_sampling",
    "read_source_errors",
    "site_by_site",
    "with_source_errors",
]
