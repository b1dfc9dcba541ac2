"""What the worker and the API Lambdas share: keys, attribute values and compiled mappings. Pure; imports nothing of ours."""
