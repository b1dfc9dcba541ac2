"""The templates, and the program that deploys them."""
