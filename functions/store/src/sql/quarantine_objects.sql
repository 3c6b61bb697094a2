insert into quarantined_objects
    (object_key, object_version, host, reason, detail, first_bytes, size_bytes, arrived_at, quarantined_at, quarantine_key)
values {rows}
{keep object_key, object_version = object_key}
