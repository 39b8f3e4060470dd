"""Filaments that were measured in a snapshot."""

from .common import MATTER, PROVENANCE, attributes
from .entries import Attribute, Dataset, Group, Schema

MEASURED, CUT_OUT = "measured", "cut_out"

_LINE_MASS = "(Msun/h)/(cMpc/h)"
_FRAME = "(u, v, z) in the frame of the axis, from its middle"

MEASURED_FILAMENT = Schema(
    "What gpu-fdm filament writes",
    (
        Group("/", attributes=attributes(PROVENANCE)),
        Group(
            f"/{MEASURED}",
            attributes=attributes(
                "redshift m22 beta box_size",
                source=Attribute("file that was measured"),
                format=Attribute("of that file"),
                field=Attribute("density, or type of particles"),
                h=Attribute("of the snapshot"),
                omega_m=Attribute("of the snapshot, or the default"),
                mean_density=Attribute("of the box that was taken", MATTER),
                begin=Attribute("of the part of the axis that was measured", "cMpc/h"),
                end=Attribute("of that part, not wrapped into the box", "cMpc/h"),
                basis=Attribute("unit vectors of u, v and z, as rows"),
                length=Attribute("of the filament, between half of its line mass where it was found", "cMpc/h"),
                line_mass=Attribute("within the last shell, less the background", _LINE_MASS),
                line_mass_error=Attribute("standard deviation", _LINE_MASS),
                total_line_mass=Attribute("of the fitted cylinder, out to any radius", _LINE_MASS),
                total_line_mass_error=Attribute("standard deviation", _LINE_MASS),
                r0=Attribute("scale radius of the cylinder, physical", "Mpc/h"),
                r0_error=Attribute("standard deviation", "Mpc/h"),
                sigma=Attribute("velocity dispersion of the cylinder in equilibrium", "km/s"),
                sigma_error=Attribute("standard deviation", "km/s"),
                background=Attribute("density beside the filament, which is subtracted", MATTER),
                background_error=Attribute("standard deviation, 0 of one that was given", MATTER),
                drawn=Attribute("what errors come from, one left out at a time: slices along it, or sectors around it"),
                used=Attribute("share of the parts by slice and sector in which nothing else was found"),
                variation=Attribute("rms of the line mass of slices over its mean"),
                scatter=Attribute("rms distance of the centres of slices from the axis", "cMpc/h"),
                curvature=Attribute("of a parabola through these centres", "h/cMpc"),
                axis_ratio=Attribute("b/a of the cross-section, by adaptive moments of all slices; NaN without any"),
                axis_angle=Attribute("of its long axis from u", "rad"),
                particles=Attribute("number of particles within the shells"),
                streaming=Attribute("mean momentum along the axis, in momentum_unit"),
                dispersion_along=Attribute("of momentum along the axis, in momentum_unit"),
                dispersion_across=Attribute("of momentum across it, in one direction, in momentum_unit"),
                momentum_unit=Attribute("km/s, peculiar, or h/cMpc, comoving"),
            ),
        ),
        Group(
            f"/{MEASURED}/profile",
            {
                "radius": Dataset("radius", "cMpc/h", "distance from the axis"),
                "density": Dataset("radius", MATTER, "comoving density, less the background"),
                "error": Dataset("radius", MATTER, "standard deviation of the density, at the background subtracted"),
            },
        ),
        Group(
            f"/{MEASURED}/shells",
            {
                "edges": Dataset("edge", "cMpc/h", "of the shells"),
                "mass": Dataset("slice, sector, shell", "Msun/h", "mass in each part around the axis"),
                "used": Dataset("slice, sector", "1", "1 for parts in which nothing else was found", "int8"),
            },
        ),
        Group(
            f"/{MEASURED}/slices",
            {
                "line_mass": Dataset("slice", _LINE_MASS, "with the background; NaN where no part is used"),
                "centre": Dataset("slice, 3", "cMpc/h", f"{_FRAME}; NaN without mass"),
                "axis_ratio": Dataset("slice", "1", "b/a of its cross-section, by adaptive moments; NaN without any"),
                "axis_angle": Dataset("slice", "rad", "of its long axis from u"),
                "streaming": Dataset("slice", "km/s", "mean velocity of particles along the axis; NaN without any"),
            },
        ),
        Group(
            f"/{CUT_OUT}",
            {
                "density": Dataset("u, v, z", MATTER, "density on a lattice around the axis", "float32"),
                "psi": Dataset("u, v, z", "sqrt(mean matter density)", "psi on such a lattice", "complex64"),
                "position": Dataset("particle, 3", "cMpc/h", _FRAME, "float32"),
                "mass": Dataset("particle", "Msun/h", "of every particle", "float32"),
                "velocity": Dataset("particle, 3", "km/s", "peculiar velocity along u, v and z", "float32"),
            },
            {"sides": Attribute("of the lattice along u, v and z", "cMpc/h")},
        ),
    ),
)
