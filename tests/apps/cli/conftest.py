"""What the tests of commands share."""

from __future__ import annotations

from detectors_here import detectors_here as detectors_here
