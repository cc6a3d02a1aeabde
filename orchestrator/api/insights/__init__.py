"""Microsoft.Insights: types of stored resources."""
