"""Fills a database with test data of any size, in realistic proportions. COPY writes the rows, and all triggers run.

    .venv/bin/python -m benchmarks.build --recommendations 50000

The same size and date give the same data. Dates are relative to today, so that some deadlines are past and others ahead.
"""
