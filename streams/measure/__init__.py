"""The arithmetic of a lane: columns in, columns out. No Faust, no Kafka, no ClickHouse, no clock."""
