"""Whatever stands under `examples`: it is read and run, or its problems are listed."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contract.mapping import Mapping
from worker.examples.suite import chosen, read_suite, run_suite

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(exclude_categories=()), max_size=5)
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
columns = st.sampled_from(["order_id", "status", "total", "note", "details", "customer_id", "line_no", "quantity", "x"])
rows = st.dictionaries(columns, st.sampled_from([1, 2, "1", None, "paid"]) | anything, max_size=5)
changes = st.fixed_dictionaries(
    {"row": rows},
    optional={
        **{verb: st.sampled_from(["shop.orders", "shop.lines", "shop.customers"]) for verb in ("insert", "update")},
        "delete": st.just("shop.orders"),
        "before": rows,
        "unchanged": columns,
    },
)
examples = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b"]) | anything,
        "changes": st.lists(changes, min_size=1, max_size=4) | anything,
        "expect": st.dictionaries(st.sampled_from(["1", "2"]) | st.text(max_size=3), anything, max_size=2) | anything,
    }
)


@given(st.lists(examples, max_size=3) | anything)
@settings(max_examples=100)
def test_any_examples_are_read_and_run_or_refused(mapping: Mapping, found: Any) -> None:
    """Never a traceback."""
    suite, problems = read_suite(
        {"order.yaml": f"aggregate: order\nexamples: {json.dumps(found, ensure_ascii=False)}\n"}, mapping
    )

    assert run_suite([] if problems else suite, mapping).failed <= len(suite)


@given(st.text(max_size=60))
def test_any_text_is_examples_or_problems(mapping: Mapping, text: str) -> None:
    """Whatever a file holds."""
    read_suite({"order.yaml": f"aggregate: order\nexamples: {text}"}, mapping)
    read_suite({"order.yaml": text}, mapping)


def test_examples_are_chosen_without_regard_to_case(mapping: Mapping) -> None:
    """By the aggregate's name as well."""
    row = {"insert": "shop.orders", "row": {"order_id": 1}}
    text = [{"name": name, "changes": [row], "expect": {"1": None}} for name in ("Moves", "Stays")]
    suite, _ = read_suite({"order.yaml": f"aggregate: order\nexamples: {json.dumps(text)}\n"}, mapping)

    assert [ready[0].name for ready in chosen(suite, "ORDER: mov")] == ["Moves"]


def test_a_lone_surrogate_is_a_problem(mapping: Mapping) -> None:
    """YAML can spell it, no change record can hold it."""
    row = {"insert": "shop.orders", "row": {"order_id": 1, "note": "\ud800"}}
    text = [{"name": "a", "changes": [row], "expect": {"1": None}}]
    _, problems = read_suite({"order.yaml": f"aggregate: order\nexamples: {json.dumps(text)}\n"}, mapping)

    assert [problem.message for problem in problems] == ["a text that is not Unicode (a lone surrogate)"]
