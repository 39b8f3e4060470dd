"""Wave functions and densities on points, cross-sections and boxes, on the CPU or the GPU."""
