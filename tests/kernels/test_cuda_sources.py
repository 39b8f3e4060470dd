"""Every kernel compiles for the cards and precisions that are supported, and stays within the registers."""

import re
from importlib import resources

import pytest
from cuda_on_cpu import kernel_names

from gpu_fdm.parallel.backend import kernel_options, kernel_source

nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="the CUDA compiler, cuda-bindings, is missing")

FILES = [file.name for file in resources.files("gpu_fdm.kernels").iterdir()]
SOURCES = sorted(name.removesuffix(".cu") for name in FILES if name.endswith(".cu"))
ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
SIZES = (64, 72, 256, 320, 512, 720, 1024)  # of sources whose lines have a size: every radix; blocks of no whole warps
HALVES = (32, 40, 160, 192, 200, 256, 360, 512)  # of along_z.cu
SIZED = [*((name, n) for name in ("along_x", "along_y", "slopes") for n in SIZES), *(("along_z", n) for n in HALVES)]
MOST_REGISTERS = 200  # a loose bound, it varies with the compiler; beyond 255 they spill
USAGE = re.compile(
    r"Compiling entry function '(?P<name>\w+)'.*?"
    r"(?P<stack>\d+) bytes stack frame, "
    r"(?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?"
    r"Used (?P<registers>\d+) registers",
    re.DOTALL,
)


def compile_source(text, name, architecture, dtype, size=None):
    """Compile to machine code, with SIZE where a source has one; returns (whether it compiled, the compiler's log)."""
    error, program = nvrtc.nvrtcCreateProgram(text.encode(), f"{name}.cu".encode(), 0, [], [])
    assert error == nvrtc.nvrtcResult.NVRTC_SUCCESS
    options = [*kernel_options(dtype, size), f"--gpu-architecture={architecture}", "--ptxas-options=-v"]
    (result,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
    error, size = nvrtc.nvrtcGetProgramLogSize(program)
    assert error == nvrtc.nvrtcResult.NVRTC_SUCCESS
    log = bytearray(size)
    (error,) = nvrtc.nvrtcGetProgramLog(program, log)
    assert error == nvrtc.nvrtcResult.NVRTC_SUCCESS
    nvrtc.nvrtcDestroyProgram(program)
    return result == nvrtc.nvrtcResult.NVRTC_SUCCESS, log.rstrip(b"\0").decode()


def known_architectures():
    """Those that the compiler makes machine code for."""
    error, count = nvrtc.nvrtcGetNumSupportedArchs()
    error, numbers = nvrtc.nvrtcGetSupportedArchs()
    assert error == nvrtc.nvrtcResult.NVRTC_SUCCESS
    return {f"sm_{number}" for number in list(numbers)[:count]}


def usage(log):
    """What each kernel takes, from the log of ptxas: name -> stack, stores, loads [bytes], registers."""
    return {
        match["name"]: {key: int(match[key]) for key in ("stack", "stores", "loads", "registers")}
        for match in USAGE.finditer(log)
    }


def test_kernels_were_found():
    assert {"fill", "cross_section"} <= set(SOURCES)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("name", "size"), [*((name, None) for name in SOURCES), *SIZED])
def test_kernels_compile_without_spilling(name, size, architecture, dtype):
    if architecture not in known_architectures():
        pytest.skip(f"the compiler does not know {architecture}")
    text = kernel_source(name)
    compiled, log = compile_source(text, name, architecture, dtype, size)
    assert compiled, log
    assert "warning" not in log
    kernels = usage(log)
    assert set(kernels) == set(kernel_names(text)) != set()
    for kernel, taken in kernels.items():
        assert taken["stack"] == taken["stores"] == taken["loads"] == 0, (kernel, taken)
        assert 0 < taken["registers"] <= MOST_REGISTERS, (kernel, taken)


def test_local_memory_is_noticed():
    text = """
extern "C" __global__ void on_the_stack(const int* order, REAL* out)
{
    REAL values[32];
    for (int i = 0; i < 32; ++i) values[order[i]] = i;
    for (int i = 0; i < 32; ++i) out[i] = values[i];
}
"""
    compiled, log = compile_source(text, "local", "sm_80", "float32")
    assert compiled, log
    assert usage(log)["on_the_stack"]["stack"] >= 32 * 4


def test_errors_are_in_the_log():
    compiled, log = compile_source("this is not CUDA", "wrong", "sm_80", "float32")
    assert not compiled
    assert "error" in log
