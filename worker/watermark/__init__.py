"""Up to which commit of the source everything is in documents."""
