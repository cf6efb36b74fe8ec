"""Downloads of seller feedback, written from (order number, day, stars)."""

from __future__ import annotations

from datetime import date, timedelta

HEAD = "Date\tRating\tComments\tYour Response\tOrder ID\tRater Email"
BEGIN = date(2026, 3, 1)


def order_id(number):
    return f"111-0000000-{number:07d}"


def written(path, ratings):
    """A download: rows of (order number, day, stars), the newest first as Amazon writes them."""
    lines = [
        f"{day.month}/{day.day}/{day:%y}\t{stars}\t\t\t{order_id(number)}\t"
        for number, day, stars in sorted(ratings, key=lambda row: row[1], reverse=True)
    ]
    path.write_text("\n".join([HEAD, *lines]) + "\n", encoding="utf-8")
    return path


def days(*numbers):
    """Ratings of one star, an order a day, by their days from the first of March."""
    return [(number, BEGIN + timedelta(days=number), 1) for number in numbers]
