"""What pages of one HTML file share: their style sheet, and a page of points to look through.

Imports plotly (when a page is made) and emulator.spec.notebook only.
"""

from ndrite.html.points import Look, Point, Quantity, check_page, points_page
from ndrite.html.style import STYLE

__all__ = ["STYLE", "Look", "Point", "Quantity", "check_page", "points_page"]
