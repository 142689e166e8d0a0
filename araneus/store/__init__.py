"""SQL: the only package that imports SQLAlchemy. One module of queries per noun."""
