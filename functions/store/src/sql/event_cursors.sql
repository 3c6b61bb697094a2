select host, object_key, consumed_bytes, consumed_lines, version, tail_length, tail_sha256
from host_event_cursors
where host in ({list})
order by host, object_key
