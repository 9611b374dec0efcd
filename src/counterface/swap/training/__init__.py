"""What swap models learn by: examples, warps, losses, tasks, the training picture."""
