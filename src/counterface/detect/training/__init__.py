"""From a recipe and labelled faces to a detector file."""
