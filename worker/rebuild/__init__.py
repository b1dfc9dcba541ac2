"""Documents rebuilt from the row store, beside live traffic: after a changed mapping, a repair, a reload."""
