"""The two 224x224 views that the student sees (contract: docs/views.md)."""
