"""The detector that ships with the package; see docs/model_card.md."""
