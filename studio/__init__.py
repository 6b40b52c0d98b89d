"""A training studio for TRL: `app.py -> ui -> service -> adapters -> domain`, and `worker -> domain` beside it."""

__version__ = "0.1.0"
