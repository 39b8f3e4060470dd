"""BLAS on one thread: the order of its sums, and so the last bits of products and eigenvalues, depend on the number.

A last bit can decide which modes a fit of weights keeps. Loops over states, filaments or blocks use the CPUs instead.
"""

from threadpoolctl import threadpool_limits

on_one_thread = threadpool_limits.wrap(limits=1, user_api="blas")  # a decorator
