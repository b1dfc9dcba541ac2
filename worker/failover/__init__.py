"""Another region becomes the one that executes commands: four steps, each begun by a person, each proven."""
