"""The command `normnex`: a module for each of its commands."""
