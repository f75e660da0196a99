"""One file for each outside thing; foreign errors are translated here and nowhere else."""
