-- Changes of every kind; each BEGIN ... COMMIT is one transaction of the business.

-- a new member lends two copies
BEGIN;
INSERT INTO library.members VALUES (1001, 'Ada Æsir', date '2026-03-01', 'N');
INSERT INTO library.loans VALUES
    (5001, 1001, 'S', 1, now(), date '2026-04-01', NULL, NULL),
    (5002, 1001, 'E', 2, now(), date '2026-04-01', NULL, NULL);
COMMIT;

-- one comes back late
BEGIN;
UPDATE library.loans SET returned_at = now(), fee = 12.50 WHERE loan_id = 5001;
COMMIT;

-- a loan is handed over to another member: the foreign key moves
BEGIN;
UPDATE library.loans SET member_no = 7 WHERE loan_id = 5002;
COMMIT;

-- a copy goes to another branch: its primary key changes, loans follow
BEGIN;
UPDATE library.copies SET branch_code = 'W' WHERE branch_code = 'E' AND copy_no = 2;
COMMIT;

-- a branch gets another code: the key of a row that hundreds of rows point at
BEGIN;
UPDATE library.branches SET branch_code = 'NO', name = 'North (new house)' WHERE branch_code = 'N';
COMMIT;

-- a name that stands in many titles, a link that goes, a link that comes
BEGIN;
UPDATE library.authors SET name = 'Author Seven' WHERE author_id = md5('author 7')::uuid;
DELETE FROM library.title_authors WHERE isbn = '978-0-000010';
INSERT INTO library.title_authors VALUES ('978-0-000010', md5('author 7')::uuid, 1);
COMMIT;

-- a member leaves and the loans with them
BEGIN;
DELETE FROM library.loans WHERE member_no = 9;
DELETE FROM library.members WHERE member_no = 9;
COMMIT;

-- another year for a title with a long abstract, which the change record then leaves out
BEGIN;
UPDATE library.titles SET published = 2001 WHERE isbn IN ('978-0-000051', '978-0-000101');
COMMIT;

-- the same with a new key
BEGIN;
UPDATE library.titles SET isbn = '978-1-000151' WHERE isbn = '978-0-000151';
COMMIT;

-- what never happened
BEGIN;
DELETE FROM library.loans;
ROLLBACK;

-- a copy is thrown away: open loans of it lose their copy and keep the rest
BEGIN;
DELETE FROM library.copies WHERE branch_code = 'S' AND copy_no = 5;
COMMIT;
