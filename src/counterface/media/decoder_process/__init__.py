"""The process behind `media.sandbox`: what runs in it, what talks to it, and how they talk."""
