"""The steps of a conversion: look at the footage, choose people, make faces, keep segments."""
