"""Programs with feature maps, executed step by step: map memory, patches, pools, gates,
and the walker that controls them."""
