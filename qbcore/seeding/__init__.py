"""A farm's past written straight into an empty farm: for pictures, for benchmarks, for trying the pages at size.

Nothing of it is run: the rows are those that running would have left, tallies and attempts agree with each other.
"""
