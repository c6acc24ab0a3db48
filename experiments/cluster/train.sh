#!/usr/bin/env bash
# What run.sbatch does: one run, from where it stands, with SCENE, VARIANT and PRESET from the environment and options
# of `normnex train` as words. The same command goes on from the checkpoint, in the same run folder.
set -u

NODES=$SLURM_NNODES
GPUS=$SLURM_NTASKS_PER_NODE # a task each
. experiments/cluster/arguments.sh "$@"
. experiments/cluster/requeue.sh
