"""Programs that are no chains, step by step: map memory, patches, pools, gates, and the walk through them."""
