"""An example of a client: a page of this machine that lists orders, sends commands and shows when changes arrive."""
