"""Make the table of thresholds that comes with the package: `python -m validation.thresholds`, a minute of one core."""

import hashlib

import numpy as np

from gpu_fdm.cosmology.background import Background
from gpu_fdm.population import thresholds
from gpu_fdm.population.collapse import CollapseModel, threshold_at_shear


def main() -> None:
    """Solve for every node, write the file, and print the hash that goes into gpu_fdm/population/thresholds.py."""
    log_a, x, shear = thresholds.nodes()
    table = np.empty((len(log_a), len(x), len(shear), 4))
    for i, a in enumerate(np.exp(log_a).tolist()):
        for j, omega_m in enumerate((1 / (1 + x / a**3)).tolist()):
            model = CollapseModel(Background(omega_m), a)
            for row, value in enumerate(shear.tolist()):
                found = threshold_at_shear(model, value)
                assert found is not None
                table[i, j, row] = found[0], *np.log(found[1])
    thresholds.FILE.parent.mkdir(exist_ok=True)
    np.save(thresholds.FILE, table)
    print(f"{thresholds.FILE}: {hashlib.sha256(thresholds.FILE.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
