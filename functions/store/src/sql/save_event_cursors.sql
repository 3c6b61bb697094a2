insert into host_event_cursors
    (host, object_key, consumed_bytes, consumed_lines, version, head_length, head_sha256)
values {rows}
{upsert host, object_key}
    consumed_bytes = {new consumed_bytes}, consumed_lines = {new consumed_lines}, version = {new version},
    head_length = {new head_length}, head_sha256 = {new head_sha256}
