"""Products and categories: every rule about them. Each function runs inside the caller's transaction."""

from __future__ import annotations

from typing import Any

from psycopg2 import errors

from local.monolith.errors import ConflictError, require_row


def rename_product(cursor: Any, sku: str, title: str) -> None:
    """Give a product a new title."""
    cursor.execute("UPDATE shop.products SET title = %s WHERE sku = %s", (title, sku))
    require_row(cursor, f"product {sku}")


def revise_product(cursor: Any, sku: str, description: str | None, attributes: Any, weight_kg: Any) -> None:
    """Replace what describes a product; None clears."""
    cursor.execute(
        "UPDATE shop.products SET description = %s, attributes = %s, weight_kg = %s WHERE sku = %s",
        (description, attributes, weight_kg, sku),
    )
    require_row(cursor, f"product {sku}")


def change_sku(cursor: Any, sku: str, new_sku: str) -> None:
    """Change a product's key; order lines and category links follow."""
    try:
        cursor.execute("UPDATE shop.products SET sku = %s WHERE sku = %s", (new_sku, sku))
    except errors.UniqueViolation:
        raise ConflictError(f"product {new_sku} exists already") from None
    require_row(cursor, f"product {sku}")


def add_product(cursor: Any, sku: str, title: str, price: Any, main_category_id: int | None) -> None:
    """Add a product to the range."""
    cursor.execute(
        "INSERT INTO shop.products (sku, title, price, main_category_id) VALUES (%s, %s, %s, %s)",
        (sku, title, price, main_category_id),
    )


def drop_product(cursor: Any, sku: str) -> None:
    """Delete a product that nobody ordered, with its category links."""
    cursor.execute("DELETE FROM shop.product_categories WHERE sku = %s", (sku,))
    try:
        cursor.execute("DELETE FROM shop.products WHERE sku = %s", (sku,))
    except errors.ForeignKeyViolation:
        raise ConflictError(f"product {sku} has been ordered and cannot be deleted") from None
    require_row(cursor, f"product {sku}")


def set_main_category(cursor: Any, sku: str, category_id: int | None) -> None:
    """Put a product under a main category, or under none."""
    cursor.execute("UPDATE shop.products SET main_category_id = %s WHERE sku = %s", (category_id, sku))
    require_row(cursor, f"product {sku}")


def link_category(cursor: Any, sku: str, category_id: int, position: int) -> None:
    """Show a product in a category at a position; one that is there already gets the new position."""
    cursor.execute(
        "INSERT INTO shop.product_categories (sku, category_id, position) VALUES (%s, %s, %s)"
        " ON CONFLICT (sku, category_id) DO UPDATE SET position = excluded.position",
        (sku, category_id, position),
    )


def unlink_category(cursor: Any, sku: str, category_id: int) -> None:
    """Show a product in a category no longer."""
    cursor.execute("DELETE FROM shop.product_categories WHERE sku = %s AND category_id = %s", (sku, category_id))
    require_row(cursor, f"link of product {sku} to category {category_id}")


def rename_category(cursor: Any, category_id: int, name: str) -> None:
    """Give a category a new name."""
    cursor.execute("UPDATE shop.categories SET name = %s WHERE category_id = %s", (name, category_id))
    require_row(cursor, f"category {category_id}")


def reparent_category(cursor: Any, category_id: int, parent_id: int | None) -> None:
    """Move a category under another one or to the top; refused when it would stand above itself."""
    # One move at a time: two that each look right may make a circle together.
    cursor.execute("LOCK TABLE shop.categories IN SHARE ROW EXCLUSIVE MODE")
    cursor.execute(
        "WITH RECURSIVE above AS (SELECT %s::int AS category_id UNION SELECT c.parent_id FROM shop.categories c"
        " JOIN above USING (category_id)) SELECT 1 FROM above WHERE category_id = %s",
        (parent_id, category_id),
    )
    if cursor.fetchone() is not None:
        raise ConflictError(f"category {category_id} cannot stand below itself")
    cursor.execute("UPDATE shop.categories SET parent_id = %s WHERE category_id = %s", (parent_id, category_id))
    require_row(cursor, f"category {category_id}")


def renumber_category(cursor: Any, category_id: int) -> int:
    """Give a category a new number; sub-categories, products and links follow. Return the new number."""
    cursor.execute(
        "UPDATE shop.categories SET category_id = nextval(pg_get_serial_sequence('shop.categories', 'category_id'))"
        " WHERE category_id = %s RETURNING category_id",
        (category_id,),
    )
    require_row(cursor, f"category {category_id}")
    renumbered: int = cursor.fetchone()[0]
    return renumbered
