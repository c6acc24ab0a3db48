"""The ways to sum gradients over ranks that the benchmark of several GPUs compares."""

from __future__ import annotations

from normnex_pl.training.configurations import config_words, experiments_folder

# Arguments of `normnex fit`, and callbacks by their class paths.
Way = tuple[tuple[str, ...], tuple[str, ...]]

_YAML = tuple(config_words([experiments_folder() / "ddp.yaml"]))
_HOOK = "--trainer.strategy.init_args.ddp_comm_hook"
_TORCH_HOOKS = "torch.distributed.algorithms.ddp_comm_hooks.default_hooks"
WAYS: dict[str, Way] = {
    "yaml": (_YAML, ()),
    "bf16": ((*_YAML, f"{_HOOK}={_TORCH_HOOKS}.bf16_compress_hook"), ()),
    "graph": ((*_YAML, "--model.execution=rank_parts.GraphOnRanks"), ()),
    "graph_bf16": (
        (
            *_YAML,
            "--model.execution=rank_parts.GraphOnRanks",
            f"{_HOOK}={_TORCH_HOOKS}.bf16_compress_hook",
        ),
        (),
    ),
    "touched": ((*_YAML, f"{_HOOK}=rank_parts.touched_values"), ()),
    "static": ((*_YAML, "--trainer.strategy.dict_kwargs.static_graph=true"), ()),
    "signals": (_YAML, ("rank_parts.LightningsSignals",)),
    "ddp": (("--trainer.strategy=ddp",), ()),
}
MEANINGS = """ways to sum gradients:
  yaml        experiments/ddp.yaml, as `normnex train --gpus=2` does
  bf16        the same, sent as bfloat16
  graph       the same as yaml, with the recorded step of one GPU (model.execution)
  graph_bf16  both
  touched     the same as yaml, but only the values that are nonzero on some rank
  static      the same as yaml, with DDP's static graph
  signals     the same as yaml, with Lightning's check for a signal before each step
  ddp         Lightning's own settings: gradients are copied, and buffers are sent in each step
"""
