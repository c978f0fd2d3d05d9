"""`qb` on the command line: each function of the API a subcommand, made from its signature and its docstring."""
