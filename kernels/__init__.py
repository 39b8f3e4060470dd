"""Hot loops, in CUDA (name.cu) and in numba (name.py) side by side; name.py has the function that chooses by backend.

A loop that runs on the CPU alone has no .cu. Installed as gpu_fdm.kernels.
"""
