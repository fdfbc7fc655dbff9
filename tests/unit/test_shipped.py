from __future__ import annotations

from ctsm_socnn.shipped import shipped_directory


def test_what_ctsm_needs_is_there() -> None:
    assert (shipped_directory("sourcemods") / "SocnnMod.F90").is_file()
    for generation in ("clm5.0", "ctsm5.1", "ctsm5.4"):
        user_nl = shipped_directory("usermods") / "forcing_output" / generation / "user_nl_clm"
        assert "hist_fincl" in user_nl.read_text()
