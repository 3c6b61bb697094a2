-- Few at any time: what no delivery was deleted of.
create index if not exists versions_waiting on versions (sequence) where ingested_at_us is null;
-- The newest first: what a database that lost its last commits may not know.
create index if not exists versions_ingested on versions (ingested_at_us, sequence) where ingested_at_us is not null;
