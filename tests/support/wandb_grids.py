"""Grids that W&B's own engine has proposed: the package `sweeps` 0.3.0.

For each section of parameters, `next_run` was asked, with all runs so far as finished ones, until it proposed
no more; the values are as it returned them, in its order.
"""

from __future__ import annotations

GRIDS = {
    "plain": """
z:
  values: [1, 2.5, 1.0]
a.b:
  values: [x, y, null]
fixed: {value: 4}
flag:
  values: [true, 1]
""",
    "steps": """
whole: {min: 2, max: 4}
step: {distribution: q_uniform, min: 0.5, max: 2.0, q: 0.5}
""",
    "nested": """
zeta:
  values:
  - [1, 2]
  - {k: 3}
outer:
  parameters:
    inner:
      parameters:
        deep:
          values: [5, 6]
    other:
      values: [low, high]
    constant: {value: 0.5}
middle: {distribution: constant, value: 7}
""",
}

EXPECTED = {
    "plain": """
[
 {"a.b": "x", "fixed": 4, "flag": true, "z": 1.0},
 {"a.b": "x", "fixed": 4, "flag": true, "z": 2.5},
 {"a.b": "x", "fixed": 4, "flag": 1, "z": 1.0},
 {"a.b": "x", "fixed": 4, "flag": 1, "z": 2.5},
 {"a.b": "y", "fixed": 4, "flag": true, "z": 1.0},
 {"a.b": "y", "fixed": 4, "flag": true, "z": 2.5},
 {"a.b": "y", "fixed": 4, "flag": 1, "z": 1.0},
 {"a.b": "y", "fixed": 4, "flag": 1, "z": 2.5},
 {"a.b": null, "fixed": 4, "flag": true, "z": 1.0},
 {"a.b": null, "fixed": 4, "flag": true, "z": 2.5},
 {"a.b": null, "fixed": 4, "flag": 1, "z": 1.0},
 {"a.b": null, "fixed": 4, "flag": 1, "z": 2.5}
]""",
    "steps": """
[
 {"step": 0.5, "whole": 2},
 {"step": 0.5, "whole": 3},
 {"step": 0.5, "whole": 4},
 {"step": 1.0, "whole": 2},
 {"step": 1.0, "whole": 3},
 {"step": 1.0, "whole": 4},
 {"step": 1.5, "whole": 2},
 {"step": 1.5, "whole": 3},
 {"step": 1.5, "whole": 4}
]""",
    "nested": """
[
 {"middle": 7, "outer": {"constant": 0.5, "inner": {"deep": 5}, "other": "low"}, "zeta": [1, 2]},
 {"middle": 7, "outer": {"constant": 0.5, "inner": {"deep": 5}, "other": "low"}, "zeta": {"k": 3}},
 {"middle": 7, "outer": {"constant": 0.5, "inner": {"deep": 5}, "other": "high"}, "zeta": [1, 2]},
 {"middle": 7, "outer": {"constant": 0.5, "inner": {"deep": 5}, "other": "high"}, "zeta": {"k": 3}},
 {"middle": 7, "outer": {"constant": 0.5, "inner": {"deep": 6}, "other": "low"}, "zeta": [1, 2]},
 {"middle": 7, "outer": {"constant": 0.5, "inner": {"deep": 6}, "other": "low"}, "zeta": {"k": 3}},
 {"middle": 7, "outer": {"constant": 0.5, "inner": {"deep": 6}, "other": "high"}, "zeta": [1, 2]},
 {"middle": 7, "outer": {"constant": 0.5, "inner": {"deep": 6}, "other": "high"}, "zeta": {"k": 3}}
]""",
}
