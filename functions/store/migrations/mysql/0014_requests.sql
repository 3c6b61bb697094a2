-- A hold: local mode that ends by itself. Who acts on it has it for a while, by the database's clock.
alter table local_mode_orders add column request_id varchar(191); -- null: set or taken back by itself
alter table local_mode_orders add column expires_at datetime(6); -- null: it does not end
alter table local_mode_orders add column warned_at datetime(6);
alter table local_mode_orders add column ended_by varchar(191);
alter table local_mode_orders add column attempts int not null default 0;
alter table local_mode_orders add column next_attempt_at datetime(6); -- null: the station need not be told
alter table local_mode_orders add column applied_at datetime(6);
alter table local_mode_orders add column problem longtext;
alter table local_mode_orders add column claimed_by varchar(191);
alter table local_mode_orders add column claimed_until bigint; -- in seconds since 1970

-- What instructors ask for, and what became of it.
create table instructor_requests (
    id             varchar(191) not null primary key, -- derived from what is asked for
    kind           varchar(64) not null check (kind in ('hold', 'leaving', 'more_time')),
    host           varchar(64) not null,
    reservation_id varchar(191),
    asked_by       varchar(191) not null,
    asked_at       datetime(6) not null,
    reason         longtext,
    minutes        int,
    until_at       datetime(6),
    state          varchar(64) not null check (state in ('asked', 'granted', 'refused', 'expired', 'ended')),
    expires_at     datetime(6), -- no answer helps from here on
    shown_at       datetime(6),
    seen_at        datetime(6),
    answered_at    datetime(6),
    answered_by    varchar(191), -- null: by the rules, at once
    note           longtext
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
create index instructor_requests_asked_at on instructor_requests (asked_at, id);
create index instructor_requests_host on instructor_requests (host, asked_at);
create index instructor_requests_state on instructor_requests (state, expires_at);
