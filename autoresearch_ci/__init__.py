"""One repository, one number: propose, measure honestly, keep only what is really better."""

__version__ = "0.1.0"
