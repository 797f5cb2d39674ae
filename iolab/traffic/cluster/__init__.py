"""One load on many machines: shares of the work, a client on every worker of a Dask cluster, one merged result."""
