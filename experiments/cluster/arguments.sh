# Sourced by the scripts beside it: makes the array ARGUMENTS of what `normnex` is started with, as `make train` does.
# Before it, from the environment:
#   SCENE     the scene's folder
#   VARIANT   a name in experiments/variants (nex_rgb)
#   PRESET    a name in experiments/presets (fast)
# and from the script: NODES, and GPUS, which each node gives. Options of normnex follow as words: "$@".
: "${SCENE:?the scene, as in: SCENE=path/to/scene}" "${NODES:?}" "${GPUS:?}"

ARGUMENTS=(
  fit
  -c experiments/base.yaml
  -c "experiments/variants/${VARIANT:-nex_rgb}.yaml"
  -c "experiments/presets/${PRESET:-fast}.yaml"
  "--data.scene=$SCENE"
  --trainer.accelerator=gpu
  "--trainer.devices=$GPUS"
  "--trainer.num_nodes=$NODES"
)
if [ $((NODES * GPUS)) -gt 1 ]; then ARGUMENTS+=(-c experiments/ddp.yaml); fi
ARGUMENTS+=("$@")
