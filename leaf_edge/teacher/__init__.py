"""Teachers that judge frames without ratings, and the store of their labels.

`judgment` has the types and reliabilities, `interface` what a teacher is, `store` the label store.
"""
