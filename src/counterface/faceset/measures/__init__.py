"""What can be measured on the crops of a faceset, to sort, group and filter by: pure functions."""
