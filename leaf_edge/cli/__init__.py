"""The `leaf-edge` command: one module per verb, no logic of its own."""
