"""Interference of fuzzy dark matter in cosmic filaments.

The public names, in the order in which data flows:

    read_config, parse_config, Config        an ini file as a checked object
    Run, CosmologySection, DarkMatter, FilamentSection, GasSection, WavefunctionSection, HaloSection    its sections
    CrossSectionSection, SinglePowerSection, BoxSection, PowerSection, CorrelationSection    those of stages
    PopulationSection, OneFilamentSection, TotalPowerSection, SimulationSection, SteadyStateSection    likewise
    FitSection, FiguresSection, EmulatorSection    those of fits, figures and emulators
    CodeUnits                                sizes of the code units
    CosmologicalParameters, linear_power, transfer, variance    linear theory
    Population                               mass functions and shapes from ellipsoidal collapse
    SteadyStateCylinder, TabulatedProfile    the equilibrium of a filament
    eigenstates                              its library of modes
    choose_weights, weights_from_table       their weights
    WaveFunction, random_phases              psi
    CoredNFW, Burkert, Plummer, TabulatedDensity, cored_nfw, soliton_mass    haloes: density laws, sizes by name
    SphericalProfile, halo_states, halo_weights, halo_spectrum    their equilibrium, states and power
    HaloWave, random_amplitudes, tabulate_halo, halo_psi_at    psi of a halo on points
    tabulate, psi_at, flow_at, find_vortices    psi and its flow on points
    Box, Placement, tabulate_extruded, tabulate_direct, tabulate_axial, fill    densities in a periodic box
    halo_source, fill_halo                   those of a halo
    momentum_spread                          momentum along and across the filaments of a simulation
    polar_spectrum, single_power, filament_spectra    phase averages of one filament's power, exactly, and from a table
    power_spectrum, correlation_function, particle_spectrum    P(k), P(k, mu), xi(r) of grids, P(k) of particles
    evolve_cross_section, evolve_axis        a filament in its own gravity: its cross-section, and along its axis
    interaction_basis, interactions, find_modules, pruned, reparameterised    which combinations a network uses
    behavioural_loss, count_degeneracy, hessian_eigenvalues    directions of its parameters that change nothing
    Emulator                                 a network of named inputs with ranges, from a file
    open_snapshot, SnapshotOptions, snapshot_power, Measurement    snapshots of simulations
    snapshot_cross                           the cross power of two of them
    population_of, build_model, cross_section, fill_box, run    the same stages from a config
    open, Result, Group, Array               a result file as objects: tables, units, coordinates, figures
    Prediction                               spectra and boosts of a population for any boson mass, in a millisecond
    PredictionRange                          the same for any redshift and omega_m in a range
    read_measured, Measured, Likelihood, Posterior, BestFit    how probable tables are, priors, the best fit
    sample, read_chain, Chain                samples of a posterior
    forecast, Bins, Forecast                 Fisher matrices
    Domain, start_ranks                      a grid shared by MPI ranks, and these, for run(config, ranks)
    InputError, UnfitError, RunError         what is wrong, with the input, with values, or with the run
"""

try:  # which a build writes, from the tags of git
    from ._version import version as __version__
except ImportError:
    __version__ = "0.1.0"

# where each public name lives; imported at first use, so that the command line starts at once
_HOMES = {
    "config.config": ("Config", "parse_config", "read_config"),
    "config.shared_sections": (
        "Run",
        "CosmologySection",
        "DarkMatter",
        "FilamentSection",
        "GasSection",
        "WavefunctionSection",
        "HaloSection",
    ),
    "config.sections": (
        "CrossSectionSection",
        "SinglePowerSection",
        "BoxSection",
        "PowerSection",
        "CorrelationSection",
        "PopulationSection",
        "OneFilamentSection",
        "TotalPowerSection",
        "FiguresSection",
    ),
    "config.simulation_sections": ("SimulationSection", "SteadyStateSection"),
    "config.emulator_section": ("EmulatorSection",),
    "config.fit_section": ("FitSection",),
    "units": ("CodeUnits",),
    "cosmology.parameters": ("CosmologicalParameters",),
    "cosmology.linear_power": ("linear_power",),
    "cosmology.transfer": ("transfer",),
    "cosmology.variance": ("variance",),
    "population.population": ("Population",),
    "filament.profile": ("SteadyStateCylinder",),
    "filament.tabulated": ("TabulatedProfile",),
    "filament.eigenstates": ("eigenstates",),
    "filament.weights": ("choose_weights", "weights_from_table"),
    "filament.wavefunction": ("WaveFunction", "random_phases"),
    "haloes.laws": ("Burkert", "CoredNFW", "Plummer", "TabulatedDensity"),
    "haloes.relations": ("cored_nfw", "soliton_mass"),
    "haloes.profile": ("SphericalProfile",),
    "haloes.states": ("halo_states", "halo_weights"),
    "haloes.halo": ("halo_spectrum",),
    "haloes.wavefunction": ("HaloWave", "random_amplitudes"),
    "fields.cross_section": ("flow_at", "psi_at", "tabulate"),
    "fields.vortices": ("find_vortices",),
    "fields.box": ("Box", "Placement"),
    "fields.extruded": ("tabulate_extruded",),
    "fields.fill": ("fill", "tabulate_direct"),
    "fields.axial": ("tabulate_axial",),
    "fields.halo": ("halo_psi_at", "tabulate_halo"),
    "fields.halo_box": ("fill_halo", "halo_source"),
    "fields.momentum": ("momentum_spread",),
    "spectra.phase_average": ("polar_spectrum",),
    "spectra.single_filament": ("single_power",),
    "spectra.similarity.filaments": ("filament_spectra",),
    "spectra.power": ("power_spectrum",),
    "spectra.correlation": ("correlation_function",),
    "spectra.particles": ("particle_spectrum",),
    "simulation.steady_state": ("evolve_cross_section",),
    "simulation.axis": ("evolve_axis",),
    "learn.basis": ("interaction_basis",),
    "learn.edges": ("interactions",),
    "learn.modules": ("find_modules",),
    "learn.pruning": ("pruned", "reparameterised"),
    "learn.degeneracy": ("behavioural_loss", "count_degeneracy", "hessian_eigenvalues"),
    "learn.emulator": ("Emulator",),
    "snapshots.registry": ("open_snapshot",),
    "snapshots.options": ("SnapshotOptions",),
    "pipeline.snapshot": ("snapshot_power", "Measurement"),
    "pipeline.snapshot_cross": ("snapshot_cross",),
    "pipeline.model": ("population_of", "build_model"),
    "pipeline.cross_section": ("cross_section",),
    "pipeline.box": ("fill_box",),
    "pipeline.run": ("run",),
    "pipeline.result": ("Array", "Group", "Result", "open"),
    "inference.prediction": ("Prediction",),
    "inference.ranges": ("PredictionRange",),
    "inference.measured": ("read_measured", "Measured"),
    "inference.likelihood": ("Likelihood",),
    "inference.posterior": ("Posterior", "BestFit"),
    "inference.sampler": ("sample",),
    "inference.chain": ("read_chain", "Chain"),
    "inference.forecast": ("forecast", "Bins", "Forecast"),
    "parallel.domain": ("Domain",),
    "parallel.ranks": ("start_ranks",),
    "errors": ("InputError", "UnfitError", "RunError"),
}

_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
__all__ = ["__version__", *sorted(_HOME_OF)]


def __getattr__(name):
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        module = import_module(f"{__name__}.{_HOME_OF[name]}")
    except ModuleNotFoundError:
        require_installation()
        raise
    return getattr(module, name)


def require_installation():
    """ImportError in a source tree that is not installed: its kernels/ becomes gpu_fdm.kernels only then."""
    from importlib.util import find_spec

    if find_spec(f"{__name__}.kernels") is None:
        raise ImportError("gpu_fdm is not installed: run `pip install -e .` or `make run` in its source tree") from None


def __dir__():
    return __all__
