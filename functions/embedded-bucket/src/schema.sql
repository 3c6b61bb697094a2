create table bucket (
    id       integer primary key check (id = 1),
    layout   integer not null,
    -- Rises by one with each version. Starts at the microseconds since 1970, so that a bucket made anew after a loss goes on above the old one.
    sequence integer not null,
    -- Keeps the version ids of two files apart.
    epoch    text not null
);

create table versions (
    sequence         integer primary key,
    object_key       text not null,
    version_id       text not null unique,
    is_latest        integer not null,
    delete_marker    integer not null,
    size             integer not null,
    etag             text not null,
    checksums        text not null,
    attributes       text not null,
    last_modified_us integer not null,
    -- Null until the event of this version was deleted from the queue.
    ingested_at_us   integer,
    -- Last, so that reading the other columns does not walk over it.
    body             blob not null
);
-- Of two concurrent writers none can leave a key with two newest versions.
create unique index versions_latest on versions (object_key) where is_latest = 1;
create index versions_by_key on versions (object_key, sequence);
create index versions_to_sweep on versions (last_modified_us) where ingested_at_us is not null and (is_latest = 0 or delete_marker = 1);
create index versions_sizes on versions (is_latest, delete_marker, size);

create table queue (
    id             integer primary key autoincrement,
    version_id     text not null,
    body           text not null,
    attempts       integer not null default 0,
    visible_at_us  integer not null,
    enqueued_at_us integer not null
);
create index queue_visible on queue (visible_at_us, id);

create table credentials (
    access_key_id text primary key,
    secret        text not null,
    -- Empty: the whole bucket.
    host          text not null,
    root          integer not null default 0,
    made_at_us    integer not null
);
