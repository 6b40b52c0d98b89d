"""One module for each outside thing: run folders, processes, the metrics store, the Hub, data files, the machine."""
