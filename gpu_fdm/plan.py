"""What a run will need, before it is run: modes, memory, output."""

from dataclasses import dataclass
from math import prod

from .config import Config
from .errors import RunError
from .fields.section import section_points

_BASE = 350 << 20  # interpreter, libraries and compiled loops [bytes]


@dataclass(frozen=True)
class Plan:
    """Peak memory of each stage and size of the output [bytes].

    stages  name -> bytes while it runs;  output  bytes of the result file
    """

    stages: dict[str, int]
    output: int

    @property
    def peak(self) -> int:
        """Memory of the hungriest stage [bytes]."""
        return max(self.stages.values())


def plan(config: Config, model) -> Plan:
    """Estimate from the sizes of the arrays that each stage holds at once."""
    library = model.library
    states = library.radial.nbytes
    stages = {"model": _BASE + 3 * states}
    output = 1 << 20
    if config.cross_section:
        points = config.cross_section.points**2
        stages["cross-section"] = _BASE + states + 64 * points
        output += 8 * points
    if config.box:
        itemsize = 4 if config.run.precision == "single" else 8
        cells = prod(config.box.cells)
        table = section_points(library.radius_max, library.wavenumber_max, config.box.tolerance) ** 2
        if config.box.method == "direct":
            table = 0
        stages["box: table"] = _BASE + states + 96 * table
        stages["box"] = _BASE + states + (2 * cells + 2 * table) * itemsize
        output += len(config.box.fields) * cells * itemsize
        if config.power:
            # both densities, one work copy and its complex transform
            stages["power spectra"] = _BASE + states + 4 * cells * itemsize
    return Plan(stages, output)


def check_memory(planned: Plan, backend):
    """RunError if the run would need more memory than there is."""
    from .memory import available

    room = available()
    needed = planned.peak - _BASE
    if needed > room:
        stage = max(planned.stages, key=planned.stages.get)
        raise RunError(
            f"too little memory: {stage} needs {in_words(needed)}, {in_words(room)} are available "
            "(fewer [box] cells, run.precision = single, or a larger machine)"
        )


def in_words(size: float) -> str:
    """Bytes with a binary prefix."""
    for prefix in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.3g} {prefix}"
        size /= 1024
    return f"{size:.4g} TiB"
