"""What worker and API Lambdas share: keys, attribute values, compiled mappings. Pure; imports nothing of ours."""
