"""The five transactions of TPC-C, as a terminal runs them: what it enters is drawn, the rest is SQL on the source."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from tests.proof.tpcc.fill import START, Scale, last_name, money

_NO_SUCH_ITEM: Final = 0
_A_DAY: Final = timedelta(days=1)
_KEEPS_OF_DATA: Final = 500


class Terminal:
    """Changes one database; the same seed enters the same."""

    def __init__(self, rng: random.Random, connection: Any, scale: Scale) -> None:
        """`connection` is this terminal's alone; it commits and rolls back."""
        self.done: Counter[str] = Counter()
        self._rng = rng
        self._connection = connection
        self._cursor = connection.cursor()
        self._scale = scale
        self._now = START + _A_DAY
        self._c = rng.randrange(1_000)

    def transaction(self) -> None:
        """One of the five, as often as the specification's mix has it."""
        (run,) = self._rng.choices(
            (self._new_order, self._payment, self._order_status, self._delivery, self._stock_level),
            (45, 43, 4, 4, 4),
        )
        self._now += timedelta(milliseconds=self._rng.randint(1, 5_000))
        try:
            self.done[run()] += 1
        except BaseException:
            self._connection.rollback()
            raise

    def _new_order(self) -> str:
        """5 to 15 items, now and then from another warehouse; one of a hundred asks for an item that is not there."""
        rng = self._rng
        warehouse, district = self._place()
        customer = self._skewed(1_023, self._scale.customers)
        items = [self._skewed(8_191, self._scale.items) for _ in range(rng.randint(5, 15))]
        if rng.random() < 0.01:
            items[-1] = _NO_SUCH_ITEM
        supplies = [self._other(warehouse) if rng.random() < 0.01 else warehouse for _ in items]
        here = (warehouse, district)
        self._row("SELECT w_tax FROM tpcc.warehouse WHERE w_id = %s", warehouse)
        (number,) = self._row(
            "UPDATE tpcc.district SET d_next_o_id = d_next_o_id + 1 WHERE d_w_id = %s AND d_id = %s"
            " RETURNING d_next_o_id - 1",
            *here,
        )
        self._run(
            "INSERT INTO tpcc.orders VALUES (%s, %s, %s, %s, %s, NULL, %s, %s)",
            *(*here, number, customer, self._now, len(items), int(set(supplies) == {warehouse})),
        )
        self._run("INSERT INTO tpcc.new_order VALUES (%s, %s, %s)", *here, number)
        for line, (item, supply) in enumerate(zip(items, supplies, strict=True), 1):
            found = self._rows("SELECT i_price FROM tpcc.item WHERE i_id = %s", item)
            if not found:
                self._connection.rollback()
                return "new order, rolled back"
            self._order_line((warehouse, district, number, line), item, supply, found[0][0])
        self._connection.commit()
        return "new order"

    def _order_line(self, key: tuple[int, int, int, int], item: int, supply: int, price: Decimal) -> None:
        """Take it from the stock, which is filled up before it gets short."""
        quantity = self._rng.randint(1, 10)
        (info,) = self._row(
            "UPDATE tpcc.stock SET s_ytd = s_ytd + %s, s_order_cnt = s_order_cnt + 1, s_remote_cnt = s_remote_cnt + %s,"
            " s_quantity = s_quantity - %s + CASE WHEN s_quantity - %s < 10 THEN 91 ELSE 0 END"
            " WHERE s_w_id = %s AND s_i_id = %s RETURNING (ARRAY[s_dist_01, s_dist_02, s_dist_03, s_dist_04, s_dist_05,"
            " s_dist_06, s_dist_07, s_dist_08, s_dist_09, s_dist_10])[%s]",
            *(quantity, int(supply != key[0]), quantity, quantity, supply, item, key[1]),
        )
        self._run(
            "INSERT INTO tpcc.order_line VALUES (%s, %s, %s, %s, %s, %s, NULL, %s, %s, %s)",
            *(*key, item, supply, quantity, quantity * price, info),
        )

    def _payment(self) -> str:
        """Of a customer by name or by number, of this warehouse or of another."""
        rng = self._rng
        warehouse, district = self._place()
        away = rng.random() < 0.15
        theirs = (self._other(warehouse), rng.randint(1, self._scale.districts)) if away else (warehouse, district)
        amount = money(rng, 100, 500_000)
        (shop,) = self._row(
            "UPDATE tpcc.warehouse SET w_ytd = w_ytd + %s WHERE w_id = %s RETURNING w_name", amount, warehouse
        )
        (part,) = self._row(
            "UPDATE tpcc.district SET d_ytd = d_ytd + %s WHERE d_w_id = %s AND d_id = %s RETURNING d_name",
            *(amount, warehouse, district),
        )
        customer, how = self._customer(theirs)
        (credit,) = self._row(
            "UPDATE tpcc.customer SET c_balance = c_balance - %s, c_ytd_payment = c_ytd_payment + %s,"
            " c_payment_cnt = c_payment_cnt + 1 WHERE c_w_id = %s AND c_d_id = %s AND c_id = %s RETURNING c_credit",
            *(amount, amount, *theirs, customer),
        )
        if credit == "BC":  # what such a customer pays is written before what is known of them
            note = f"{customer} {theirs[1]} {theirs[0]} {district} {warehouse} {amount}|"
            self._run(
                "UPDATE tpcc.customer SET c_data = left(%s || c_data, %s)"
                " WHERE c_w_id = %s AND c_d_id = %s AND c_id = %s",
                *(note, _KEEPS_OF_DATA, *theirs, customer),
            )
        self._run(
            "INSERT INTO tpcc.history (h_c_id, h_c_d_id, h_c_w_id, h_d_id, h_w_id, h_date, h_amount, h_data)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            *(customer, theirs[1], theirs[0], district, warehouse, self._now, amount, f"{shop}    {part}"),
        )
        self._connection.commit()
        return f"payment by {how}"

    def _order_status(self) -> str:
        """The last order of a customer; changes nothing."""
        place = self._place()
        customer, _ = self._customer(place)
        last = self._rows(
            "SELECT o_id FROM tpcc.orders WHERE o_w_id = %s AND o_d_id = %s AND o_c_id = %s ORDER BY o_id DESC LIMIT 1",
            *(*place, customer),
        )
        for (number,) in last:
            self._rows(
                "SELECT * FROM tpcc.order_line WHERE ol_w_id = %s AND ol_d_id = %s AND ol_o_id = %s", *place, number
            )
        self._connection.commit()
        return "order status"

    def _delivery(self) -> str:
        """The oldest waiting order of each district of a warehouse."""
        warehouse, carrier = self._rng.randint(1, self._scale.warehouses), self._rng.randint(1, 10)
        for district in range(1, self._scale.districts + 1):
            oldest = self._rows(
                "DELETE FROM tpcc.new_order WHERE no_w_id = %s AND no_d_id = %s AND no_o_id ="
                " (SELECT min(no_o_id) FROM tpcc.new_order WHERE no_w_id = %s AND no_d_id = %s) RETURNING no_o_id",
                *(warehouse, district, warehouse, district),
            )
            for (number,) in oldest:
                self._deliver((warehouse, district, number), carrier)
        self._connection.commit()
        return "delivery"

    def _deliver(self, order: tuple[int, int, int], carrier: int) -> None:
        (customer,) = self._row(
            "UPDATE tpcc.orders SET o_carrier_id = %s WHERE o_w_id = %s AND o_d_id = %s AND o_id = %s RETURNING o_c_id",
            *(carrier, *order),
        )
        self._run(
            "UPDATE tpcc.order_line SET ol_delivery_d = %s WHERE ol_w_id = %s AND ol_d_id = %s AND ol_o_id = %s",
            *(self._now, *order),
        )
        self._run(
            "UPDATE tpcc.customer SET c_delivery_cnt = c_delivery_cnt + 1, c_balance = c_balance +"
            " (SELECT sum(ol_amount) FROM tpcc.order_line WHERE ol_w_id = %s AND ol_d_id = %s AND ol_o_id = %s)"
            " WHERE c_w_id = %s AND c_d_id = %s AND c_id = %s",
            *(*order, order[0], order[1], customer),
        )

    def _stock_level(self) -> str:
        """Which items of the last twenty orders are short; changes nothing."""
        place = self._place()
        (following,) = self._row("SELECT d_next_o_id FROM tpcc.district WHERE d_w_id = %s AND d_id = %s", *place)
        self._rows(
            "SELECT count(DISTINCT s_i_id) FROM tpcc.order_line"
            " JOIN tpcc.stock ON s_i_id = ol_i_id AND s_w_id = ol_w_id"
            " WHERE ol_w_id = %s AND ol_d_id = %s AND ol_o_id >= %s AND s_quantity < %s",
            *(*place, following - 20, self._rng.randint(10, 20)),
        )
        self._connection.commit()
        return "stock level"

    def _customer(self, place: tuple[int, int]) -> tuple[int, str]:
        """By surname, six of ten times: of those who share it the one in the middle, by first name."""
        number = self._skewed(1_023, self._scale.customers)
        if self._rng.random() >= 0.6:
            return number, "number"
        same = self._rows(
            "SELECT c_id FROM tpcc.customer WHERE c_w_id = %s AND c_d_id = %s AND c_last = %s ORDER BY c_first",
            *(*place, last_name((number - 1) // 2)),
        )
        found: int = same[(len(same) - 1) // 2][0]
        return found, "name"

    def _place(self) -> tuple[int, int]:
        return self._rng.randint(1, self._scale.warehouses), self._rng.randint(1, self._scale.districts)

    def _other(self, warehouse: int) -> int:
        others = [one for one in range(1, self._scale.warehouses + 1) if one != warehouse]
        return self._rng.choice(others or [warehouse])

    def _skewed(self, bits: int, most: int) -> int:
        """From 1 on, some numbers far more often than others."""
        rng = self._rng
        return ((rng.randint(0, bits) | rng.randint(1, most)) + self._c) % most + 1

    def _run(self, statement: str, *values: Any) -> None:
        self._cursor.execute(statement, values)

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        self._run(statement, *values)
        rows: list[tuple[Any, ...]] = self._cursor.fetchall()
        return rows

    def _row(self, statement: str, *values: Any) -> tuple[Any, ...]:
        (row,) = self._rows(statement, *values)
        return row
