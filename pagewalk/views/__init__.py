"""Facts into tables: one module for each question, each with the columns of its answer."""
