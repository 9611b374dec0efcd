"""The parts of `datasets.build`: plan, likeness, estimate, genuine clips, masks, stages."""
