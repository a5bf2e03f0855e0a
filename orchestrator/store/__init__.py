"""The only SQL: tables, named queries, transactions."""
