"""Latency x area x energy of one activation, from constants in a YAML file that a user can edit."""

from ndrite.lae.account import ACCOUNTINGS, Path, load_constants, report

__all__ = ["ACCOUNTINGS", "Path", "load_constants", "report"]
