"""The projection engine: row changes to rows, edges, documents. Pure: it yields store operations, others run them."""
