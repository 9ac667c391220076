"""Virtual chips one after the other: their cells drawn, samples run through each, votes counted."""
