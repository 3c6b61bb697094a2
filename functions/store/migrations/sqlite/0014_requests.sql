-- A hold: local mode that ends by itself. Who acts on it has it for a while, by the database's clock.
alter table local_mode_orders add column request_id text; -- null: set or taken back by itself
alter table local_mode_orders add column expires_at text; -- null: it does not end
alter table local_mode_orders add column warned_at text;
alter table local_mode_orders add column ended_by text;
alter table local_mode_orders add column attempts integer not null default 0;
alter table local_mode_orders add column next_attempt_at text; -- null: the station need not be told
alter table local_mode_orders add column applied_at text;
alter table local_mode_orders add column problem text;
alter table local_mode_orders add column claimed_by text;
alter table local_mode_orders add column claimed_until integer; -- in seconds since 1970

-- What instructors ask for, and what became of it.
create table instructor_requests (
    id             text not null primary key, -- derived from what is asked for
    kind           text not null check (kind in ('hold', 'leaving', 'more_time')),
    host           text not null,
    reservation_id text,
    asked_by       text not null,
    asked_at       text not null,
    reason         text,
    minutes        integer,
    until_at       text,
    state          text not null check (state in ('asked', 'granted', 'refused', 'expired', 'ended')),
    expires_at     text, -- no answer helps from here on
    shown_at       text,
    seen_at        text,
    answered_at    text,
    answered_by    text, -- null: by the rules, at once
    note           text
);
create index instructor_requests_asked_at on instructor_requests (asked_at, id);
create index instructor_requests_host on instructor_requests (host, asked_at);
create index instructor_requests_state on instructor_requests (state, expires_at);
