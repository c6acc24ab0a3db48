"""Triton's modules, from which kernels take their decorator and their language.

Triton isn't available on every platform. Without it kernels can still be imported, by stand-ins for what is
evaluated at import; `kernels_run_on` then prevents their launch.
"""

from __future__ import annotations

from types import SimpleNamespace

try:
    import triton
    import triton.language as tl
except ImportError:
    triton, tl = SimpleNamespace(jit=lambda function: function), None
    HAS_TRITON = False
else:
    HAS_TRITON = True

__all__ = ["HAS_TRITON", "tl", "triton"]
