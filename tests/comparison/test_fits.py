"""Which models a table is fitted with: those of its ratio, object, window and redshift."""

import re

import numpy as np
import pytest
from attrs import evolve
from toy_boosts import toy

from gpu_fdm.comparison.compare import compare, compare_all
from gpu_fdm.comparison.fits import FitPlan
from gpu_fdm.errors import InputError

MASSES = (0.5, 0.7, 1.0, 1.4, 2.0)
ONE, LIGHT, HEAVY = "one filament of 5e+09 Msun/h", "filaments of 1e+08 to 1e+12 Msun/h", "filaments of 3e+09 Msun/h"


def models(of, factor=1.0):
    """Five models of an object, at wavenumbers for k of the toy and more."""
    k = np.geomspace(5, 3000, 200)
    known = {"object": of, "redshift": 4.0}
    boosts = [evolve(toy(m22, k), **known) for m22 in MASSES]
    return [evolve(boost, boost=boost.boost**factor) for boost in boosts]


def fit(data, known):
    """The fit of a table between 0.5 and 2 with models, without more that can be computed."""
    (found,) = FitPlan.of([compare(data, known)], known, (0.5, 2.0), None).fitted({})
    return found.fit


def table(of="", **more):
    made = toy(1.1, np.linspace(60, 250, 12))
    return evolve(made, error=0.02 * made.boost, object=of, m22=None, **more)


@pytest.mark.parametrize("of", [ONE, LIGHT])
def test_a_table_is_fitted_with_its_own_object(of):
    """Models of another object and of another window are not in the grid; they would change what is found."""
    others = [boost for other in (ONE, LIGHT, HEAVY) if other != of for boost in models(other, 0.5)]
    found = fit(table(of), [*others, *models(of), *others])
    assert found.m22 == pytest.approx(1.1, rel=0.01) and found.fits


def test_models_that_do_not_say_what_they_are_of_are_not_mixed_with_others():
    """A box has no object: its boosts and those of its filament have the same ratio, and only one kind is fitted."""
    found = fit(table(), [*models(ONE), *models("", 0.5)])
    assert found.m22 == pytest.approx(1.1, rel=0.01) and found.fits


def test_a_table_must_say_which_of_several_objects_it_is_of():
    both = [*models(ONE), *models(LIGHT)]
    with pytest.raises(InputError) as caught:
        fit(table(), both)
    assert str(caught.value) == (
        f"fdm/smooth: the models are of {ONE}, and of {LIGHT}: say in the table which of these it is of, with a line "
        f"such as # object: {ONE}"
    )
    assert fit(table(), models(ONE)).m22 == pytest.approx(1.1, rel=0.01)
    assert compare(table(), both).model.object == ONE  # compared it is all the same


def test_objects_that_no_model_has_are_refused():
    said = f"fdm/smooth of {HEAVY}: no model has this ratio: the models have fdm/smooth of {ONE}"
    with pytest.raises(InputError, match=re.escape(said)):
        compare(table(HEAVY), models(ONE))


def test_too_few_models_are_refused():
    with pytest.raises(
        InputError, match=r"^fdm/smooth of one .*: a fit needs models of four or more m22: give more with"
    ):
        fit(table(ONE), models(ONE)[:3])


@pytest.mark.parametrize(("redshift", "compared"), [(4.0, True), (4.004, True), (4.006, False), (None, True)])
def test_redshifts_that_are_alike(redshift, compared):
    """Within 1e-3 of 1 + z, which is 0.005 at z = 4."""
    (found,) = compare_all([table(ONE, redshift=redshift)], models(ONE))
    assert (found is not None) == compared
