# Sourced by the scripts beside it: makes the array ARGUMENTS of what `normnex` is started with.
# Before it, from the environment:
#   SCENE     the scene's folder
#   VARIANT   a name in experiments/variants, or a YAML file (nex_rgb)
#   PRESET    a name in experiments/presets, or a YAML file (fast)
# and from the script: NODES, and GPUS, which each node gives. Options of `normnex train` follow as words: "$@".
: "${SCENE:?the scene, as in: SCENE=path/to/scene}" "${NODES:?}" "${GPUS:?}"

ARGUMENTS=(
  train "$SCENE"
  "--variant=${VARIANT:-nex_rgb}"
  "--preset=${PRESET:-fast}"
  "--gpus=$GPUS"
  "--nodes=$NODES"
  "$@"
)
