"""Studies behind the documentation: experiments of ours, and published chips' own
numbers run here.

``python -m studies`` lists them, ``python -m studies NAME`` runs one. They are no part
of the product: nothing of ``ndrite`` imports them, and the wheel has none of them. A
study is an entry of ``studies.yaml`` (its grid, its figure) and a module: one run, and
the tables that all runs make; ``runner`` does the rest.
"""
