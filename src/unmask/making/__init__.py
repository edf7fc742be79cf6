"""A method makes pictures and latents of a data set, and they are written as they are finished; measures nothing."""
