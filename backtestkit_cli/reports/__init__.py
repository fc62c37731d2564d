"""A finished run for people and programs: the files it leaves and the tables it prints."""
