"""Where results go: tables, gauges, notices and the page. Imports `schemas`, and nothing of `streams`."""
