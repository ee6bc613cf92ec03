"""From the cards into the vault: the verified copy, its journal, and whether each card may be formatted."""
