#!/usr/bin/env bash
# One run on several nodes without SLURM: the same command on each node, from the project's folder, at about the same
# time. The run folder has to lie on a file system that all nodes see.
#
#   NODES=2 GPUS=8 HEAD=first-node SCENE=path/to/scene experiments/cluster/torchrun.sh [options of normnex train]
#
# Stopped by SIGTERM or by an error on any node, it ends on all; the same command goes on from the checkpoint.
set -eu

NODES=${NODES:-1}         # machines
GPUS=${GPUS:-1}           # that each of them gives
HEAD=${HEAD:-127.0.0.1}   # one of them, by a name or an address that all can reach
PORT=${PORT:-29400}       # free on that one
PYTHON=${PYTHON:-.venv/bin/python}

. experiments/cluster/arguments.sh "$@"
exec "$PYTHON" -m torch.distributed.run --nnodes="$NODES" --nproc-per-node="$GPUS" \
  --rdzv-backend=c10d --rdzv-endpoint="$HEAD:$PORT" --rdzv-id=normnex \
  -m normnex_pl "${ARGUMENTS[@]}"
