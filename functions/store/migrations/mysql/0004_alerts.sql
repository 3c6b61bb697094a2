create table alerts (
    id              varchar(191) not null primary key, -- derived from rule, host, reservation and opened_at
    rule            varchar(64) not null,
    host            varchar(64), -- null: the alert is about the system itself
    reservation_id  varchar(191) not null default '',
    state           varchar(64) not null check (state in ('open', 'acknowledged', 'resolved')),
    opened_at       datetime(6) not null,
    acknowledged_at datetime(6),
    acknowledged_by mediumtext,
    note            longtext,
    resolved_at     datetime(6),
    cause           longtext not null, -- JSON
    -- Null once resolved: at most one unresolved alert per rule, station and reservation.
    unresolved_key  varchar(330) generated always as (case when state <> 'resolved' then concat(rule, '/', coalesce(host, ''), '/', reservation_id) end) stored unique,
    check ((state = 'resolved') = (resolved_at is not null))
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
create index alerts_host_state on alerts (host, state);
create index alerts_state on alerts (state, opened_at);
create index alerts_opened_at on alerts (opened_at, id);

-- Every step of every alert. The key is natural: a repeated step is the same row.
create table alert_transitions (
    alert_id   varchar(191) not null,
    at         datetime(6) not null,
    to_state   varchar(64) not null check (to_state in ('open', 'acknowledged', 'resolved')),
    from_state varchar(64) check (from_state in ('open', 'acknowledged', 'resolved')),
    actor      mediumtext not null,
    cause      longtext not null, -- JSON
    note       longtext,
    primary key (alert_id, at, to_state),
    foreign key (alert_id) references alerts (id) on delete cascade
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
