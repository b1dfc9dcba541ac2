-- The habits of grown schemas: quoted names, self references, two keys to one table, keys to unique columns.
CREATE SCHEMA "Music";
CREATE DOMAIN "Music".title AS varchar(200);
CREATE TABLE "Music"."Artist" ("ArtistId" int PRIMARY KEY, "Name" varchar(120), code varchar(9) NOT NULL UNIQUE);
CREATE TABLE "Music"."Album" (
    "AlbumId" int PRIMARY KEY, "Title" "Music".title NOT NULL, "ArtistId" int NOT NULL REFERENCES "Music"."Artist",
    "no" int, "on" date, "_hidden" boolean, pk int, "a, b: c" text, "naïve ""x""" numeric(60, 2));
COMMENT ON TABLE "Music"."Album" IS 'What a shop sells:
one record';
CREATE TABLE "Music"."Track" (
    "TrackId" int PRIMARY KEY, "Name" text NOT NULL, "AlbumId" int REFERENCES "Music"."Album", "Bytes" bytea,
    artist_code varchar(9) REFERENCES "Music"."Artist" (code), price numeric);
CREATE TABLE "Music"."Playlist" ("PlaylistId" int PRIMARY KEY, "Name" text, parent int REFERENCES "Music"."Playlist");
CREATE TABLE "Music"."PlaylistTrack" (
    "PlaylistId" int REFERENCES "Music"."Playlist", "TrackId" int REFERENCES "Music"."Track",
    PRIMARY KEY ("TrackId", "PlaylistId"));
CREATE TABLE "Music"."Employee" (
    "EmployeeId" int PRIMARY KEY, "ReportsTo" int REFERENCES "Music"."Employee", hired timestamp);
CREATE TABLE "Music"."Duel" (
    winner int REFERENCES "Music"."Employee", loser int REFERENCES "Music"."Employee", PRIMARY KEY (winner, loser));
CREATE TABLE "Music"."InvoiceLine" (
    "InvoiceLineId" int PRIMARY KEY, "InvoiceId" int NOT NULL, "TrackId" int NOT NULL REFERENCES "Music"."Track");
CREATE TABLE "Music"."Invoice" ("InvoiceId" int PRIMARY KEY, total numeric(10, 2));
ALTER TABLE "Music"."InvoiceLine" ADD FOREIGN KEY ("InvoiceId") REFERENCES "Music"."Invoice";
CREATE TABLE "Music".log (entry text, more jsonb);
CREATE TABLE "Music".parted (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE "Music".parted_1 PARTITION OF "Music".parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
