"""A model folder with pickled weights becomes one with safetensors, without trusting the pickle."""
