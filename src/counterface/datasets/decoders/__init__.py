"""Small decoders that re-draw a picture, for fakes that differ from their twin by texture alone."""
