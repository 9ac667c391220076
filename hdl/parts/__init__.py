"""Building blocks: memories, queues, pipelines, multipliers, the bus, layouts of streams."""
