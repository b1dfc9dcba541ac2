-- A factory: parts that are made of parts, suppliers that deliver them, lines that keep and use them.
CREATE SCHEMA factory;

CREATE TABLE factory.units (unit varchar(8) PRIMARY KEY, name text NOT NULL);  -- never changed

CREATE TABLE factory.parts (
    part_no varchar(40) PRIMARY KEY,
    name text NOT NULL,
    drawing text,
    attributes jsonb,
    weight numeric(10, 3),
    unit varchar(8) REFERENCES factory.units,
    parent_no varchar(40) REFERENCES factory.parts ON UPDATE CASCADE
);

CREATE TABLE factory.suppliers (supplier_id uuid PRIMARY KEY, name text NOT NULL, rating smallint);

CREATE TABLE factory.part_suppliers (
    part_no varchar(40) REFERENCES factory.parts ON UPDATE CASCADE ON DELETE CASCADE,
    supplier_id uuid REFERENCES factory.suppliers,
    price numeric(10, 2) NOT NULL,
    since date,
    PRIMARY KEY (part_no, supplier_id)
);

CREATE TABLE factory.lines (
    plant varchar(10),
    line_no int,
    name text NOT NULL,
    layout jsonb,
    PRIMARY KEY (plant, line_no)
);

CREATE TABLE factory.stock (
    plant varchar(10),
    line_no int,
    part_no varchar(40) REFERENCES factory.parts ON UPDATE CASCADE,
    quantity numeric(12, 3) NOT NULL,
    counted_at timestamptz,
    PRIMARY KEY (plant, line_no, part_no),
    FOREIGN KEY (plant, line_no) REFERENCES factory.lines ON UPDATE CASCADE
);

CREATE TABLE factory.jobs (
    job_id bigint PRIMARY KEY,
    plant varchar(10),
    line_no int,
    part_no varchar(40) NOT NULL REFERENCES factory.parts ON UPDATE CASCADE,
    urgent boolean,
    options jsonb,
    FOREIGN KEY (plant, line_no) REFERENCES factory.lines ON UPDATE CASCADE
);

INSERT INTO factory.units VALUES ('pc', 'piece'), ('kg', 'kilogramme'), ('m', 'metre');

-- every eighth drawing has more than 8 KB and is stored out of line
INSERT INTO factory.parts
SELECT 'P-' || lpad(n::text, 4, '0'), 'Part ' || n,
       CASE WHEN n % 8 = 0 THEN (SELECT string_agg(md5(n || '/' || m), '') FROM generate_series(1, 320) m)
            WHEN n % 8 < 4 THEN 'sketch ' || n END,
       CASE n % 3 WHEN 0 THEN jsonb_build_object('colour', 'blå', 'sizes', jsonb_build_array(n, n / 4.0, null)) END,
       CASE WHEN n % 5 > 0 THEN n / 7.0 END, (ARRAY['pc', 'kg', 'm', NULL])[1 + n % 4],
       CASE WHEN n > 10 THEN 'P-' || lpad((n / 10)::text, 4, '0') END
FROM generate_series(1, 120) n;

INSERT INTO factory.suppliers
SELECT md5('supplier ' || n)::uuid, 'Supplier ' || n, CASE WHEN n % 4 > 0 THEN n % 6 END FROM generate_series(1, 12) n;

INSERT INTO factory.part_suppliers
SELECT 'P-' || lpad(n::text, 4, '0'), md5('supplier ' || 1 + (n + k * 5) % 12)::uuid, n + k / 4.0,
       CASE WHEN k > 1 THEN date '2024-02-29' + n END
FROM generate_series(1, 120) n, generate_series(1, 2) k;

INSERT INTO factory.lines
SELECT plant, n, plant || ' line ' || n, CASE WHEN n > 1 THEN '{"rows": [1, 2.50, "三"], "open": true}'::jsonb END
FROM (VALUES ('OSLO'), ('Bergen'), ('a|b#c')) p (plant), generate_series(1, 4) n;

INSERT INTO factory.stock
SELECT plant, line_no, 'P-' || lpad((1 + (line_no * 31 + k * 7) % 120)::text, 4, '0'), k * 1.125,
       CASE WHEN k % 2 = 0 THEN timestamptz '2026-03-29 02:30:00.25+01' + k * interval '1 day' END
FROM factory.lines, generate_series(1, 10) k;

INSERT INTO factory.jobs
SELECT n, CASE WHEN n % 3 > 0 THEN 'OSLO' END, CASE WHEN n % 4 > 0 THEN 1 + n % 4 END,
       'P-' || lpad((1 + n % 120)::text, 4, '0'), CASE n % 3 WHEN 0 THEN true WHEN 1 THEN false END,
       CASE WHEN n % 2 = 0 THEN '[]'::jsonb END
FROM generate_series(1, 60) n;
