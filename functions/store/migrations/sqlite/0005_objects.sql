-- What could not be read, and why. Nothing is deleted.
create table quarantined_objects (
    object_key     text not null,
    object_version text not null, -- '' where the bucket has none
    host           text, -- below whose prefix it lay
    reason         text not null,
    detail         text not null,
    first_bytes    blob not null,
    size_bytes     integer not null,
    arrived_at     text not null,
    quarantined_at text not null,
    quarantine_key text, -- null: too large to be copied
    primary key (object_key, object_version)
);
create index quarantined_objects_quarantined_at on quarantined_objects (quarantined_at);
create index quarantined_objects_host on quarantined_objects (host, quarantined_at);
create index quarantined_objects_reason on quarantined_objects (reason);

-- What was seen. Kept small: there is one for every heartbeat of the last days.
create table ingested_objects (
    object_hash blob not null primary key, -- the first half of the SHA-256 of key and version
    outcome     integer not null, -- 1: ingested, 2: duplicate, 3: quarantined, 4: ignored
    ingested_on text not null
) without rowid;
