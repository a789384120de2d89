"""Simulated customers: a scenario file, the events that come of it, and their publication in real time."""

from touchstream.streams.channels.simulate.customers import Oddity, Planned
from touchstream.streams.channels.simulate.scenario import Scenario, load_scenario, read_scenario
from touchstream.streams.channels.simulate.simulator import Simulator

__all__ = ["Oddity", "Planned", "Scenario", "Simulator", "load_scenario", "read_scenario"]
