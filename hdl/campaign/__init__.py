"""Campaigns: virtual chips one after the other, whose cells are drawn, whose samples are run and whose votes
are counted."""
