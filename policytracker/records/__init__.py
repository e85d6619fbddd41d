from policytracker.records.fields import Text  # migrations refer to it here

__all__ = ["Text"]
