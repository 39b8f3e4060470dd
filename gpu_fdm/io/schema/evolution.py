"""Evolved cross-sections, simulations and their snapshots."""

from .common import (
    BOOST,
    CENTRES,
    DENSITY,
    MATTER,
    POWER_DATASETS,
    PROVENANCE,
    REAL,
    SIMULATION,
    STEADY_AXIS,
    STEADY_STATE,
    K,
    attributes,
)
from .entries import Attribute, Dataset, Group, Schema

_RINGS = "line mass in each ring over that of <|psi|^2> inside R_99"

STEADY_STATE_GROUPS = (
    Group(
        f"/{STEADY_STATE}",
        attributes=attributes(
            "redshift",
            gravity=Attribute("own, or completed with the mass that modes lack"),
            periods=Attribute("number of periods that were followed"),
            mass=Attribute("of the filament", "Msun/h"),
            age=Attribute("of the universe at this redshift", "Gyr"),
        ),
    ),
    Group(f"/{STEADY_STATE}/<boson>", attributes=attributes("m22")),
    Group(
        f"/{STEADY_STATE}/<boson>/<method>",
        {
            "time": Dataset("time", "Gyr", "cosmic time since the start; the scale factor stands still"),
            "edges": Dataset("edge", "cMpc/h", "of rings around the centre of mass; the last is R_99"),
            "expected": Dataset("ring", "1", f"{_RINGS}, of <|psi|^2> over phases: all alike"),
            "own": Dataset("time, ring", "1", f"{_RINGS}, in the filament's own gravity, [time, ring]"),
            "fixed": Dataset(
                "time, ring", "1", f"{_RINGS}, in the potential that the modes were solved in, [time, ring]"
            ),
            "fluctuation": Dataset(
                "time",
                "1",
                "rms of the part of the potential that depends on the angle, weighted with mass inside R_99, over "
                "V(R_99)",
            ),
            "coordinate": Dataset("coordinate", "cMpc/h", "of the cells of a frame, from the axis"),
            "frames": Dataset(
                "frame_time, coordinate, coordinate", MATTER, "|psi|^2 in its own gravity, [frame, v, u]", "float32"
            ),
            "frame_time": Dataset("frame_time", "Gyr", "of each frame"),
        },
        attributes(
            "weight_sum",
            period=Attribute("of a circular orbit around half the line mass", "Gyr"),
            drift_own=Attribute(
                "in its own gravity, over each period: largest change of the line mass in a radius, over that in R_99"
            ),
            drift_fixed=Attribute("the same in the potential of the modes: what phases do"),
            fluctuation=Attribute("mean over each period of the dataset of that name"),
            modes=Attribute("number of modes"),
            cells=Attribute("along a side of the plane"),
            beyond=Attribute("largest share of the mass farther out than the modes reach"),
            mass_error=Attribute("of the solver, the largest, relative"),
            energy_error=Attribute("of the solver, the largest, relative"),
        ),
    ),
    Group(
        f"/{STEADY_AXIS}/<boson>/<method>/<momentum>/<wavelength>",
        {
            "time": Dataset("time", "Gyr", "cosmic time since the start; the scale factor stands still"),
            "position": Dataset("position", "cMpc/h", "of the slices along the axis"),
            "line_mass": Dataset("time, position", "1", "over its mean, [time, slice]"),
            "alone": Dataset("time, position", "1", "the same without the modulation, [time, slice]"),
            "amplitude": Dataset("time", "1", "of the Fourier mode of line_mass - alone at the wavelength"),
            "chance": Dataset("time", "1", "amplitude of the same mode of alone"),
        },
        attributes(
            "m22",
            wavelength=Attribute("of the modulation, comoving", "cMpc/h"),
            length=Attribute("of the periodic box along the axis, comoving", "cMpc/h"),
            cells=Attribute("across and along the axis"),
            growth_fluid=Attribute("growth rate of an isothermal fluid cylinder, linear theory", "1/Gyr"),
            growth_collisionless=Attribute(
                "growth rate of particles with this momentum along the axis and a rigid cross-section", "1/Gyr"
            ),
            mass_error=Attribute("of the solver, the largest, relative"),
            energy_error=Attribute("of the solver, the largest, relative"),
            unresolved=Attribute("largest part of the mass whose phase turns by more than pi/2 from cell to cell"),
        ),
    ),
)

SIMULATION_GROUPS = (
    Group(
        f"/{SIMULATION}",
        attributes=attributes(
            "m22 transfer linear_power",
            size=Attribute("three sides", "cMpc/h"),
            cells=Attribute("along three sides"),
            redshift_start=Attribute("of the initial conditions"),
            redshift_end=Attribute("of the last step"),
            order=Attribute("of the time steps"),
            lagrangian_order=Attribute("of the displacements asked for"),
            seeds=Attribute("of the modes; with several, runs are in /simulation/<seed>"),
            largest_velocity_end=Attribute("that the wave resolves at the end", "km/s"),
        ),
    ),
    Group(
        f"/{SIMULATION}[/<seed>]/<run>",
        attributes=attributes(
            "force_wavenumber",
            title=Attribute("in words"),
            dynamics=Attribute("wave or particles"),
            steps=Attribute("number of time steps"),
            initial_order=Attribute("of perturbation theory to which the initial conditions are right"),
            initial_power=Attribute("cdm, or the cut-off that FDM has"),
            rms_contrast=Attribute("of the initial conditions"),
            rms_contrast_end=Attribute("linear, on the grid, at the end"),
            rms_velocity_end=Attribute("linear, peculiar, at the end", "km/s"),
            snapshots=Attribute("names of the files beside the result"),
        ),
    ),
    Group(
        f"/{SIMULATION}[/<seed>]/<run>/<epoch>",
        POWER_DATASETS
        | {
            "shot_noise": Dataset("k", "(Mpc/h)^3", "of particles at random on this grid; it is not taken off power"),
        }
        | {
            f"projection_{axis}": Dataset(
                left,
                MATTER,
                f"density averaged along {axis}, [{left}]; of a wave |psi|^2, of particles cloud in cell",
                "float32",
            )
            for axis, left in (("x", "y, z"), ("y", "x, z"), ("z", "x, y"))
        },
        attributes(
            "redshift scale_factor nyquist box_size shot_noise_subtracted", step=Attribute("number of steps by then")
        ),
    ),
    Group(
        f"/{SIMULATION}[/<seed>]/<run>/health",
        {
            "scale_factor": Dataset("scale_factor", "1", "when the wave was looked at"),
            "step": Dataset("scale_factor", "1", "steps done"),
            "mass_error": Dataset("scale_factor", "1", "change of <|psi|^2> since the start, relative"),
            "energy_error": Dataset(
                "scale_factor", "1", "change of K + a W - int W da since the start, over K + a |W|"
            ),
            "phase_change": Dataset(
                "scale_factor",
                "rad",
                "largest change of phase between neighbouring cells that both have half the mean density [rad]",
            ),
            "unresolved": Dataset(
                "scale_factor", "1", "part of the mass whose phase changes by more than pi/2 from cell to cell"
            ),
        },
    ),
    Group(
        f"/{BOOST}/<run>_over_<run>/<epoch>",
        {
            "k": K,
            "boost": Dataset(
                "k",
                "1",
                "power of the numerator over that of the denominator; of several seeds the ratio of their means",
            ),
            "error": Dataset(
                "k",
                "1",
                "standard deviation, the halves of the ratio taken as uncorrelated: too large where they began alike; "
                "of several seeds scatter over the root of their number",
            ),
            "scatter": Dataset("k", "1", "of several seeds: standard deviation of one about the ratio of means"),
            "each": Dataset("seed, k", "1", "of several seeds: the ratio of each; NaN where it has no power"),
            "seeds": Dataset("seed", "1", "of several seeds: their numbers", "uint64"),
            "unresolved_each": Dataset(
                "seed", "1", "of several seeds: the attribute unresolved of each, where the wave is above the line"
            ),
            "beyond_nyquist": Dataset("k", "1", "1 where the grid misses directions", "uint8"),
            "beyond_force": Dataset("k", "1", "1 where particles feel less than 0.98 of the force", "uint8"),
            "beyond_velocity": Dataset(
                "k", "1", "1 (in all rows) where more than 0.01 of the mass is unresolved, in any of the seeds", "uint8"
            ),
            "shot_noise": Dataset(
                "k", "1", "of particles at random, over the power of the denominator, in which it is"
            ),
        },
        attributes(
            "redshift scale_factor m22 nyquist force_wavenumber shot_noise_subtracted",
            numerator=Attribute("what is above the line"),
            denominator=Attribute("what is below the line"),
            jeans_wavenumber=Attribute("comoving, of the boson at this redshift", "h/Mpc"),
            unresolved=Attribute(
                "mass share of the wave whose phase turns by more than pi/2 from cell to cell; largest of all seeds"
            ),
        ),
    ),
)

_OF_A_RUN = attributes("box_size sampling redshift")
_GADGET = (
    "NumPart_ThisFile NumPart_Total NumPart_Total_HighWord NumFilesPerSnapshot MassTable Time Redshift BoxSize Omega0 "
    "OmegaLambda HubbleParam UnitLength_in_cm UnitMass_in_g UnitVelocity_in_cm_per_s"
)
SNAPSHOT = Schema(
    "Snapshots of a simulation",
    (
        Group(
            "/",
            {
                "psi": Dataset(
                    "x, y, z",
                    "sqrt(mean matter density)",
                    "wave function, [x, y, z]; its peculiar velocity is hbar/(m a) grad arg psi",
                    "complex64 or complex128",
                    attributes("box_size"),
                )
            },
            attributes(
                f"{PROVENANCE} redshift scale_factor",
                run=Attribute("which of [simulation] runs"),
                run_key=Attribute("hash of what the snapshot depends on"),
            ),
        ),
        Group(
            f"/{DENSITY}",
            {
                "wave_<power>": Dataset("x, y, z", MATTER, f"comoving density |psi|^2, {CENTRES}", REAL, _OF_A_RUN),
                "particles_<power>": Dataset(
                    "x, y, z", MATTER, f"density of the particles, cloud in cell, {CENTRES}", REAL, _OF_A_RUN
                ),
            },
            attributes("box_size"),
        ),
        Group("/Header", attributes={name: Attribute("as GADGET has it") for name in _GADGET.split()}),
        Group(
            "/PartType1",
            {
                "Coordinates": Dataset("particle, 3", "ckpc/h", "comoving"),
                "Velocities": Dataset(
                    "particle, 3", "km/s", "peculiar velocity over the root of the scale factor", "float32"
                ),
                "ParticleIDs": Dataset("particle", "1", "cell of the lattice where it began", "int64"),
            },
        ),
    ),
)
