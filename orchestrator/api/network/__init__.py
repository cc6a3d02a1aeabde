"""Microsoft.Network: types of stored resources, and the cards of instances."""
