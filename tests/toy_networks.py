"""Networks whose interaction bases are known."""

import numpy as np

from gpu_fdm.learn.network import Network


def rotation(size, seed):
    """An orthogonal matrix."""
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]


def orthogonal_points(points, size, seed):
    """Points of mean zero and covariance one, exactly."""
    values = np.random.default_rng(seed).standard_normal((points, size))
    values -= values.mean(axis=0)
    return np.linalg.qr(values)[0] * np.sqrt(points)


def modular_addition(prime=23, frequencies=(1, 2, 5), amplitudes=(1.0, 0.8, 0.6), seed=3):
    """cos w(a + b - c), c = 0...prime - 1, from rotated cos and sin of w a and w b, by squares; its network and data.

    Products of cos and sin are differences of squares of sums. The hidden neurons are rotated too.
    """
    circle = 2 * np.pi * np.outer(np.arange(prime), frequencies) / prime
    a, b = (each.ravel() for each in np.meshgrid(np.arange(prime), np.arange(prime), indexing="ij"))
    waves = np.stack([np.cos(circle[a]), np.sin(circle[a]), np.cos(circle[b]), np.sin(circle[b])], axis=-1)
    data = waves.reshape(len(a), -1)  # for each frequency: cos a, sin a, cos b, sin b
    first, last = np.zeros((8 * len(frequencies), data.shape[1])), np.zeros((prime, 8 * len(frequencies)))
    pairs = [(0, 2, 1, 0), (1, 3, -1, 0), (1, 2, 1, 1), (0, 3, 1, 1)]  # cc - ss = cos(a + b), sc + cs = sin(a + b)
    for number, amplitude in enumerate(amplitudes):
        readout = np.stack([np.cos(circle[:, number]), np.sin(circle[:, number])]) * amplitude * np.sqrt(2 / prime)
        for pair, (one, other, sign, part) in enumerate(pairs):
            for side in (1, -1):
                neuron = 8 * number + 2 * pair + (side < 0)
                first[neuron, 4 * number + one], first[neuron, 4 * number + other] = 1, side
                last[:, neuron] = side * sign / 4 * readout[part]
    turn = rotation(data.shape[1], seed)
    network = Network((first @ turn, last), (np.zeros(len(first)), np.zeros(prime)), "square")
    return network, data @ turn
