insert into host_event_cursors
    (host, object_key, consumed_bytes, consumed_lines, version, tail_length, tail_sha256)
values {rows}
{upsert host, object_key}
    consumed_bytes = {new consumed_bytes}, consumed_lines = {new consumed_lines}, version = {new version},
    tail_length = {new tail_length}, tail_sha256 = {new tail_sha256}
