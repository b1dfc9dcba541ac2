"""How long a shard stands still after each fault: nearview beside amazon_kclpy's daemon as it comes, in one run."""
