"""Composition: the only package that knows all the others, the environment, and how the service is run."""
