"""All code that Numba compiles, except the equations of the cells."""
