"""Parts of `serve.py`."""
