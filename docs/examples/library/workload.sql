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
UPDATE library.loans SET member_no = 7 WHERE loan_id = 5002;

-- a copy goes to another branch: its primary key changes, loans follow
UPDATE library.copies SET branch_code = 'W' WHERE branch_code = 'E' AND copy_no = 2;

-- a branch gets another code: the key of a row that hundreds of rows point at
UPDATE library.branches SET branch_code = 'NO', name = 'North (new house)' WHERE branch_code = 'N';

-- a name that stands in many titles, a link that goes, a link that comes
UPDATE library.authors SET name = 'Author Seven' WHERE author_id = md5('author 7')::uuid;
DELETE FROM library.title_authors WHERE isbn = '978-0-000010';
INSERT INTO library.title_authors VALUES ('978-0-000010', md5('author 7')::uuid, 1);

-- a member leaves and the loans with them
BEGIN;
DELETE FROM library.loans WHERE member_no = 9;
DELETE FROM library.members WHERE member_no = 9;
COMMIT;

-- what never happened
BEGIN;
DELETE FROM library.loans;
ROLLBACK;

-- a copy is thrown away: open loans of it lose their copy and keep the rest
DELETE FROM library.copies WHERE branch_code = 'S' AND copy_no = 5;
