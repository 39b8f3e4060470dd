"""What groups of different files have in common: names, attributes, and the datasets of power spectra."""

from .entries import Attribute, Dataset

# groups at the top of a result
FILAMENTS, HALOES, GAS, DENSITY = "filaments", "haloes", "gas", "density"
POWER, CORRELATION = "power", "correlation"
SINGLE_POWER, MASS_FUNCTION, COLLAPSE, ONE_FILAMENT = "single_power", "mass_function", "collapse", "one_filament_power"
TOTAL_POWER, ONE_HALO, HALO_MASS_FUNCTION = "total_power", "one_halo_power", "halo_mass_function"
BUDGET = "budget"  # in the group of a boson
STEADY_STATE, SIMULATION, BOOST, INPUTS = "steady_state", "simulation", "boost", "inputs"
PROFILE_FIT, PROJECTION = "profile_fit", "projection"  # in the group of a filament
STEADY_AXIS = "steady_state_axis"
EMULATOR, INTERACTION_BASIS = "emulator", "interaction_basis"


def filament(number: int) -> str:
    """Name of the group of a filament or halo."""
    return f"{number:02d}"


def boson(m22: float | None) -> str:
    """Name of the group of a boson mass [1e-22 eV]; None is CDM."""
    return "cdm" if m22 is None else f"m22_{m22:g}"


def seed(number: int) -> str:
    """Name of the group of one of several seeds of a simulation."""
    return f"seed_{number}"


_COMMON = {  # attributes that mean the same in all groups
    "axial": Attribute("momentum along the axis: coherent (none) or thermal"),
    "backend": Attribute("cpu or gpu"),
    "beta": Attribute("velocity anisotropy"),
    "bin_width": Attribute("in fundamental wavenumbers of the longest side"),
    "box_size": Attribute("three sides", "cMpc/h"),
    "config": Attribute("the resolved ini: gpu-fdm run repeats the run from it; empty of a measurement"),
    "created": Attribute("when, UTC"),
    "device": Attribute("processor or card"),
    "digest": Attribute("which hash of the bytes of the file follows the end of HDF5"),
    "ellipticity": Attribute("published or collapse, see traps.md"),
    "force_wavenumber": Attribute("up to which particles feel 0.98 of the force", "h/Mpc"),
    "freeze_out": Attribute("when a collapsing axis stops"),
    "git_revision": Attribute("of the source, where it was a checkout"),
    "linear_power": Attribute("camb, eisenstein_hu or table"),
    "m22": Attribute("boson mass", "1e-22 eV"),
    "mean_density": Attribute(
        "of the box, in mean matter densities or what a snapshot has; of particles the mean mass in a cell"
    ),
    "mpi_buffers": Attribute("where messages between ranks left from: host, or device (the memory of cards)"),
    "nyquist": Attribute("Nyquist wavenumber of the coarsest side", "h/Mpc"),
    "ranks": Attribute("number of MPI ranks"),
    "redshift": Attribute("z"),
    "sampling": Attribute(
        "point: at cell centres; average: over cells; cic: cloud in cell; snapshot: as its writer has it, or particles "
        "whose window is divided out"
    ),
    "scale_factor": Attribute("a"),
    "seed": Attribute("of the random phases; -1 where nothing is drawn"),
    "shot_noise_subtracted": Attribute("yes or no: whether power is less shot noise; absent without particles"),
    "statistics": Attribute("fixed: |a_nl| fixed, phases random; gaussian: complex Gaussian amplitudes"),
    "time": Attribute("since the phases were drawn", "Myr"),
    "transfer": Attribute("cut-off of the linear power"),
    "version": Attribute("of gpu_fdm"),
    "weight_sum": Attribute("share of the line mass, l > 0 counted twice"),
    "weights": Attribute("method"),
    "window": Attribute("filter of the variance"),
}


def attributes(common: str, **own: Attribute) -> dict[str, Attribute]:
    """Common attributes by their names, and those of one group."""
    return {name: _COMMON[name] for name in common.split()} | own


def defined(name: str, description: str, units: str = "") -> dict[str, Attribute]:
    """A number, and the attribute that holds its definition."""
    definition = Attribute(f"definition of {name}, in words")
    return {name: Attribute(description, units), f"{name}_definition": definition}


PROVENANCE = "version git_revision config seed ranks backend device mpi_buffers created digest"
REAL = "float32 or float64"
MATTER = "mean matter densities"
K = Dataset("k", "h/Mpc", "mean wavenumber of the modes of each bin, comoving")
_CONTRAST = "power of density/mean - 1; the first row is k = 0"
_MODES = "modes in each bin, k and -k both counted"
POWER_DATASETS = {
    "k": K,
    "power": Dataset("k", "(Mpc/h)^3", _CONTRAST),
    "modes": Dataset("k", "1", _MODES, "int64"),
}
POWER_MU_DATASETS = {
    "k": K,
    "mu_edges": Dataset("edge", "1", "edges of the bins of mu = |k_z|/k"),
    "power": Dataset("k, mu", "(Mpc/h)^3", f"{_CONTRAST}; NaN in bins without modes"),
    "modes": Dataset("k, mu", "1", _MODES, "int64"),
}
GRID_ATTRIBUTES = attributes("nyquist mean_density box_size bin_width sampling")
CENTRES = "[x, y, z], cell centres at (i + 1/2) size/cells"
