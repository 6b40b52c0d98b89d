"""The product in product words, called by the page, the command line, the tests and the API alike."""
