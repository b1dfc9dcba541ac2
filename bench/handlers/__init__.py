"""What the worker is compared with: each is a program that takes the same lines from the same daemon."""
