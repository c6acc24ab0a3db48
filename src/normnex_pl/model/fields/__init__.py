"""Fields: opacity, base colour and features of an MPI; one per file."""

from normnex_pl.model.fields.base import Field, FieldFactory
from normnex_pl.model.fields.grid import GridField
from normnex_pl.model.fields.mlp import MLPField

__all__ = ["Field", "FieldFactory", "GridField", "MLPField"]
