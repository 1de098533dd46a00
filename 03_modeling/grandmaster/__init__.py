"""From a folder of competition files to a submission that can be trusted."""

__version__ = "0.1.0"
