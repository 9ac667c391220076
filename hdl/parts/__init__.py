"""What every block is built of: memories, queues, pipelines, multipliers, the bus, layouts of streams."""
