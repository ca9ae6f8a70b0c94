"""From unlabelled frames and a few ratings to a bundle: the stages of the method in order, each done once."""
