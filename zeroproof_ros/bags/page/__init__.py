"""report.html: one page that a person reads, without anything from elsewhere."""

from zeroproof_ros.bags.page.html import page

__all__ = ["page"]
