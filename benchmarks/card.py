"""Time the kernels of a card beside their floors: `make bench-gpu`. It needs CuPy and a card, not camb.

One line, a whole run, needs astropy; others need jaxion, whose step stands beside ours.

The floor of a line is the least time that its bytes, or its operations, take on this card at the rates that the first
lines measure. Nothing here is a test.
"""

import argparse
import gc
import json
import sys
from importlib import import_module
from pathlib import Path

from card_registry import CARD_BENCHMARKS, Card, NotInstalledError

from gpu_fdm.parallel.backend import GPU, gpu_count

for _file in sorted(Path(__file__).parent.glob("card_*.py")):
    import_module(_file.stem)  # registers its benchmarks


def main() -> int:
    """Print a table; 1 where a benchmark failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*CARD_BENCHMARKS, []], help="benchmarks; all by default")
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    arguments = parser.parse_args()
    if gpu_count() == 0:
        sys.exit("no CUDA device that CuPy can use: there is nothing to time")
    card = Card(GPU())
    cupy = card.xp
    print(f"{card.backend.device}, CuPy {cupy.__version__}, CUDA {cupy.cuda.runtime.runtimeGetVersion()}")
    print(
        f"copy {card.bandwidth / 1e12:.2f} TB/s, {card.single / 1e12:.0f} TFLOP/s single, "
        f"{card.double / 1e12:.0f} TFLOP/s double"
    )
    print(f"{'work':<58} {'time [ms]':>10} {'floor [ms]':>10} {'ratio':>6}  method")
    rows, failed = [], False
    for name in arguments.names or CARD_BENCHMARKS:
        try:
            lines = CARD_BENCHMARKS[name](card)
        except NotInstalledError as error:
            print(f"{name}: {error}")
            continue
        except Exception as error:  # noqa: BLE001 - the other lines are wanted all the same
            failed = True
            print(f"{name}: {type(error).__name__}: {error}")
            continue
        finally:
            gc.collect()
            cupy.fft.config.get_plan_cache().clear()
            cupy.get_default_memory_pool().free_all_blocks()
        for line in lines:
            floor, ratio = "", ""
            if line.floor is not None:
                floor, ratio = f"{1e3 * line.floor:.3g}", f"{line.seconds / line.floor:.2f}"
            print(f"{line.work:<58} {1e3 * line.seconds:10.4g} {floor:>10} {ratio:>6}  {line.method}", flush=True)
            rows.append({"benchmark": name, **vars(line)})
    if arguments.json:
        arguments.json.write_text(json.dumps({"device": card.backend.device, "rows": rows}, indent=1))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
