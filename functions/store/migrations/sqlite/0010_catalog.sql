-- What a catalog of hosts says of a station beside its place. Null: what holds for all stations.
alter table lab_hosts add column spelling text; -- the name as somebody wrote it
alter table lab_hosts add column labs text; -- JSON list; `lab` is the first of them
alter table lab_hosts add column catalog_order integer; -- the first that lists a lab has it
alter table lab_hosts add column ping_target text;
alter table lab_hosts add column credential_ref text;
alter table lab_hosts add column transport text;
alter table lab_hosts add column heartbeat_path text;
alter table lab_hosts add column events_path text;
alter table lab_hosts add column mode text;
alter table lab_hosts add column pin blob; -- SHA-256 of its certificate
alter table lab_hosts add column source text check (source in ('file', 'api')); -- null: seen by itself

-- What somebody wanted of a station's local mode the last time. What it is, its heartbeat says.
create table local_mode_orders (
    host       text not null primary key,
    enabled    integer not null,
    owner      text not null,
    reason     text,
    ordered_at text not null,
    foreign key (host) references lab_hosts (name)
);
