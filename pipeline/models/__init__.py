"""Networks, their weights and which weights belong to which network. No data loading, no losses."""
