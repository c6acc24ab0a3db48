"""Many runs: comparisons, sweeps, figures."""
