"""Sweeps on this machine: W&B's YAML and W&B's engine, without an account."""
