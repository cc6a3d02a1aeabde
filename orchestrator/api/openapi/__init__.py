"""The OpenAPI document of the whole API, made from the routes, what they declare, and the types of resources."""
