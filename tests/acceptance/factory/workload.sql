-- Changes of every kind, many of them to rows whose large drawing stays as it is and is then not in the log.

BEGIN;
INSERT INTO factory.parts VALUES ('NEW-1', 'New part', repeat('ø', 9000), '{"new": [true, null]}', 0.001, 'pc', 'P-0003');
INSERT INTO factory.part_suppliers VALUES ('NEW-1', md5('supplier 1')::uuid, 9.99, NULL);
INSERT INTO factory.jobs VALUES (1001, 'Bergen', 2, 'NEW-1', NULL, NULL);
COMMIT;

-- small columns of parts with a large drawing, twice in one transaction
BEGIN;
UPDATE factory.parts SET weight = weight + 0.5, attributes = '{"checked": 1}' WHERE part_no IN ('P-0008', 'P-0016', 'P-0024');
UPDATE factory.parts SET name = name || ' (checked)' WHERE part_no IN ('P-0008', 'P-0016');
COMMIT;

-- the drawing itself, then another column again
BEGIN;
UPDATE factory.parts SET drawing = (SELECT string_agg(md5(m::text), '') FROM generate_series(1, 400) m) WHERE part_no = 'P-0032';
COMMIT;
BEGIN;
UPDATE factory.parts SET unit = NULL WHERE part_no = 'P-0032';
UPDATE factory.parts SET drawing = NULL WHERE part_no = 'P-0040';
COMMIT;

-- new keys: of a part with a large drawing and of one without, both with parts below them; of a line; back and forth
BEGIN;
UPDATE factory.parts SET part_no = 'Q-0008' WHERE part_no = 'P-0008';
UPDATE factory.parts SET part_no = 'Q-0003', name = 'Part three' WHERE part_no = 'P-0003';
COMMIT;
BEGIN;
UPDATE factory.lines SET plant = 'Stavanger', line_no = 9 WHERE plant = 'Bergen' AND line_no = 2;
COMMIT;
BEGIN;
UPDATE factory.parts SET part_no = 'X-0048' WHERE part_no = 'P-0048';
COMMIT;
BEGIN;
UPDATE factory.parts SET part_no = 'P-0048', weight = 48 WHERE part_no = 'X-0048';
COMMIT;

-- a part moves in the tree, another becomes a root, a third was one
BEGIN;
UPDATE factory.parts SET parent_no = 'P-0006' WHERE part_no = 'P-0055';
UPDATE factory.parts SET parent_no = NULL WHERE part_no = 'P-0066';
UPDATE factory.parts SET parent_no = 'P-0007' WHERE part_no = 'P-0009';
COMMIT;

-- links that go, come and stay with another price; a name that many parts show
BEGIN;
DELETE FROM factory.part_suppliers WHERE part_no = 'P-0020';
INSERT INTO factory.part_suppliers VALUES ('P-0020', md5('supplier 3')::uuid, 1.00, date '2026-01-01');
UPDATE factory.part_suppliers SET price = price * 2 WHERE part_no = 'P-0021';
UPDATE factory.suppliers SET name = 'Supplier Three', rating = NULL WHERE supplier_id = md5('supplier 3')::uuid;
COMMIT;

-- half of a key is NULL: the job stands at no line; another one gets a line
BEGIN;
UPDATE factory.jobs SET line_no = NULL WHERE job_id IN (1, 2, 5);
UPDATE factory.jobs SET plant = 'a|b#c', line_no = 1 WHERE job_id IN (3, 6);
COMMIT;

-- counted, used up, and JSON that changes only inside
BEGIN;
UPDATE factory.stock SET quantity = 0.125, counted_at = '2026-10-25 02:30:00+01' WHERE plant = 'OSLO' AND line_no = 1;
DELETE FROM factory.stock WHERE plant = 'OSLO' AND line_no = 2;
UPDATE factory.lines SET layout = jsonb_set(layout, '{rows, 0}', '100') WHERE layout IS NOT NULL AND line_no = 3;
COMMIT;

-- a part goes with all that belongs to it; one comes back under an old key
BEGIN;
DELETE FROM factory.jobs WHERE part_no = 'P-0119';
DELETE FROM factory.stock WHERE part_no = 'P-0119';
DELETE FROM factory.parts WHERE part_no = 'P-0119';
COMMIT;
BEGIN;
INSERT INTO factory.parts VALUES ('P-0119', 'Back again', NULL, NULL, NULL, NULL, NULL);
INSERT INTO factory.parts VALUES ('P-0008', 'The key of another', 'short', NULL, 8, 'kg', 'Q-0008');
COMMIT;

-- what never happened
BEGIN;
DELETE FROM factory.stock;
UPDATE factory.parts SET name = 'gone';
ROLLBACK;
