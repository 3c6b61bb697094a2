-- Whose labs a token is for: a JSON list; null: all.
alter table api_tokens add column labs text;

-- By which somebody gets a token of their own, once.
create table pairing_codes (
    sha256     blob not null primary key, -- of the code, which is kept nowhere
    name       text not null,
    role       text not null check (role in ('viewer', 'instructor', 'operator', 'admin')),
    labs       text,
    created_at text not null,
    expires_at text not null,
    used_at    text
);
create index pairing_codes_expires_at on pairing_codes (expires_at);

-- Who changed what. Written with the change.
create table audit_log (
    id         text not null primary key,
    at         text not null,
    actor      text not null,
    role       text, -- null: the command line, or the system itself
    action     text not null,
    target     text not null,
    host       text,
    outcome    text not null check (outcome in ('done', 'refused', 'failed')),
    detail     text, -- JSON
    request_id text
);
create index audit_log_at on audit_log (at, id);
create index audit_log_host on audit_log (host, at);
