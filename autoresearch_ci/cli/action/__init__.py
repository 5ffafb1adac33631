"""One step of a CI job: action inputs in; log, annotations, summary and outputs out.

It runs the same command line as everybody else, as a child, and knows nothing of experiments.
"""
