"""Everything compiled by Numba, apart from the equations of the cells."""
