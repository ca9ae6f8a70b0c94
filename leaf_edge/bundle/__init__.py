"""The one artefact that carries a model: manifest, checks, curve (contract: docs/bundle.md)."""
