-- Requests that name themselves by a key, so that a repeated one is not carried out again.
create table idempotency_keys (
    token_id        varchar(64) not null, -- keys of one caller are no keys of another
    idempotency_key varchar(255) not null,
    request_sha256  binary(32) not null, -- of method, address and body
    claimed_by      varchar(64) not null, -- who answers it: a word of their own
    claimed_until   datetime(6) not null, -- a lease: from then on somebody else may carry it out
    answer          longtext, -- JSON; null: not answered yet
    expires_at      datetime(6) not null,
    primary key (token_id, idempotency_key)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin;
create index idempotency_keys_expires_at on idempotency_keys (expires_at);
