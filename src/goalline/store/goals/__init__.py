"""Goals in the database: written, their steps, their histories, carried to other projects."""
