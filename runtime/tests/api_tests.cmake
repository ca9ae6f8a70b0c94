# Tests of the C interface, leaf_edge/leaf.h.
leaf_test(api_arguments_test)
leaf_test(context_score_test)
leaf_test(context_queue_test)
leaf_test(context_memory_test)
