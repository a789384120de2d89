"""What flows: channels publish, lanes measure. `streams.app` shows the whole topology on one page."""
