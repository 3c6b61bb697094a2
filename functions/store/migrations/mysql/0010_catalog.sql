-- What a catalog of hosts says of a station beside its place. Null: what holds for all stations.
alter table lab_hosts add column spelling varchar(191); -- the name as somebody wrote it
alter table lab_hosts add column labs longtext; -- JSON list; `lab` is the first of them
alter table lab_hosts add column catalog_order bigint; -- the first that lists a lab has it
alter table lab_hosts add column ping_target varchar(191);
alter table lab_hosts add column credential_ref varchar(191);
alter table lab_hosts add column transport varchar(64);
alter table lab_hosts add column heartbeat_path longtext;
alter table lab_hosts add column events_path longtext;
alter table lab_hosts add column mode varchar(191);
alter table lab_hosts add column pin binary(32); -- SHA-256 of its certificate
alter table lab_hosts add column source varchar(64) check (source in ('file', 'api')); -- null: seen by itself

-- What somebody wanted of a station's local mode the last time. What it is, its heartbeat says.
create table local_mode_orders (
    host       varchar(64) not null primary key,
    enabled    tinyint not null,
    owner      varchar(191) not null,
    reason     longtext,
    ordered_at datetime(6) not null,
    foreign key (host) references lab_hosts (name)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
