"""What is done when functions are packed: declarations in YAML are read, the API is described in OpenAPI.

In no zip file; only `api_lambdas.package` imports it.
"""
