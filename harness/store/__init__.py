"""The store: what flights found, in a database, for as long as history is wanted."""
