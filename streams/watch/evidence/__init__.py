"""The judgement of alerts: evidence that may be looked at all the time. Pure: no clock, no table, no I/O."""
