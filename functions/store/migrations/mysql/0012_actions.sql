-- What a rule proposes or a person wants done to a station.
create table station_actions (
    id             varchar(191) not null primary key, -- derived from station, kind and what wants it
    host           varchar(64) not null,
    kind           varchar(64) not null,
    state          varchar(64) not null check (state in ('proposed', 'pending', 'claimed', 'unknown', 'done', 'failed', 'expired', 'withdrawn')),
    ordered_by     varchar(191) not null, -- rule:NAME or person:NAME
    alert_id       varchar(191), -- that it answers
    reservation_id varchar(191),
    approved_by    varchar(191),
    ordered_at     datetime(6) not null,
    not_before     datetime(6) not null,
    expires_at     datetime(6) not null,
    claimed_by     varchar(191), -- a gateway
    claimed_until  bigint, -- in seconds since 1970, by the database's clock
    issued_at      datetime(6), -- written before it was sent
    settled_at     datetime(6),
    message        longtext,
    output         longtext, -- JSON: what the command was given and wrote
    check ((state = 'claimed') = (claimed_by is not null)),
    check ((claimed_by is null) = (claimed_until is null)),
    check ((state in ('done', 'failed', 'expired', 'withdrawn')) = (settled_at is not null))
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
create index station_actions_host on station_actions (host, state);
create index station_actions_state on station_actions (state);
create index station_actions_alert on station_actions (alert_id);
create index station_actions_ordered_at on station_actions (ordered_at, id);
