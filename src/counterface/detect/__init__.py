"""The judging side: models, training, evaluation, calibration, scan."""
