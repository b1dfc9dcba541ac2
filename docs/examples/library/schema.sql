-- A small library network: members lend copies of titles from branches. Fills itself with about 2,900 rows.
CREATE SCHEMA library;

CREATE TABLE library.branches (
    branch_code varchar(20) PRIMARY KEY,
    name text NOT NULL,
    city text NOT NULL
);

CREATE TABLE library.members (
    member_no bigint PRIMARY KEY,
    name text NOT NULL,
    joined_on date NOT NULL,
    home_branch_code varchar(20) REFERENCES library.branches ON UPDATE CASCADE
);

CREATE TABLE library.authors (
    author_id uuid PRIMARY KEY,
    name text NOT NULL,
    born_on date
);

CREATE TABLE library.titles (
    isbn varchar(20) PRIMARY KEY,
    title text NOT NULL,
    published int,
    abstract text
);

CREATE TABLE library.title_authors (
    isbn varchar(20) REFERENCES library.titles ON UPDATE CASCADE ON DELETE CASCADE,
    author_id uuid REFERENCES library.authors,
    place int NOT NULL,
    PRIMARY KEY (isbn, author_id)
);

CREATE TABLE library.copies (
    branch_code varchar(20) REFERENCES library.branches ON UPDATE CASCADE,
    copy_no int,
    isbn varchar(20) NOT NULL REFERENCES library.titles ON UPDATE CASCADE,
    condition text NOT NULL DEFAULT 'good',
    PRIMARY KEY (branch_code, copy_no)
);

CREATE TABLE library.loans (
    loan_id bigint PRIMARY KEY,
    member_no bigint NOT NULL REFERENCES library.members,
    branch_code varchar(20),
    copy_no int,
    lent_at timestamptz NOT NULL,
    due_on date NOT NULL,
    returned_at timestamptz,
    fee numeric(8, 2),
    FOREIGN KEY (branch_code, copy_no) REFERENCES library.copies ON UPDATE CASCADE ON DELETE SET NULL
);

-- verify joins along these columns
CREATE INDEX ON library.title_authors (author_id);
CREATE INDEX ON library.copies (isbn);
CREATE INDEX ON library.loans (member_no);
CREATE INDEX ON library.loans (branch_code, copy_no);

INSERT INTO library.branches VALUES
    ('N', 'North', 'Oslo'), ('S', 'South', 'Oslo'), ('E', 'East', 'Bergen'), ('W', 'West', 'Trondheim');

INSERT INTO library.authors
SELECT md5('author ' || n)::uuid, 'Author ' || n, CASE WHEN n % 3 > 0 THEN date '1900-01-01' + n * 211 END
FROM generate_series(1, 80) n;

INSERT INTO library.titles
SELECT '978-0-' || lpad(n::text, 6, '0'), 'Title ' || n, CASE WHEN n % 7 > 0 THEN 1950 + n % 70 END,
       CASE WHEN n % 50 = 1 THEN (SELECT string_agg(md5(n || ' ' || m), ' ') FROM generate_series(1, 300) m) END
FROM generate_series(1, 300) n;

INSERT INTO library.title_authors
SELECT '978-0-' || lpad(n::text, 6, '0'), md5('author ' || 1 + (n * 7 + place * 13) % 80)::uuid, place
FROM generate_series(1, 300) n, generate_series(1, 2) place WHERE place <= 1 + n % 2;

INSERT INTO library.copies
SELECT (ARRAY['N', 'S', 'E', 'W'])[1 + n % 4], n, '978-0-' || lpad((1 + n % 300)::text, 6, '0'), 'good'
FROM generate_series(1, 800) n;

INSERT INTO library.members
SELECT n, 'Member ' || n, date '2020-01-01' + n, CASE WHEN n % 5 > 0 THEN (ARRAY['N', 'S', 'E', 'W'])[1 + n % 4] END
FROM generate_series(1, 300) n;

INSERT INTO library.loans
SELECT n, 1 + n % 300, (ARRAY['N', 'S', 'E', 'W'])[1 + n % 4], 1 + (n - 1) % 800,
       timestamptz '2026-01-01 09:00+01' + n * interval '37 minutes', date '2026-02-01' + n / 40,
       CASE WHEN n % 4 > 0 THEN timestamptz '2026-01-20 12:00:00.5+01' + n * interval '41 minutes' END,
       CASE WHEN n % 9 = 0 THEN n % 50 / 4.0 END
FROM generate_series(1, 800) n;
