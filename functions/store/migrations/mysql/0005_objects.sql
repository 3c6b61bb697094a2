-- What could not be read, and why. Nothing is deleted.
create table quarantined_objects (
    object_key     varbinary(1024) not null,
    object_version varbinary(512) not null, -- '' where the bucket has none
    host           varchar(64), -- below whose prefix it lay
    reason         varchar(64) not null,
    detail         longtext not null,
    first_bytes    varbinary(256) not null,
    size_bytes     bigint not null,
    arrived_at     datetime(6) not null,
    quarantined_at datetime(6) not null,
    quarantine_key mediumtext, -- null: too large to be copied
    primary key (object_key, object_version)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
create index quarantined_objects_quarantined_at on quarantined_objects (quarantined_at);
create index quarantined_objects_host on quarantined_objects (host, quarantined_at);
create index quarantined_objects_reason on quarantined_objects (reason);

-- What was seen. Kept small: there is one for every heartbeat of the last days.
create table ingested_objects (
    object_hash binary(16) not null primary key, -- the first half of the SHA-256 of key and version
    outcome     tinyint not null, -- 1: ingested, 2: duplicate, 3: quarantined, 4: ignored
    ingested_on date not null
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
