"""Examples beside a mapping: given these changes, expect these documents, in whatever order the records come."""
