"""Looks at the settings of a DMS task for what loses, cuts or reorders data; knows nothing of AWS."""
