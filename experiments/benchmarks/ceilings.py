"""Peak rates of the machine: large matrix products, and a large copy."""

from __future__ import annotations

import torch

from clock import milliseconds

_PRODUCT = {"cuda": 8192, "cpu": 512}
_COPY = {"cuda": 1 << 30, "cpu": 1 << 26}  # bytes


def measure_ceilings(device: torch.device, repeats: int) -> dict[str, float]:
    """Measure operations per second (``fp32``, ``tf32`` and ``bf16``), and bytes per second (``copy``).

    A copy reads and writes: its bytes count twice. On a CPU, which has no TF32, ``tf32`` is float32.
    """
    rates = {}
    kept = torch.get_float32_matmul_precision()
    for name, dtype in (("fp32", torch.float32), ("tf32", torch.float32), ("bf16", torch.bfloat16)):
        torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
        rates[name] = _product_rate(device, dtype, repeats)
    torch.set_float32_matmul_precision(kept)
    return rates | {"copy": _copy_rate(device, repeats)}


def _product_rate(device: torch.device, dtype: torch.dtype, repeats: int) -> float:
    size = _PRODUCT[device.type]
    a, b = torch.randn(2, size, size, device=device).to(dtype)
    out = torch.empty_like(a)
    return 2 * size**3 / milliseconds(lambda: torch.mm(a, b, out=out), device, repeats) * 1000


def _copy_rate(device: torch.device, repeats: int) -> float:
    source = torch.zeros(_COPY[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / milliseconds(lambda: target.copy_(source), device, repeats) * 1000
