"""Configuration -> the collaborators of a run; what they do together is run.py's business."""
