"""The ground for what is heard: log-mel spectra, and where in a sound somebody speaks."""
