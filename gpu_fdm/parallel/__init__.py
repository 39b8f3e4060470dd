"""Where work runs: MPI ranks, CPU or GPU, slabs, transforms between ranks, signals, memory."""
