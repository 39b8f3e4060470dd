"""The section of an emulator: a network trained on spectra of filaments."""

from attrs import frozen

from ..io.kinds import Choice, Maybe, Number, Several, option
from .section import BOSON_MASS, MASS, WAVENUMBER, ErrorOfKey, Section, require_once


@frozen
class EmulatorSection(Section):
    """A network trained on spectra of filaments from the table over nu, and the combinations of inputs that it uses."""

    inputs: tuple = option(
        ("k", "m22", "mass", "redshift"),
        Several(Choice(("k", "m22", "mass", "redshift"))),
        "inputs of the network; the others are held at the middle of their range",
    )
    output: str = option(
        "spectrum",
        Choice(("spectrum", "boost")),
        "what it computes: P(k|M)/M^2 of |psi|^2, or that over the same without fringes",
    )
    k: tuple = option((10.0, 300.0), Several(WAVENUMBER, 2), "range of wavenumbers, comoving", "h/Mpc")
    m22: tuple = option((1.0, 4.0), Several(BOSON_MASS, 2), "range of boson masses", "1e-22 eV")
    mass: tuple = option((3e9, 3e10), Several(MASS, 2), "range of masses of filaments, of published shapes", "Msun/h")
    redshift: tuple = option((3.0, 6.0), Several(Number(0, 99), 2), "range of redshifts")
    length_ratio: float | None = option(
        60.0,
        Maybe(Number(10, 125)),
        "length over r0, both comoving, of all filaments; empty: published lengths, a third combination of inputs",
    )
    widths: tuple = option(
        (64, 64), Several(Number(1, 4096, integer=True), most=16), "number of neurons of each hidden layer"
    )
    activation: str = option("gelu", Choice(("gelu", "tanh", "relu")), "activation of hidden layers")
    points: int = option(4000, Number(16, 10_000_000, integer=True), "number of points to train on")
    test_points: int = option(
        2000, Number(16, 10_000_000, integer=True), "number of points that errors are measured on"
    )
    epochs: int = option(2500, Number(1, 1_000_000, integer=True), "number of times that all points are gone through")
    batch: int = option(256, Number(1, 1_000_000, integer=True), "number of points of a step")
    seed: int = option(1, Number(0, 2**63, integer=True), "seed of points, of first weights and of the order of points")

    def check_keys(self, error: ErrorOfKey) -> None:
        require_once(self, "inputs", "input", error)
        for key in ("k", "m22", "mass", "redshift"):
            low, high = getattr(self, key)
            if not low < high:
                raise error(key, "must increase, from the first value to the last")
        if self.batch > self.points:
            raise error("batch", f"must be at most the number of points, {self.points}")
