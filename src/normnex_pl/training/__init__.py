"""The LightningModule, its losses and callbacks, and the run folder that a training writes."""
