"""Deploys all layers to all regions of an environment, in order, and removes them again."""
