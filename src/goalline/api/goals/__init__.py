"""Goals over HTTP: their routes, their single steps, and the packages that carry them to other projects."""
