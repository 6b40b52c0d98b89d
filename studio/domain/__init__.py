"""The studio's nouns, pure: methods, arguments, recipes, findings, run states and dataset types."""
