"""Experiments in, documents out: pure functions that write nothing."""
