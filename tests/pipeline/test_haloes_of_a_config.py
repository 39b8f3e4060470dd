"""Haloes as [halo] describes them."""

import pytest
from halo_cases import halo

from gpu_fdm.config.config import parse_config
from gpu_fdm.config.shared_sections import HaloSection
from gpu_fdm.errors import InputError
from gpu_fdm.haloes.relations import CONCENTRATIONS
from gpu_fdm.pipeline.haloes import halo_profile, soliton_share


def test_the_reference_halo():
    """Defaults are those of the reference tables, with the section and without."""
    for text in ("", "[halo]\n"):
        profile, expected = halo_profile(parse_config(text), 1e9), halo()
        assert (profile.law, profile.mass) == (expected.law, pytest.approx(expected.mass, rel=1e-9))


def test_keys_of_the_section():
    config = parse_config("[halo]\nsoliton = yes\nconcentration_factor = 2\ncore_factor = 0.5\n")
    law, default = halo_profile(config, 1e9).law, halo().law
    assert (law.scale, law.core) == pytest.approx((default.scale / 2, default.core / 2))
    assert 0 < soliton_share(config, 1e9) < 1 and soliton_share(parse_config("[halo]\n"), 1e9) is None
    assert set(HaloSection.__attrs_attrs__.concentration.metadata["kind"].names) == set(CONCENTRATIONS)


def test_a_core_larger_than_the_halo():
    with pytest.raises(InputError, match=r"\[halo\] halo of 1e\+07 Msun/h at m22 = 1: its core, .* is larger than the"):
        halo_profile(parse_config("[halo]\n"), 1e7)
