"""Which combinations of its inputs a function uses: degeneracy and the interaction basis (Bushnaq et al. 2024).

libraries     JAX, optax and networkx, the extra `learn`
layers        a network as a list of functions, and sums over its data in batches
basis         the interaction basis, global and local, beside neurons and principal components
edges         interactions of features in successive layers
modules       groups of features that interact, by modularity
pruning       the first features of each layer alone, and a network in its basis
degeneracy    directions of parameters that change nothing, and the Hessian
directions    the input layer as products of powers
combinations  what bins measure of the parameters of a model, without a network
network       multilayer perceptrons
training      AdamW, with a state from which it resumes bit for bit
emulator      a network of named inputs with ranges, and its file
"""
