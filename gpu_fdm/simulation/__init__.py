"""Our own simulations: the same random modes evolved as a wave and as particles in a periodic comoving box."""
