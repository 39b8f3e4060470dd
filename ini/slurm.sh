#!/bin/bash
# A job script for Slurm: a gas of filaments over nodes with GPUs, or (see the end) over CPU nodes.
# Submit it with: sbatch ini/slurm.sh

#SBATCH --job-name=filaments
# nodes, and MPI ranks on each: one rank a GPU
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
# CPU threads of each rank: eigenstates and the transforms of small tables run on them
#SBATCH --cpus-per-task=8
# all memory of the node; docs/hpc.md says how much a box needs
#SBATCH --mem=0
#SBATCH --time=01:00:00
# the log: results go where run.output says
#SBATCH --output=filaments-%j.log

set -eu

# the cluster's MPI and Python, as its documentation names them; mpi4py must have been built against that MPI:
#   pip install --no-binary mpi4py ".[gpu12]"
module load openmpi
source "$HOME/gpu_fdm/.venv/bin/activate"

# BLAS and FFT threads inside a rank must not exceed its CPUs
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
# compiled loops are kept here; a home folder that nodes cannot write to would mean compiling in every job
export NUMBA_CACHE_DIR=${SCRATCH:-$HOME}/numba-cache

# what the run will need, before it starts: one line a stage
srun --ntasks=1 gpu-fdm run ini/filament_gas.ini --dry-run

# a job that meets its time limit is submitted again, as it is: it goes on from what is kept in this folder
# backend = gpu makes a rank without a GPU an error; auto would let it go on, slowly, on the CPU
srun gpu-fdm run ini/filament_gas.ini \
    --set run.output="$SLURM_SUBMIT_DIR/output/$SLURM_JOB_NAME" \
    --set run.backend=gpu \
    --set run.threads="$SLURM_CPUS_PER_TASK"

# On CPU nodes: take out --gpus-per-node, let each rank have the cores of one memory domain (8 to 32), for example
#   #SBATCH --ntasks-per-node=8
#   #SBATCH --cpus-per-task=16
# and set run.backend=cpu.
