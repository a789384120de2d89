"""What every process needs: settings, connection, logs, metrics, signals, health."""
