"""The shell around DynamoDB: runs the engine's operations, retries what is transient, refuses what is fatal."""
