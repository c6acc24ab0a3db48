"""Triton's interpreter, which runs kernels without a GPU, and the mark of tests that need one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch


def needs_gpu(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that needs a CUDA device, without which it is skipped."""
    skip = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    return pytest.mark.gpu(skip(test))


def interpreted(script: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run a script on a case in a process of its own: Triton decides at import whether to interpret."""
    torch.save(case, folder / "case.pt")
    whole = (
        "import sys, torch\ncase = torch.load(sys.argv[1], weights_only=False)\n"
        f"{script}\ntorch.save(result, sys.argv[2])"
    )
    done = subprocess.run(
        [sys.executable, "-c", whole, folder / "case.pt", folder / "result.pt"],
        env=os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = torch.load(folder / "result.pt")
    return result
