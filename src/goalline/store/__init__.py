"""The database: the only folder that knows SQL. One file of named queries for each noun."""
