#!/bin/bash
# A job script for Slurm: a gas of filaments over nodes with GPUs, or (see the end) over CPU nodes.
# Submit it with: sbatch ini/slurm.sh

#SBATCH --job-name=filaments
# number of nodes, and MPI ranks on each node: one rank a GPU
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
# CPU threads of each rank: eigenstates and the transforms of small tables run on them
#SBATCH --cpus-per-task=8
# all memory of the node; docs/hpc.md says how much memory a box needs
#SBATCH --mem=0
#SBATCH --time=01:00:00
# file of the log; run.output sets where results go
#SBATCH --output=filaments-%j.log

set -eu

# MPI and Python of the cluster, under the names in its documentation; mpi4py must be built against that MPI:
#   pip install --no-binary mpi4py ".[gpu12]"
module load openmpi
source "$HOME/gpu_fdm/.venv/bin/activate"

# BLAS and FFT threads inside a rank must not exceed its CPUs
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
# numba caches compiled loops here; in a home folder that nodes cannot write to, every job would compile them again
export NUMBA_CACHE_DIR=${SCRATCH:-$HOME}/numba-cache
# likewise tables of CAMB and of haloes, which would be computed again, and the fonts of matplotlib, without which it warns
export XDG_CACHE_HOME=${SCRATCH:-$HOME}/cache
export MPLCONFIGDIR=$XDG_CACHE_HOME/matplotlib

# messages between GPUs leave from their memory where MPI reads it, see docs/hpc.md; Cray MPICH does if this is set
# export MPICH_GPU_SUPPORT_ENABLED=1

# prints the memory that each stage needs on these ranks, before the run starts
srun --ntasks=1 gpu-fdm run ini/filament_gas.ini --ranks "${SLURM_NTASKS:-8}" --dry-run

# submit a job that met its time limit again, unchanged: it resumes from the parts cached in this folder
# with backend = gpu a rank without a GPU is an error; with auto it would run, slowly, on the CPU
srun gpu-fdm run ini/filament_gas.ini \
    --set run.output="$SLURM_SUBMIT_DIR/output/$SLURM_JOB_NAME" \
    --set run.backend=gpu \
    --set run.threads="$SLURM_CPUS_PER_TASK"

# On CPU nodes: remove --gpus-per-node and give each rank the cores of one memory domain (8 to 32), for example
#   #SBATCH --ntasks-per-node=8
#   #SBATCH --cpus-per-task=16
# and set run.backend=cpu.
