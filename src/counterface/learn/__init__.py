"""What every trainer shares, knowing none of them: loop, checkpoint, schedule, metrics."""
