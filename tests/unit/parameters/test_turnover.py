from __future__ import annotations

import numpy as np

from ctsm_socnn.parameters import (
    TurnoverConvention,
    century_normalisation,
    convert_turnover_times,
)

UNNORMALISED = TurnoverConvention.UNNORMALISED
NORMALISED = TurnoverConvention.CENTURY_NORMALISED


def test_normalisation_at_clm5s_q10() -> None:
    np.testing.assert_allclose(century_normalisation(1.5), 0.8206, atol=5e-5)
    np.testing.assert_allclose(century_normalisation([1.0, 2.0]), [0.54706, 1.09413], atol=2e-5)


def test_technical_note_times_are_the_files_without_normalisation() -> None:
    """FORMAT of the CTSM reference numbers, trap 5: 4.1, 0.066, 0.25, 0.17, 6.1 and 270 years."""
    file = np.array(
        [3.33333325386047, 0.0540540553629398, 0.204081624746323, 0.136986300349236, 5.0, 222.222]
    )
    note = convert_turnover_times(file, 1.5, source=NORMALISED, target=UNNORMALISED)
    np.testing.assert_allclose(note, [4.1, 0.066, 0.25, 0.17, 6.1, 270], rtol=0.02)


def test_conversion_there_and_back() -> None:
    times = np.array([0.1, 5.0, 300.0])
    q10 = np.array([1.2, 1.5, 3.0])
    there = convert_turnover_times(times, q10, source=UNNORMALISED, target=NORMALISED)
    back = convert_turnover_times(there, q10, source=NORMALISED, target=UNNORMALISED)
    np.testing.assert_allclose(back, times, rtol=1e-15)
    np.testing.assert_array_equal(
        convert_turnover_times(times, q10, source=NORMALISED, target=NORMALISED), times
    )
