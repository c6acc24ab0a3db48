"""Work through many runs: a queue on an Optuna study, which any number of workers on any machines share."""
