"""The making side: swap models, their training, conversion of footage, the report card."""
