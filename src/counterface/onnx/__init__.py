"""ONNX files of anyone: looked through before they are loaded, run in a child under limits."""
