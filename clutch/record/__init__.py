"""RecordSink adapters: where the two sides of a call are kept."""
