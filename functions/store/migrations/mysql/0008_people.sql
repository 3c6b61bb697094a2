-- Whose labs a token is for: a JSON list; null: all.
alter table api_tokens add column labs longtext;

-- By which somebody gets a token of their own, once.
create table pairing_codes (
    sha256     binary(32) not null primary key, -- of the code, which is kept nowhere
    name       varchar(191) not null,
    role       varchar(64) not null check (role in ('viewer', 'instructor', 'operator', 'admin')),
    labs       longtext,
    created_at datetime(6) not null,
    expires_at datetime(6) not null,
    used_at    datetime(6)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
create index pairing_codes_expires_at on pairing_codes (expires_at);

-- Who changed what. Written with the change.
create table audit_log (
    id         varchar(191) not null primary key,
    at         datetime(6) not null,
    actor      varchar(191) not null,
    role       varchar(64), -- null: the command line, or the system itself
    action     varchar(64) not null,
    target     varchar(191) not null,
    host       varchar(64),
    outcome    varchar(64) not null check (outcome in ('done', 'refused', 'failed')),
    detail     longtext, -- JSON
    request_id varchar(191)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
create index audit_log_at on audit_log (at, id);
create index audit_log_host on audit_log (host, at);
