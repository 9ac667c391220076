"""Pictures and pages: figures, and self-contained HTML pages about one program or module."""
